"""`hooknet events`: what hooknet did and saw; with `--follow` as it happens.

Without `--follow` it prints what the daemon remembers (its latest events, since it started) and ends.
"""

from __future__ import annotations

import argparse
import time

from hooknet.cli import reading
from hooknet.cli.times import clock, since
from hooknet.logids import CHOICES, id_of


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("events", help="what hooknet did and saw", description=__doc__)
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what happens from now on")
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="begin there: 10m (ago), 14:30, or an RFC 3339 time"
    )
    parser.add_argument(
        "--kind",
        action="append",
        choices=tuple(CHOICES),
        metavar="KIND",
        help=f"only this kind; may be repeated: {', '.join(CHOICES)}",
    )
    reading.add_format(parser)
    reading.add_run_dir(parser)


def moment(text: str) -> float:
    try:
        return since(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(args: argparse.Namespace) -> int:
    from hooknet.logs import name_of, sentence

    query = [("follow", "true" if args.follow else "false")]
    query += [("since", repr(args.since))] if args.since is not None else []
    query += [("kind", kind) for kind in args.kind or ()]
    for event in reading.client(args).stream("/v1/events", query):
        if args.format == "json":
            print(reading.as_json(event), flush=True)
        elif event["kind"] == "dropped":
            print(
                f"{clock(event['time'])}  … {event['count']} events were too fast for this reader", flush=True
            )
        else:
            words = (name_of(event), sentence(id_of(event).what, event))
            line = f"{clock(event['time'])}  {event['kind']:10}  {': '.join(word for word in words if word)}"
            print(line, flush=True)
    return 0
