"""After the storm: the server's leases are the living containers' addresses, exactly, and nothing else is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lab.netns import NAMES
from lab.wait import eventually

from chaos.watch import macvlans

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan

SETTLES_WITHIN = 60.0
"""Seconds: a reconcile period, a whole dead one, and the server's lease time for a RELEASE that nobody heard."""
FEW = 4
"""Descriptors more or fewer than at the start: a connection of podman's stream that is just being renewed."""


def netns_of(pid: int) -> str | None:
    """The name of the network namespace that a process is in; None when one of both has gone."""
    try:
        inode = Path(f"/proc/{pid}/ns/net").stat().st_ino
        return next((path.name for path in NAMES.iterdir() if path.stat().st_ino == inode), None)
    except FileNotFoundError:
        return None


class Verdict:
    """Asks the server, the kernel, podman and /proc."""

    def __init__(self, lan: Lan, host: Host, daemon: Daemon) -> None:
        self.lan = lan
        self.host = host
        self.daemon = daemon

    def living(self) -> set[str]:
        """The netns of every container whose process lives, by the kernel: a `podman network connect` that failed
        leaves podman 4.3 unable to inspect the container, which lives on as before."""
        rows = json.loads(self.host.podman("ps", "--format", "json").stdout)
        return {name for row in rows if (name := netns_of(row["Pid"]))}

    def whole(self) -> bool:
        """Raises AssertionError with the first difference."""
        living, links = self.living(), macvlans()
        strays = [link for link in links if link.netns not in living]
        assert not strays, f"links without a container: {strays}"
        used = sorted(str(address) for link in links for address in link.addresses)
        held = sorted(str(address) for address in self.lan.server.addresses())
        assert held == used, f"the server holds {held}, containers use {used}"
        assert len(links) == len(used), f"links without an address: {links}"
        said = sorted(str(lease["address"]).partition("/")[0] for lease in self.daemon.leases())
        assert said == used, f"hooknet says {said}, containers use {used}"
        return True

    def settles(self) -> int:
        """How many interfaces live on, once all agree."""
        eventually(self.whole, within=SETTLES_WITHIN, what="server, kernel, podman and hooknet agree")
        return len(macvlans())

    def ends_empty(self) -> None:
        self.host.podman("rm", "-f", "-t", "0", "--all", check=False)

        def empty() -> bool:
            left = (self.lan.server.leases(), self.daemon.leases(), macvlans())
            assert left == ([], [], []), f"left: {left}"
            return True

        eventually(empty, within=SETTLES_WITHIN, what="nothing is left of anybody")

    def no_more_descriptors_than(self, before: int) -> int:
        def back() -> bool:
            now = self.daemon.descriptors()
            assert abs(now - before) <= FEW, f"{before} descriptors before, {now} after"
            return True

        eventually(back, within=SETTLES_WITHIN, what="the daemon's descriptors are closed")
        return self.daemon.descriptors()
