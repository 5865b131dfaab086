"""The place where a test's lab is put together and, whatever happens, taken apart again."""

from __future__ import annotations

import itertools
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lab.daemon import RUN_DIR
from lab.host import Host
from lab.lan import Lan
from lab.process import run
from lab.router import Router

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

numbers = itertools.count(1)
"""One count for all names of a run: names of namespaces and subnets never come twice."""

TAIL = 60_000
"""Characters of each log that a failed test shows: its end."""


class Lab:
    """Makes LANs and hosts. `close` undoes everything in reverse order, podman's containers included."""

    def __init__(self, folder: Path, *, images: Path, shims: Path | None = None) -> None:
        self.folder = folder / f"lab{next(numbers)}"
        self.folder.mkdir(parents=True)
        self.images = images
        self.shims = shims
        self.cleanup = ExitStack()
        self.cleanup.callback(remove, self.folder)
        self.cleanup.callback(shutil.rmtree, RUN_DIR, ignore_errors=True)

    def lan(self) -> Lan:
        """A LAN without a server: `lan.serve()` starts one."""
        return Lan(next(numbers), self.folder, self.cleanup)

    def host(self, *lans: Lan) -> Host:
        """A host plugged into the LANs, as host0, host1, …"""
        host = Host(next(numbers), self.folder, images=self.images, shims=self.shims, cleanup=self.cleanup)
        for lan in lans:
            host.plug(lan)
        return host

    def router(self, near: Lan, far: Lan) -> Router:
        """Joins the two, and relays the near one's DHCP to the far one's server."""
        return Router(near, far, self.folder, self.cleanup)

    def logs(self) -> Iterator[tuple[str, str]]:
        """Name and end of every log of this lab, for the report of a test that failed."""
        for path in sorted([*self.folder.rglob("*.log"), *self.folder.rglob("log")]):
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.strip():
                yield str(path.relative_to(self.folder)), text[-TAIL:]

    def close(self) -> None:
        self.cleanup.close()


def remove(folder: Path) -> None:
    """Delete it, and nothing that is mounted in it: podman mounts, and a bind of /dev is the machine's /dev."""
    run(["rm", "-rf", "--one-file-system", folder], check=False)
