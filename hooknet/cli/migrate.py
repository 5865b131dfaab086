"""`hooknet migrate`: let networks that lease by DHCP already be served by hooknet.

It lists CNI networks with `ipam: dhcp` and netavark networks with `--ipam-driver dhcp`, and what each becomes. With
`--apply` it does that; the file as it was stays beside the new one, with `.before-hooknet` behind its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.cli.install import add_shared, follow, root_of
from hooknet.cli.tables import text

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "migrate", help="let existing DHCP networks be served by hooknet", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="these networks only")
    parser.add_argument("--apply", action="store_true", help="do it; without it, it is only said")
    parser.add_argument(
        "--to-netavark",
        action="store_true",
        help="make CNI networks netavark networks, for the way from podman 4 to 5",
    )
    add_shared(parser)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from os import environ

    from hooknet.install.plan import DROP_IN_DIR, read_conf
    from hooknet.migrate import NETAVARK_NETWORKS, plan
    from hooknet.shim.install import PLUGIN

    args.dry_run = args.dry_run or not args.apply
    root = root_of(args)
    conf = read_conf(root, environ)
    folders = dict.fromkeys((conf.networks, NETAVARK_NETWORKS))
    made, moves = plan(root, tuple(folders), args.names, to_netavark=args.to_netavark)
    for move in moves:
        for said in move.says:
            print(text(f"{move.name}: {said}"))
    searched = conf.driver_dirs if args.to_netavark else (*conf.plugin_dirs, DROP_IN_DIR, *conf.driver_dirs)
    if moves and not any(root.exists(folder / PLUGIN) for folder in searched):
        how = "hooknet install --netavark" if args.to_netavark else "hooknet install"
        made = replace(made, notes=(*made.notes, f"podman finds no plugin {PLUGIN} yet: {how}"))
    code = follow(made, root, dry_run=args.dry_run)
    if made.changes and args.dry_run:
        print("nothing was changed; hooknet migrate --apply does it")
    return code
