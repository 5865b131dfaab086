"""`hooknet install --shims-only`: writes the CNI plugins `hooknet`, `macvlan` and `dhcp` into a directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hooknet.errors import EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command line of `hooknet install`."""
    parser = subparsers.add_parser("install", help="write the CNI plugins that container runtimes run")
    parser.add_argument("--shims-only", action="store_true", help="write the plugins and nothing else")
    parser.add_argument("--cni-dir", type=Path, metavar="DIR", help="where to write them")
    parser.add_argument(
        "--drop-in", action="store_true", help="fail when `macvlan` or `dhcp` in DIR belong to somebody else"
    )
    parser.add_argument("--socket", type=Path, metavar="PATH", help="dial this socket and no other")
    parser.add_argument("--daemon", type=Path, metavar="PATH", help="the hooknet command that they start")
    parser.add_argument("--python", type=Path, metavar="PATH", help="the interpreter that runs them")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code. Raises BAD_CONFIG and IO."""
    from hooknet.shim import install

    if not args.shims_only or args.cni_dir is None:
        print("hooknet: give --shims-only and --cni-dir DIR", file=sys.stderr)
        return EXIT_USAGE
    choices = install.Choices(
        daemon=args.daemon or install.default_daemon(),
        interpreter=args.python or install.INTERPRETER,
        socket=args.socket,
    )
    changes = install.plan(args.cni_dir.absolute(), choices, insist=args.drop_in)
    if not args.dry_run:
        install.apply(changes, choices)
    for change in changes:
        print(change)
    return EXIT_OK
