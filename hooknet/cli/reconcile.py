"""`hooknet reconcile`: compare journal, kernel and podman now, and put right what differs.

The daemon does this by itself, at start, every minute and after every gap in podman's events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hooknet.cli import reading
from hooknet.cli.tables import Column, render, width

if TYPE_CHECKING:
    import argparse

COLUMNS = (Column("action", "ACTION"), Column("who", "ATTACHMENT"), Column("why", "WHY", 1))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("reconcile", help="put right what differs, now", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    reading.add_format(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    client = reading.client(args)
    dry_run = "true" if args.dry_run else "false"
    return reading.show(args, lambda: client.post("/v1/reconcile", [("dry_run", dry_run)]), shown)


def shown(data: dict[str, Any]) -> str:
    if not data["actions"]:
        return "journal, kernel and podman agree; nothing to do"
    head = "would do:" if data["dry_run"] else "done:"
    return f"{head}\n{render(COLUMNS, data['actions'], width())}"
