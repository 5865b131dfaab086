"""`hooknet doctor`: look for what really goes wrong, and say what to do about it.

It needs no daemon, changes nothing and takes no lease: of DHCP servers it only asks what they would offer.
Exits 1 when it found a problem. Run it as root: some things can't be seen otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hooknet.cli import reading
from hooknet.cli.tables import counted, text
from hooknet.errors import EXIT_OK, EXIT_UNHEALTHY

if TYPE_CHECKING:
    import argparse

    from hooknet.doctor.checks import Check
    from hooknet.doctor.findings import Finding

PATIENCE = 10.0
"""Seconds for the daemon's own report."""

MARKS = {"ok": "ok  ", "note": "note", "problem": "BAD ", "skipped": "?   "}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "doctor", help="look for what goes wrong, and say what to do", description=__doc__
    )
    parser.add_argument(
        "--parent",
        metavar="IF",
        help="the interface to look at (default: those of the networks with DHCP, else the default route's)",
    )
    reading.add_format(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    from hooknet.cli.client import ControlClient
    from hooknet.doctor.checks import examine
    from hooknet.doctor.networks import Place, places
    from hooknet.doctor.this_host import ThisHost

    client = ControlClient(args.run_dir, timeout=PATIENCE)
    host = ThisHost(lambda: client.get("/v1/status"), args.run_dir)
    looked_at = [Place(args.parent)] if args.parent else places(host)
    found: list[dict[str, Any]] = []
    for check, findings in examine(host, looked_at):
        rows = [row(check, finding) for finding in findings]
        found += rows
        if args.format == "table":
            for one in rows:
                print("\n".join(lines(one)), flush=True)
    problems = sum(one["verdict"] == "problem" for one in found)
    if args.format == "json":
        print(reading.as_json({"ok": not problems, "findings": found}, indent=2))
    else:
        print("\n" + counted(problems, "problem") if problems else "\nno problems")
    return EXIT_UNHEALTHY if problems else EXIT_OK


def row(check: Check, finding: Finding) -> dict[str, Any]:
    return {
        "check": check.name,
        "verdict": str(finding.verdict),
        "what": finding.what,
        "why": finding.why,
        "todo": finding.todo,
    }


def lines(one: dict[str, Any]) -> list[str]:
    """A finding for people: what, and below it why and what to do."""
    shown = [f"{MARKS[one['verdict']]}  {text(one['what'])}"]
    if one["verdict"] != "ok":
        shown += [f"      {text(one['why'])}"] if one["why"] else []
        shown += [f"      -> {text(one['todo'])}"] if one["todo"] else []
    return shown
