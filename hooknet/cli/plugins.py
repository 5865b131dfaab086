"""`hooknet plugins`: which plugins there are, how they do, and a start for a new one.

list: what the daemon has loaded, and how its calls went. check: load and validate everything here and now,
without a daemon. enable, disable: until the daemon starts again; `[plugins] disable` in hooknet.toml lasts.
new: write a package that is ready to be tested and installed. Exit code 1 when a plugin can't be used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hooknet.cli import reading
from hooknet.cli.tables import Column, render, text, width
from hooknet.errors import EXIT_OK, EXIT_UNHEALTHY

if TYPE_CHECKING:
    import argparse

BAD_STATES = {"failed", "quarantined"}
IDLE = {"inert", "disabled"}
COLUMNS = (
    Column("name", "PLUGIN"),
    Column("state", "STATE"),
    Column("distribution", "FROM", 2),
    Column("version", "VERSION", 6),
    Column("hooks", "HOOKS", 4),
    Column("calls", "CALLS", 3, right=True),
    Column("failures", "FAILED", 3, right=True),
    Column("p50_ms", "P50 MS", 1, right=True),
    Column("p95_ms", "P95 MS", 1, right=True),
    Column("why", "WHY", 5),
)
CHECK_COLUMNS = tuple(one for one in COLUMNS if one.key not in {"calls", "failures", "p50_ms", "p95_ms"})


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("plugins", help="list, check, enable, write plugins", description=__doc__)
    add_reading(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    add_reading(reading.add_action(actions, "list", "what is loaded, and how its calls went (the default)"))
    check = reading.add_action(actions, "check", "load and validate every plugin without a daemon")
    check.add_argument("--config", type=Path, metavar="F", help="instead of /etc/hooknet/hooknet.toml")
    reading.add_format(check)
    for verb, meaning in (
        ("enable", "end a quarantine or a disabling"),
        ("disable", "call a plugin no more, until it is enabled or the daemon starts again"),
    ):
        action = reading.add_action(actions, verb, meaning)
        action.add_argument("name", metavar="NAME", help="as `hooknet plugins` shows it")
        reading.add_run_dir(action)
    new = reading.add_action(actions, "new", "write a package for a new plugin")
    new.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")
    new.add_argument(
        "--directory",
        type=Path,
        default=Path(),
        metavar="D",
        help="where the new folder goes (default here)",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    reading.add_format(parser)
    reading.add_watch(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    match args.action:
        case "check":
            return check(args)
        case "new":
            return new(args)
        case "enable" | "disable":
            return change(args)
        case _:
            client = reading.client(args)
            return reading.show(args, lambda: client.get("/v1/plugins"), table, verdict)


def check(args: argparse.Namespace) -> int:
    from hooknet.config import load
    from hooknet.hooks.checking import check_all
    from hooknet.serial import to_builtins

    data = {"plugins": to_builtins(check_all(load(args.config)))}
    return reading.show(args, lambda: data, lambda found: table(found, CHECK_COLUMNS), verdict)


def new(args: argparse.Namespace) -> int:
    from hooknet.hooks.scaffold import write_package

    folder = write_package(args.name, args.directory)
    python = sys.executable
    print(f"wrote {folder}\nnext: cd {folder} && {python} -m pip install '.[test]' && {python} -m pytest")
    return EXIT_OK


def change(args: argparse.Namespace) -> int:
    report = reading.client(args).post(f"/v1/plugins/{quote(args.name, safe='')}/{args.action}")
    print(f"{report['name']}: {report['state']}")
    return EXIT_OK


def table(data: Any, columns: tuple[Column, ...] = COLUMNS) -> str:
    """One row per plugin. Where the terminal is too narrow for what is wrong, that comes below, uncut."""
    if not data["plugins"]:
        return "no plugins: nothing is installed that offers an entry point of the group hooknet"
    rows = [
        plugin | {"hooks": ",".join(plugin["hooks"]), "why": plugin.get("reason") or plugin.get("last_error")}
        for plugin in data["plugins"]
    ]
    whole, limit = render(columns, rows, None), width()
    if limit is None or max(map(len, whole.splitlines())) <= limit:
        return whole
    narrow = render([column for column in columns if column.key != "why"], rows, limit)
    below = [text(f"{row['name']}: {row['why']}") for row in rows if row["why"] and row["state"] not in IDLE]
    return "\n".join([narrow, *below])


def verdict(data: Any) -> int:
    bad = any(plugin["state"] in BAD_STATES for plugin in data["plugins"])
    return EXIT_UNHEALTHY if bad else EXIT_OK
