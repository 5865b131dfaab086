"""`hooknet uninstall`: take away what `hooknet install` made, and put back what it changed.

State (leases, identities) and a configuration that you changed stay, unless --purge. Containers that are
attached need hooknet to be removed properly: while there are any, it refuses, unless --force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.cli.install import add_shared, follow, root_of

if TYPE_CHECKING:
    import argparse

NAMED = 5


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "uninstall", help="take away what install made, put back what it changed", description=__doc__
    )
    parser.add_argument("--purge", action="store_true", help="also remove state and configuration")
    parser.add_argument("--force", action="store_true", help="even while containers are attached")
    add_shared(parser)


def run(args: argparse.Namespace) -> int:
    from os import environ

    from hooknet.install import record, removal
    from hooknet.install.units import Systemctl

    root = root_of(args)
    if root.is_machine and not args.force:
        require_nobody()
    made = removal.plan(root, record.read(root), running=Systemctl(root), purge=args.purge, environ=environ)
    return follow(made, root, dry_run=args.dry_run)


def require_nobody() -> None:
    """Raises REFUSED while the daemon knows of attachments; a daemon that can't be asked knows of none."""
    from hooknet.cli.client import ControlClient
    from hooknet.cli.tables import counted
    from hooknet.errors import HooknetError, Kind

    try:
        leases = ControlClient().get("/v1/leases")["leases"]
    except HooknetError:
        return
    if leases:
        names = sorted({lease["container"] or lease["container_id"][:12] for lease in leases})
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise HooknetError(
            Kind.REFUSED,
            f"{counted(len(names), 'container')} still attached: {', '.join(names[:NAMED])}{more}",
            details="without hooknet podman can't detach them properly",
            hint="stop or remove them first, or give --force",
        )
