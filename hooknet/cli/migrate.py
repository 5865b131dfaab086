"""`hooknet migrate`: let networks that lease by DHCP already be served by hooknet.

It lists CNI networks with `ipam: dhcp` and netavark networks with `--ipam-driver dhcp`, and what each becomes. With
`--apply` it does that; the file as it was stays beside the new one, with `.before-hooknet` behind its name (and a
number where one is kept already). A network that can't be moved keeps no other from moving: it is told of, and the
exit code is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.cli.install import add_shared, follow, root_of
from hooknet.cli.tables import text

if TYPE_CHECKING:
    import argparse

    from hooknet.install.containers_conf import ContainersConf
    from hooknet.install.root import Root
    from hooknet.migrate.plan import Way


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
    from datetime import UTC, datetime
    from os import environ

    from hooknet.errors import EXIT_UNHEALTHY
    from hooknet.install.plan import read_conf
    from hooknet.migrate.plan import Way, plan

    args.dry_run = args.dry_run or not args.apply
    root = root_of(args)
    conf = read_conf(root, environ)
    way = Way.TO_NETAVARK if args.to_netavark else Way.IN_PLACE
    moving = plan(root, conf, args.names, way, datetime.now(UTC))
    for line in (*(f"{move.name}: {said}" for move in moving.moves for said in move.says), *moving.refused):
        print(text(str(line)))
    code = follow(moving.plan, root, dry_run=args.dry_run)
    if moving.moves:
        tell_of_plugin(root, conf, way)
    if moving.plan.changes and args.dry_run:
        print("nothing was changed; hooknet migrate --apply does it")
    return EXIT_UNHEALTHY if moving.refused else code


def tell_of_plugin(root: Root, conf: ContainersConf, way: Way) -> None:
    """A note where podman would not find the plugin that networks name now."""
    from hooknet.install.plan import DROP_IN_DIR
    from hooknet.migrate.plan import Way
    from hooknet.shim.install import PLUGIN

    if way is Way.TO_NETAVARK:
        searched, how = conf.driver_dirs, "hooknet install --netavark"
    else:
        searched, how = (*conf.plugin_dirs, DROP_IN_DIR, *conf.driver_dirs), "hooknet install"
    if not any(root.exists(folder / PLUGIN) for folder in searched):
        print(f"note: podman finds no plugin {PLUGIN} yet: {how}")
