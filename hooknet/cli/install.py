"""`hooknet install`: put hooknet where podman, systemd and you find it.

It writes the CNI plugin into podman's plugin directory, systemd's units, the group `hooknet`, a commented
/etc/hooknet/hooknet.toml and the state directory. What is there and is not hooknet's is never overwritten; running
it again changes nothing, or brings an older installation up to date. `hooknet uninstall` puts everything back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hooknet.cli.tables import text

if TYPE_CHECKING:
    import argparse

    from hooknet.install.planning import Plan
    from hooknet.install.root import Root

MACHINE = Path("/")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "install", help="put plugins, units and configuration in place", description=__doc__
    )
    parser.add_argument(
        "--drop-in",
        action="store_true",
        help="also serve conflists that say macvlan and dhcp: shims of these names come first in podman's list",
    )
    parser.add_argument(
        "--netavark",
        action="store_true",
        help="also be netavark's driver `hooknet`, and stand in for its dhcp-proxy (podman 5)",
    )
    parser.add_argument(
        "--network", metavar="NAME", help="also write a network for podman run --network NAME"
    )
    parser.add_argument(
        "--parent", metavar="IF", help="that network's interface (default: the default route's)"
    )
    parser.add_argument(
        "--cni-dir",
        type=absolute,
        metavar="DIR",
        help="where the plugins are written (default: where podman looks)",
    )
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the socket that they dial, and no other")
    parser.add_argument(
        "--daemon",
        type=absolute,
        metavar="PATH",
        help="the hooknet command that is started, as the installed system sees it (default: this one)",
    )
    parser.add_argument(
        "--shims-only",
        action="store_true",
        help="write hooknet, macvlan and dhcp into --cni-dir, nothing else",
    )
    add_shared(parser)
    parser.set_defaults(usage_error=parser.error)


def absolute(text: str) -> Path:
    """A path that is written down, for programs that start elsewhere."""
    from argparse import ArgumentTypeError

    path = Path(text)
    if not path.is_absolute():
        raise ArgumentTypeError(f"{text!r} is no absolute path; give one that begins with /")
    return path


def add_shared(parser: argparse.ArgumentParser) -> None:
    """What install and uninstall have in common."""
    parser.add_argument(
        "--root", type=Path, metavar="DIR", default=MACHINE, help="an image's tree, instead of this machine"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")


def run(args: argparse.Namespace) -> int:
    if args.shims_only:
        return shims_only(args)
    if args.parent and not args.network:
        args.usage_error("--parent belongs to --network NAME")
    from os import environ

    from hooknet.install import program, record
    from hooknet.install.plan import plan
    from hooknet.install.planning import Wanted
    from hooknet.install.units import Systemctl
    from hooknet.shim.install import default_daemon

    root = root_of(args)
    daemon = args.daemon or default_daemon()
    program.require_visible([("the command", daemon)] if args.daemon else program.parts_of(daemon))
    program.require_there(root, daemon)
    wanted = Wanted(
        daemon=daemon,
        drop_in=args.drop_in,
        netavark=args.netavark,
        cni_dir=args.cni_dir,
        socket=args.socket,
        network=args.network,
        parent=args.parent,
    )
    made = plan(root, wanted, record.read(root), running=Systemctl(root), environ=environ)
    return follow(made, root, dry_run=args.dry_run)


def root_of(args: argparse.Namespace) -> Root:
    """The root, which must be there, and root's to change. Raises NOT_FOUND or NOT_ALLOWED."""
    from os import geteuid

    from hooknet.errors import HooknetError, Kind

    root = root_that_is_there(args)
    if geteuid() != 0 and not args.dry_run:
        raise HooknetError(
            Kind.NOT_ALLOWED, "only root may do this", hint="use sudo; --dry-run shows what would be done"
        )
    return root


def root_that_is_there(args: argparse.Namespace) -> Root:
    """Raises NOT_FOUND."""
    from hooknet.errors import HooknetError, Kind
    from hooknet.install.root import Root

    root = Root(args.root.absolute())
    if not root.path.is_dir():
        raise HooknetError(Kind.NOT_FOUND, f"there is no directory {args.root}", hint="give an image's tree")
    return root


def follow(plan: Plan, root: Root, *, dry_run: bool) -> int:
    """Carry a plan out, or only show it; each change is told when it is done."""
    from hooknet.install.changes import carry_out

    for change in plan.changes if dry_run else carry_out(plan.changes, root):
        print(text(change))
    if not plan.changes:
        print("nothing to do")
    for note in plan.notes:
        print(f"note: {text(note)}")
    return 0


def shims_only(args: argparse.Namespace) -> int:
    """For whoever takes care of the rest: packagers, labs."""
    from hooknet.install.plan import plan_shims_only
    from hooknet.shim.install import Choices, default_daemon

    if args.cni_dir is None:
        args.usage_error("--shims-only needs --cni-dir DIR")
    root = root_that_is_there(args)
    choices = Choices(daemon=args.daemon or default_daemon(), socket=args.socket)
    return follow(plan_shims_only(root, args.cni_dir, choices), root, dry_run=args.dry_run)
