"""`hooknet leases [NAME]`: what hooknet holds, for whom, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hooknet.cli import reading
from hooknet.cli.tables import Column, pairs, render, width
from hooknet.cli.times import relative, span

if TYPE_CHECKING:
    import argparse

COLUMNS = (
    Column("who", "CONTAINER"),
    Column("network", "NETWORK", 5),
    Column("ifname", "IF", 3),
    Column("address", "ADDRESS"),
    Column("state", "STATE", 7),
    Column("expires_in", "EXPIRES", 6),
    Column("mac", "MAC", 4),
    Column("server", "SERVER", 2),
    Column("parent", "PARENT", 1),
    Column("note", "NOTE", 0),
)
CHANGEABLE = (("mac", "mac"), ("client-id", "client_id"), ("hostname", "hostname"))


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("leases", help="what hooknet holds", description=__doc__)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="one container: its name, its id, or its address"
    )
    parser.add_argument("--network", metavar="NETWORK", help="only this network")
    parser.add_argument("--timing", action="store_true", help="where the time of the last ADD went")
    reading.add_format(parser)
    reading.add_watch(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    client = reading.client(args)
    path = f"/v1/leases/{quote(args.name, safe='')}" if args.name else "/v1/leases"

    def fetch() -> Any:
        if args.name is None:
            return client.get(path, [("network", args.network)] if args.network else [])
        found = client.get(path)["leases"]
        return {"leases": [lease for lease in found if args.network in {None, lease["network"]}]}

    def shown(data: Any) -> str:
        leases, now = data["leases"], datetime.now(UTC)
        if not leases:
            return "hooknet holds no leases" + (f" on network {args.network!r}" if args.network else "")
        if args.timing:
            return "\n\n".join(timing(lease) for lease in leases)
        if args.name:
            return "\n\n".join(details(lease, now) for lease in leases)
        return listing(leases, now)

    return reading.show(args, fetch, shown)


def listing(leases: list[dict[str, Any]], now: datetime) -> str:
    """The table of all attachments."""
    rows = [
        lease
        | {
            "who": who(lease),
            "address": lease["address"] or "-",
            "expires_in": expiry(lease, now),
        }
        for lease in leases
    ]
    return render(COLUMNS, rows, width())


def details(lease: dict[str, Any], now: datetime) -> str:
    """One attachment, line by line."""
    changed = lease["changed_by"]
    changes = {key: by for key, by in changed.items() if key not in {key for _, key in CHANGEABLE}}
    rows: list[tuple[str, object]] = [
        ("container", f"{lease['container'] or '-'} ({lease['container_id'][:12]})"),
        ("network", f"{lease['network']}, {lease['ifname']} on {lease['parent']} ({lease['runtime']})"),
        ("state", f"{lease['state']}, {lease['phase']}, generation {lease['generation']}"),
        ("address", lease["address"] or "none of hooknet's"),
        *((name, with_author(lease[key], changed.get(key))) for name, key in CHANGEABLE),
        ("server", lease["server"]),
        ("expires", expiry_in_full(lease, now)),
        ("renews", renewal(lease)),
        ("routes", ", ".join(route(found) for found in lease["routes"])),
        ("dns", ", ".join(lease["dns"])),
        ("domain", lease["domain"]),
        ("search", ", ".join(lease["search"])),
        ("ntp", ", ".join(lease["ntp"])),
        ("mtu", lease["mtu"]),
        ("changed by", ", ".join(f"{key} ({by})" for key, by in changes.items())),
        ("note", lease["note"]),
    ]
    return pairs(rows)


def timing(lease: dict[str, Any]) -> str:
    """The steps of the last ADD: when each ended, and how long it took, in milliseconds."""
    steps = sorted(lease["timing"].items(), key=lambda step: step[1])
    if not steps:
        return f"{who(lease)}: this daemon has not attached it, so there is no timing"
    rows, before = [], 0.0
    for name, at in steps:
        rows.append({"step": name, "at": f"{at:.2f}", "took": f"{at - before:.2f}"})
        before = at
    columns = (
        Column("step", "STEP"),
        Column("at", "AT ms", right=True),
        Column("took", "TOOK ms", right=True),
    )
    return f"{who(lease)} on {lease['network']}\n{render(columns, rows, width())}"


def who(lease: dict[str, Any]) -> str:
    name: str = lease["container"] or lease["container_id"][:12]
    return name


def with_author(value: str | None, plugin: str | None) -> str | None:
    return f"{value} ({plugin})" if value and plugin else value


def expiry(lease: dict[str, Any], now: datetime) -> str:
    if lease["address"] is None:
        return ""
    return relative(lease["expires"], now) or "never"


def expiry_in_full(lease: dict[str, Any], now: datetime) -> str:
    if lease["expires"] is None:
        return expiry(lease, now)
    return f"{expiry(lease, now)} ({lease['expires']}), granted for {span(lease['lease_time'] or 0)}"


def renewal(lease: dict[str, Any]) -> str:
    if lease["t1"] is None or lease["t2"] is None:
        return ""
    first, then = span(lease["t1"]), span(lease["t2"])
    return f"{first} after it was obtained ({lease['obtained']}), from any server after {then}"


def route(found: dict[str, str | None]) -> str:
    return (
        f"{found['destination']} via {found['gateway']}"
        if found["gateway"]
        else f"{found['destination']} on link"
    )
