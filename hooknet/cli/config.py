"""`hooknet config check` and `hooknet config show`: is hooknet.toml right, and what follows from it.

Both read the file themselves and need no daemon. A plugin's own settings are checked by `hooknet plugins check`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hooknet.cli import reading
from hooknet.cli.tables import Column, counted, render, width
from hooknet.errors import EXIT_OK

if TYPE_CHECKING:
    import argparse

COLUMNS = (Column("key", "KEY"), Column("value", "VALUE"), Column("origin", "ORIGIN", 1))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("config", help="check or show the configuration", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="check|show", required=True)
    check = reading.add_action(actions, "check", "exit 2 and say why when the file is not valid")
    show = reading.add_action(actions, "show", "every effective setting; secrets are masked")
    show.add_argument("--origin", action="store_true", help="also say where each comes from")
    reading.add_format(show)
    for sub in (check, show):
        sub.add_argument("--config", type=Path, metavar="F", help="instead of /etc/hooknet/hooknet.toml")


def run(args: argparse.Namespace) -> int:
    from hooknet.cli.settings import DEFAULT, as_toml, effective

    settings = effective(args.config)
    if args.action == "check":
        given = [setting for setting in settings if setting.origin != DEFAULT]
        if given:
            print(f"ok: {given[0].origin}, {counted(len(given), 'setting')}")
        else:
            print("ok: nothing is set, everything has its default")
    elif args.format == "json":
        print(reading.as_json([dataclasses.asdict(setting) for setting in settings], indent=2))
    elif args.origin:
        rows = [{"key": s.key, "value": as_toml(s.value), "origin": s.origin} for s in settings]
        print(render(COLUMNS, rows, width()))
    else:
        print("\n".join(f"{setting.key} = {as_toml(setting.value)}" for setting in settings))
    return EXIT_OK
