"""An address that changes while its container runs, in one step: no real server grants another one to a renewal when
it is told to, so a scripted one does. What a NAK does is in test_dhcp_life.py, where real servers say it.
"""

from __future__ import annotations

import json
import signal
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any

import pytest
from lab import scripted
from lab.cni import netconf
from lab.process import Program
from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab import Daemon, Host, Lab, Lan, Sandbox

ELSEWHERE = "10.99.0.0/24"
ELSEWHERE_ROUTER = "10.99.0.1"


class Scene:
    """A container with a lease from a server that will change its mind when it is told to."""

    def __init__(self, lab: Lab, *, then: Callable[[Lan], dict[str, Any]], **server: Any) -> None:
        self.lan: Lan = lab.lan()
        self.lan.netns.ip("address", "add", f"{ELSEWHERE_ROUTER}/24", "dev", "lan0")
        self.server = scripted.start(self.lan, lab.folder, lease_time=40, then=then(self.lan), **server)
        self.host: Host = lab.host(self.lan)
        self.daemon: Daemon = self.host.daemon()
        self.daemon.start()
        self.box: Sandbox = self.host.cni.sandbox()
        self.before = self.host.cni.add(netconf(), self.box).interface
        self.follower = self._follow(lab.folder)

    def _follow(self, folder: Path) -> Program:
        """`ip monitor`: every change of an address or a route, in the kernel's order."""
        command = [*self.box.enter, "ip", "-o", "-4", "monitor", "address", "route"]
        follower = Program(command, folder / "kernel.log")
        self.lan.cleanup.callback(follower.stop)
        follower.start()
        self.box.ip("address", "add", "127.0.0.9/8", "dev", "lo")
        eventually(self.follows(follower), what="ip monitor follows")
        return follower

    def follows(self, follower: Program) -> Any:
        def seen() -> bool:
            self.box.ip("address", "change", "127.0.0.9/8", "dev", "lo", "valid_lft", "forever")
            return "127.0.0.9" in follower.log.text()

        return seen

    def move(self) -> None:
        self.server.signal(signal.SIGUSR1)

    def moved_to(self, address: str) -> None:
        eventually(lambda: self.box.addresses() == {address}, within=20, what=f"{address} on the interface")
        eventually(lambda: self.daemon.heard("lease", "CHANGED"), what="the hooks' reason")

    def numbers(self) -> list[set[str]]:
        """The addresses on eth0, whenever the kernel has told of other ones than before."""
        present, history = {str(self.before.ip)}, []
        for line in self.follower.log.text().splitlines():
            words = line.split()
            if "inet" not in words or "eth0" not in words:
                continue
            address = str(IPv4Interface(words[words.index("inet") + 1]).ip)
            present = present - {address} if words[0] == "Deleted" else present | {address}
            if history[-1:] != [present]:
                history.append(present)
        return history


@pytest.mark.parametrize("silence", [0, 1], ids=["renewing", "rebinding"])
def test_another_address_replaces_the_old_one_without_a_moment_without_any(lab: Lab, silence: int) -> None:
    """RFC 2131 section 4.4.5, in one subnet: where the kernel would drop a secondary with its primary."""
    scene = Scene(lab, t1=2, t2=4, then=lambda lan: {"grant": str(lan.address(150)), "silence": silence})
    lan, after = scene.lan, str(scene.lan.address(150))
    wire = lan.capture("udp port 67")
    scene.move()
    scene.moved_to(after)
    assert scene.numbers()[-2:] == [{str(scene.before.ip), after}, {after}]
    assert set() not in scene.numbers()
    assert scene.box.gateway() == lan.address(1)
    assert "Deleted default" not in scene.follower.log.text()
    assert scene.box.ping(lan.address(1))
    asked = "255.255.255.255" if silence else str(lan.address(1))
    assert f"{scene.before.ip}.68 > {asked}.67" in wire.log.text()
    assert not any(scene.daemon.heard("release", reason) for reason in ("NAK", "EXPIRED", "DECLINED"))
    assert scene.daemon.lease()["address"] == f"{after}/24"


def test_another_subnet_brings_its_own_routes(lab: Lab) -> None:
    router = IPv4Address(ELSEWHERE_ROUTER)
    then = {"grant": "10.99.0.50", "network": ELSEWHERE, "options": {"3": router.packed.hex()}}
    scene = Scene(lab, t1=2, t2=20, then=lambda _lan: then)
    scene.move()
    scene.moved_to("10.99.0.50")
    assert set() not in scene.numbers()
    assert scene.box.gateway() == router
    routes = {route["dst"] for route in scene.box.ip_json("-4", "route")}
    assert routes == {"default", ELSEWHERE}
    assert scene.box.ping(router)


def test_after_a_move_the_new_address_is_what_is_given_back(lab: Lab) -> None:
    scene = Scene(lab, t1=2, t2=20, then=lambda lan: {"grant": str(lan.address(150))})
    scene.move()
    scene.moved_to(str(scene.lan.address(150)))
    scene.host.cni.delete(netconf(), scene.box)
    scene.server.wait_for(f"RELEASE {scene.lan.address(150)}")


def test_podman_shows_the_address_of_the_beginning_and_hooknet_the_one_that_is_used(lab: Lab) -> None:
    """CNI tells a runtime an address once, at ADD. docs/how-to/addresses-that-change.md says what to ask instead."""
    lan = lab.lan()
    server = scripted.start(lan, lab.folder, lease_time=40, t1=2, then={"grant": str(lan.address(150))})
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    host.conflist("lan", {"type": "hooknet", "master": "host0"})
    web = host.podman.start("web", network="lan")
    before = web.address()
    server.signal(signal.SIGUSR1)
    eventually(lambda: web.address() == lan.address(150), within=20, what="the container has moved")
    shown = json.loads(host.podman("inspect", "web").stdout)[0]["NetworkSettings"]["Networks"]["lan"]
    assert shown["IPAddress"] == str(before)
    assert daemon.lease()["address"] == f"{lan.address(150)}/24"
