"""`hooknet install`: put hooknet's CNI plugins where podman finds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("install", help="put the CNI plugins in place", description=__doc__)
    parser.add_argument(
        "--shims-only",
        action="store_true",
        required=True,
        help="write hooknet, macvlan and dhcp, nothing else",
    )
    parser.add_argument("--cni-dir", type=Path, required=True, metavar="DIR", help="where they are written")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="the socket that they dial (default: both)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")


def run(args: argparse.Namespace) -> int:
    from hooknet.shim import install

    choices = install.Choices(daemon=install.default_daemon(), socket=args.socket)
    changes = install.plan(args.cni_dir, choices, insist=True)
    if not args.dry_run:
        install.apply(changes, choices)
    for change in changes:
        print(change)
    return 0
