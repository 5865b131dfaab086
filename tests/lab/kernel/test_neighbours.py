"""The next hop to a server as the kernel has resolved it: the server itself, or the router before it."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from hooknet.kernel import neighbours
from hooknet.kernel.netlink import Netlink

SERVER = IPv4Address("10.9.0.1")
BEHIND = IPv4Address("10.77.0.1")
NOBODY = IPv4Address("10.9.0.99")


def next_hop(address):
    """What the kernel of this netns says, for eth0."""
    with Netlink() as netlink:
        return neighbours.next_hop(netlink, socket.if_nametoindex("eth0"), address)


@pytest.fixture
def box(lan):
    box = lan.attach()
    box.ip("addr add 10.9.0.5/24 dev eth0")
    box.ip("route add default via 10.9.0.1")
    lan.outside.ip("addr add 10.77.0.1/32 dev lo")
    return box


def speak_to(box, address) -> None:
    """Send a datagram, so that the kernel resolves the next hop."""
    sender = box.run(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    box.run(sender.sendto, b"?", (str(address), 9))
    sender.close()


def test_what_nobody_was_asked_for_is_not_known(box) -> None:
    assert box.run(next_hop, SERVER) is None


def test_a_server_on_the_lan_is_its_own_next_hop(lan, box, eventually) -> None:
    speak_to(box, SERVER)
    assert eventually(lambda: box.run(next_hop, SERVER)) == lan.outside.mac("lan0")


def test_of_a_server_behind_a_router_it_is_the_router(lan, box, eventually) -> None:
    speak_to(box, BEHIND)
    assert eventually(lambda: box.run(next_hop, BEHIND)) == lan.outside.mac("lan0")


def test_a_neighbour_that_does_not_answer_has_no_mac(box) -> None:
    speak_to(box, NOBODY)
    assert "INCOMPLETE" in box.ip(f"neigh show {NOBODY}")
    assert box.run(next_hop, NOBODY) is None


def test_a_router_that_was_replaced_is_seen(lan, box, eventually) -> None:
    speak_to(box, BEHIND)
    eventually(lambda: box.run(next_hop, BEHIND))
    box.ip("neigh replace 10.9.0.1 lladdr 02:00:00:00:00:77 dev eth0 nud reachable")
    assert box.run(next_hop, BEHIND) == "02:00:00:00:00:77"


def test_without_a_route_there_is_none(box) -> None:
    box.ip("route del default")
    assert box.run(next_hop, BEHIND) is None
