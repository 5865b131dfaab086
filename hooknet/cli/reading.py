"""What commands share: their actions, `--format`, `--watch`, `--run-dir`, and the loop behind `--watch`.

A command that reads fetches data and renders it; `show` decides how often, and as what. JSON is what the
control API says, unchanged, so that a script may use either.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hooknet.cli.client import RUN_DIR, ControlClient
from hooknet.errors import EXIT_OK, HooknetError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

EVERY = 2.0
SHORTEST, LONGEST = 0.1, 86400.0
"""Seconds between two looks: often enough for eyes, at least once a day."""
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, meaning: str
) -> argparse.ArgumentParser:
    """One action of a command that has several. `meaning`: what the command's help and its own say."""
    return actions.add_parser(name, help=meaning, description=meaning)


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=RUN_DIR,
        metavar="D",
        help=f"where the sockets are (default {RUN_DIR})",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="for people or for programs (default table)",
    )


def add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        type=interval,
        nargs="?",
        const=EVERY,
        metavar="SECONDS",
        help=f"show it again and again (default every {EVERY:g} s) until Ctrl-C",
    )


def interval(text: str) -> float:
    """How often `--watch` looks. Raises ArgumentTypeError."""
    from argparse import ArgumentTypeError

    with suppress(ValueError):
        seconds = float(text)
        if SHORTEST <= seconds <= LONGEST:
            return seconds
    raise ArgumentTypeError(f"{text!r} is no interval; give {SHORTEST:g} to {LONGEST:g} seconds")


def client(args: argparse.Namespace) -> ControlClient:
    return ControlClient(args.run_dir)


def show(
    args: argparse.Namespace,
    fetch: Callable[[], Any],
    render: Callable[[Any], str],
    code: Callable[[Any], int] = lambda _data: EXIT_OK,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Fetch and print once, or for ever with `--watch`. Returns the exit code that `code` gives the data.

    While watching, a daemon that can't be reached is shown as such and asked again: it may be restarting.
    """
    if getattr(args, "watch", None) is None:
        data = fetch()
        print(as_json(data, indent=2) if args.format == "json" else render(data))
        return code(data)
    while True:
        print(screen(args, fetch, render), flush=True)
        pause(args.watch)


def screen(args: argparse.Namespace, fetch: Callable[[], Any], render: Callable[[Any], str]) -> str:
    """One picture of `--watch`: a line of JSON, or the table on a cleared terminal."""
    try:
        data = fetch()
        body = as_json(data) if args.format == "json" else render(data)
    except HooknetError as error:
        body = as_json({"error": str(error)}) if args.format == "json" else f"hooknet: {error}"
    if args.format == "json":
        return body
    head = f"every {args.watch:g} s, {time.strftime('%H:%M:%S')}, Ctrl-C ends\n"
    return (CLEAR if sys.stdout.isatty() else "") + head + "\n" + body


def as_json(data: Any, indent: int | None = None) -> str:
    return json.dumps(data, indent=indent)
