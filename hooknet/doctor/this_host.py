"""The host of `host.py`, for real."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hooknet
from hooknet.config import DEFAULT_RUN_DIR
from hooknet.doctor.host import Line, Ran, Servers
from hooknet.install.root import Root
from hooknet.kernel import capabilities, links
from hooknet.kernel.links import Parent
from hooknet.kernel.pool import KernelPool
from hooknet.lifecycle.linux import LinuxMachine
from hooknet.lifecycle.ports import Machine
from hooknet.lifecycle.probing import servers_answering, servers_offering

PATIENCE = 10.0
WINDOW = 4.0
"""Seconds for answers: a server that pings an address before it offers it takes three."""
TIMES = 2
"""Questions, where the first has no answer: on a network that is busy frames get lost."""
THREADS = 2
SOCKETS = Path("/proc/net/unix")
ROW = re.compile(
    r"^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]+) [0-9A-F]+ [0-9A-F]+ +[0-9]+ (/.*)$", re.MULTILINE
)
"""Of a socket with a path: its flags, and the path (unix_seq_show of the kernel's af_unix.c)."""
ACCEPTS = 0x10000
"""In the flags of /proc/net/unix: it listens (__SO_ACCEPTCON of linux/net.h)."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks DHCP servers without a daemon."""

    machine: Machine
    randomness: random.Random


@dataclass(frozen=True, slots=True)
class ThisHost:
    """`ask_status`: gets `/v1/status` of the daemon, whose sockets are in `run_dir`."""

    ask_status: Callable[[], Mapping[str, Any]]
    run_dir: Path = DEFAULT_RUN_DIR
    root: Root = field(default_factory=Root)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    uid: int = field(default_factory=os.geteuid)

    def run(self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ran | None:
        try:
            done = subprocess.run(  # noqa: S603 - constant words and paths of our own
                command,
                input=stdin,
                env=None if env is None else {**self.environ, **env},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Ran(done.returncode, done.stdout, done.stderr)

    def line(self, socket_path: Path) -> Line:
        if not socket_path.exists():
            return Line.MISSING
        if not os.access(socket_path, os.W_OK):
            return Line.DENIED
        return Line.SERVED if socket_path.resolve() in listening() else Line.DEAD

    def status(self) -> Mapping[str, Any]:
        return self.ask_status()

    def parent(self, name: str | None) -> Parent:
        return links.parent(name or links.default_parent())

    def ask_servers(self, parent: str) -> Servers:
        return asyncio.run(ask(self.parent(parent)))

    def missing_capabilities(self, pid: int | None = None) -> list[str]:
        status = capabilities.STATUS if pid is None else Path(f"/proc/{pid}/status")
        return capabilities.missing_capabilities(status)

    def owner(self, path: Path) -> tuple[int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return found.st_uid, found.st_mode

    def free(self, path: Path) -> int | None:
        try:
            found = os.statvfs(path)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def now(self) -> float:
        return time.time()

    def newest(self) -> float:
        return Path(hooknet.__file__).stat().st_mtime


def listening() -> set[Path]:
    """The paths of unix sockets that somebody listens on, told by the kernel: a connection might start a daemon.

    The kernel escapes no name: what follows a newline in one is no row.
    """
    rows = ROW.findall(SOCKETS.read_text(errors="replace"))
    return {Path(path).resolve() for flags, path in rows if int(flags, 16) & ACCEPTS}


async def ask(parent: Parent) -> Servers:
    """Both questions at once: the window is waited for once."""
    pool = KernelPool(THREADS)
    try:
        machine = LinuxMachine(pool)
        asker = Asker(machine, random.SystemRandom())
        offering, informing = await asyncio.gather(
            servers_offering(asker, parent, WINDOW, times=TIMES),
            servers_answering(asker, parent, WINDOW, times=TIMES),
        )
        machine.close()
    finally:
        pool.close()
    return Servers(tuple(map(str, offering)), tuple(map(str, informing)))
