"""`hooknet daemon`: run the daemon in the foreground. systemd starts it so; by hand it works the same.

It needs root, or the capabilities NET_ADMIN, NET_RAW, SYS_ADMIN and NET_BIND_SERVICE. SIGTERM ends it and
keeps every lease; SIGHUP reads the configuration again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

LEVELS = ("debug", "info", "warning", "error")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("daemon", help="run the daemon in the foreground", description=__doc__)
    parser.add_argument(
        "--config", type=Path, metavar="F", help="default /etc/hooknet/hooknet.toml, if there is one"
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="D",
        default=Path("/run/hooknet"),
        help="for sockets (default %(default)s)",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="D",
        default=Path("/var/lib/hooknet"),
        help="for the journal (default %(default)s)",
    )
    parser.add_argument(
        "--podman-url",
        action="append",
        metavar="URL",
        help="whose events to follow; may be repeated; replaces the configuration's; empty for nobody",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="replaces the configuration's")
    parser.add_argument("--log-level", choices=LEVELS, help="replaces the configuration's")


def run(args: argparse.Namespace) -> int:
    from hooknet.daemon import Options
    from hooknet.daemon import run as run_daemon

    urls = None if args.podman_url is None else tuple(url for url in args.podman_url if url)
    return run_daemon(
        Options(
            config=args.config,
            run_dir=args.run_dir,
            state_dir=args.state_dir,
            podman_urls=urls,
            log_format=args.log_format,
            log_level=args.log_level,
        )
    )
