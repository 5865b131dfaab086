"""`hooknet status`: is all well, and if not, what to do. Exits 1 when something is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hooknet.cli import reading
from hooknet.cli.tables import pairs
from hooknet.cli.times import relative, span
from hooknet.errors import EXIT_OK, EXIT_UNHEALTHY

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("status", help="is all well, and if not, what to do", description=__doc__)
    reading.add_format(parser)
    reading.add_watch(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    client = reading.client(args)
    return reading.show(args, lambda: client.get("/v1/status"), shown, verdict)


def verdict(status: dict[str, Any]) -> int:
    return EXIT_OK if status["healthy"] else EXIT_UNHEALTHY


def shown(status: dict[str, Any]) -> str:
    """The picture for people."""
    health = "healthy" if status["healthy"] else "NOT HEALTHY"
    head = f"hooknet {status['version']}: {health}, up {span(status['uptime_s'])}, pid {status['pid']}"
    now = datetime.now(UTC)
    rows: list[tuple[str, object]] = [
        *((name, count) for name, count in status["counts"].items()),
        (
            "store",
            sentence(f"{status['store']['state']}, {status['store']['path']}", status["store"]["detail"]),
        ),
        *(("podman", podman(stream, now)) for stream in status["podman"]),
        *(("parent", parent(found)) for found in status["parents"]),
        ("config", status["config"] or "defaults, there is no file"),
    ]
    heading = "worth knowing:" if status["healthy"] else "problems:"
    problems = [problem(found) for found in status["problems"]]
    return "\n".join([head, pairs(rows, indent=2), *([heading, *problems] if problems else [])])


def podman(stream: dict[str, Any], now: datetime) -> str:
    last = f", last event {relative(stream['last_event'], now)}" if stream["last_event"] else ""
    return sentence(f"{stream['state']} {stream['url']}, {stream['events']} events{last}", stream["detail"])


def parent(found: dict[str, Any]) -> str:
    state = "down" if not found["up"] else "up" if found["carrier"] else "up, no carrier"
    return f"{found['name']} {found['detail'] or state}, {found['attachments']} attached"


def problem(found: dict[str, str]) -> str:
    return "  " + "; ".join(part for part in (found["what"], found["why"], found["todo"]) if part)


def sentence(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text
