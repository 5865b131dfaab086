"""A crowd on one parent: an ADD's DHCP messages are none of the others' business, unless one of them is the server.

A broadcast from a macvlan is copied to every other macvlan on its parent; one that leaves by the parent is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lab import SERVERS
from lab.capture import capture
from lab.cni import netconf
from lab.netns import Netns
from lab.wait import eventually

from hooknet.lifecycle.way_out import CROWD

if TYPE_CHECKING:
    from lab import DhcpServer, Host, Lab, Lan
    from lab.process import Program

MAC = "00:00:00:00:00:00"
SIBLING, FIRST = 9, 100
"""The numbers of its address and of the first that is leased."""


def serve(lan: Lan, kind: str, **how: Any) -> DhcpServer:
    return lan.serve(kind, first=FIRST, last=FIRST + CROWD + 20, **how)


def sibling(lan: Lan, host: Host) -> Netns:
    """A machine on a macvlan of the same parent that hooknet knows nothing of."""
    machine = Netns(f"{host.name}-sibling")
    host.cleanup.callback(machine.delete)
    wanted = ("link", "host0", "name", "eth0", "netns", machine.name, "type", "macvlan", "mode", "bridge")
    host.netns.ip("link", "add", *wanted)
    machine.ip("address", "add", f"{lan.address(SIBLING)}/{lan.network.prefixlen}", "dev", "eth0")
    machine.ip("link", "set", "eth0", "up")
    return machine


def attach(host: Host, count: int) -> None:
    """One after the other: of two at once dnsmasq may offer both the same address, and refuse one of them later."""
    for _ in range(count):
        host.cni.add(netconf(), host.cni.sandbox())


def discovers(wire: Program) -> list[str]:
    """Whose DISCOVERs were seen since the mark: a MAC for each of them."""
    messages = wire.log.new().split("BOOTP/DHCP, Request from ")[1:]
    return [message[: len(MAC)] for message in messages if "length 1: Discover" in message]


def test_in_a_crowd_an_add_wakes_no_other_container(lab: Lab) -> None:
    """Without one everybody hears it: so what is not heard then is not merely missed."""
    lan = lab.lan()
    serve(lan, "dnsmasq")
    host = lab.host(lan)
    host.daemon().start()
    heard = capture(sibling(lan, host), "eth0", host.folder / "sibling.log", host.cleanup)
    attach(host, CROWD - 1)
    eventually(lambda: len(set(discovers(heard))) == CROWD - 1, what="each of them was heard by all")
    heard.log.mark()
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    heard.wait_for(rf"{box.mac()} > ff:ff:ff:ff:ff:ff.* who-has {address}.* tell 0.0.0.0")  # its second probe
    assert "BOOTP/DHCP" not in heard.log.new()
    assert len(lan.server.addresses()) == CROWD


def test_in_a_crowd_an_address_that_is_taken_is_found_before_the_add_is_answered(lab: Lab) -> None:
    """By the first probe, which leaves by the parent: its answer is heard by the container's interface."""
    lan = lab.lan()
    serve(lan, "dnsmasq", extra=("dhcp-sequential-ip",))
    taken = lan.address(FIRST + CROWD - 1)
    squatter = lan.machine(taken)
    host = lab.host(lan)
    host.daemon().start()
    attach(host, CROWD - 1)
    wire = lan.capture()
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    assert address == taken + 1
    mac = box.mac()
    wire.wait_for(rf"{mac} > .*who-has {taken}")
    wire.wait_for(rf"{squatter.mac()} > {mac}.*Reply {taken} is-at")
    wire.wait_for(rf"Request from {mac}(.*\n)+?.*Decline")


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_server_among_the_containers_is_found_all_the_same(lab: Lab, kind: str) -> None:
    lan = lab.lan()
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    server = serve(lan, kind, on=sibling(lan, host), host=SIBLING)
    wire = lan.capture("port 67")
    attach(host, CROWD - 1)
    wire.log.mark()
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    assert address in server.addresses()
    wire.wait_for(rf"Request from {box.mac()}(.*\n)+?.*length 1: Request")
    assert discovers(wire).count(box.mac()) == 2  # by the parent, and then for all
    host.cni.delete(netconf(), box)
    server.wait_for_release(address)
