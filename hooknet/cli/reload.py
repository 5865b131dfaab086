"""`hooknet reload`: read the configuration and the plugins' settings again, without losing a lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.cli import reading

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("reload", help="read the configuration again", description=__doc__)
    reading.add_format(parser)
    reading.add_run_dir(parser)


def run(args: argparse.Namespace) -> int:
    client = reading.client(args)
    return reading.show(
        args,
        lambda: client.post("/v1/reload"),
        lambda data: "\n".join(data["changed"]) or "read again, nothing has changed",
    )
