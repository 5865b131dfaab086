"""What must hold after every crash, asked of the server's own database, the kernel and podman.

"Nothing lost", three sentences: no address is held for a container that is gone; no container uses an address
that it does not hold; no container loses an address that it holds. hooknet's own word counts for nothing here,
but it must agree.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.daemon import HOOKNET, Daemon
from lab.netns import NAMES
from lab.process import run
from lab.wait import eventually

if TYPE_CHECKING:
    from lab import Host, Lan, Sandbox

LAUNCHER = Path(__file__).with_name("launcher.py")
CONVERGES_WITHIN = 10.0
"""Seconds after `ready`: the promise of the design."""


class CrashingDaemon(Daemon):
    """A daemon that can be told to kill itself at a point, once it is armed."""

    def crash_at(self, point: str, *, fail_at: str = "") -> None:
        """From its next start on."""
        self.armed = self.state_dir.with_name("armed")
        self.fail_at = {"HOOKNET_FAIL_AT": fail_at} if fail_at else {}
        self.env.update(self.fail_at)
        place = self.command.index(str(HOOKNET))
        self.command[place : place + 1] = [sys.executable, str(LAUNCHER), point, str(self.armed)]

    def arm(self) -> None:
        self.armed.touch()

    def wait_for_crash(self, *, within: float = 15.0) -> None:
        """Fails when it is alive still, or ended otherwise: then the point was never reached."""
        code = self.wait(within=within)
        assert code == -9, f"the daemon ended with {code}:\n{self.log.text()}"
        self.armed.unlink()
        for name in self.fail_at:
            del self.env[name]


@dataclass(frozen=True, slots=True)
class Interface:
    """A macvlan, as the kernel has it."""

    netns: str
    mac: str
    addresses: tuple[IPv4Address, ...]


def macvlans() -> list[Interface]:
    """Every macvlan of this world, wherever it is."""
    found = []
    for path in sorted(NAMES.iterdir()):
        done = run(["nsenter", f"--net={path}", "ip", "-json", "-details", "address"], check=False)
        links: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 and done.stdout else []
        found += [
            Interface(path.name, str(link["address"]), ipv4(link))
            for link in links
            if link.get("linkinfo", {}).get("info_kind") == "macvlan"
        ]
    return found


def ipv4(link: Mapping[str, Any]) -> tuple[IPv4Address, ...]:
    return tuple(IPv4Address(a["local"]) for a in link.get("addr_info", ()) if a.get("family") == "inet")


@dataclass(slots=True)
class Scene:
    """A LAN, a host and a daemon; which containers live is podman's word, or the test's for bare sandboxes."""

    lan: Lan
    host: Host
    daemon: Daemon
    sandboxes: dict[str, Sandbox]

    def living(self) -> dict[str, str]:
        """Name of the netns to name of the container, of all that live."""
        alive = {box.name: box.name for box in self.sandboxes.values()}
        rows = json.loads(self.host.podman("ps", "--format", "json").stdout)
        for row in rows:
            if Path(f"/proc/{row['Pid']}").exists():
                inspected = self.host.podman.container(row["Names"][0])
                alive[inspected.netns().name] = inspected.name
        return alive

    def nothing_is_lost(self) -> None:
        """The three sentences, now. Raises AssertionError."""
        living, links = self.living(), macvlans()
        assert {link.netns for link in links} <= set(living), f"a link without its container: {links}"
        used = {address: link for link in links for address in link.addresses}
        assert len(used) == sum(len(link.addresses) for link in links), f"an address is there twice: {links}"
        leases = {lease.address: lease for lease in self.lan.server.leases()}
        assert set(leases) <= set(used), f"held for nobody: {set(leases) - set(used)}"
        assert set(used) <= set(leases), f"used, but not held: {set(used) - set(leases)}"
        assert {link.netns for link in links} == set(living), f"without an interface: {living} {links}"
        assert len(used) == len(living), f"without an address: {links}"
        for address, link in used.items():
            assert leases[address].mac == link.mac, f"{leases[address]} is not {link}"
        said = [str(lease["address"]) for lease in self.daemon.leases()]
        assert sorted(said) == sorted(f"{address}/24" for address in used), f"hooknet says {said}"
        assert all(lease["phase"] == "REPLIED" for lease in self.daemon.leases())

    def converges(self) -> None:
        """Nothing is lost, at the latest ten seconds after the daemon was ready."""

        def whole() -> bool:
            self.nothing_is_lost()
            return True

        eventually(whole, within=CONVERGES_WITHIN, what="nothing is lost")

    def ends_empty(self) -> None:
        """Every container goes; then nothing of any of them is left anywhere."""
        for box in self.sandboxes.values():
            self.host.cni.delete(NETWORK, box)
        self.sandboxes.clear()
        self.host.podman("rm", "-f", "-t", "0", "--all")

        def empty() -> bool:
            return not (self.lan.server.leases() or self.daemon.leases() or macvlans())

        eventually(empty, within=CONVERGES_WITHIN, what="nothing is left")


NETWORK: dict[str, Any] = {"cniVersion": "1.0.0", "name": "lan", "type": "hooknet", "master": "host0"}
