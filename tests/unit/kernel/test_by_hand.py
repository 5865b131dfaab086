"""Messages that are written by hand: pyroute2 reads in them what was meant."""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, rtnl
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.kernel import messages, neighbours
from hooknet.kernel.attributes import attributes as split
from hooknet.kernel.messages import FOREVER
from hooknet.kernel.netlink import HEADER, Request

INDEX = 7
MAC = "02:00:00:00:00:01"
SERVER = IPv4Address("192.0.2.1")
NETWORK = IPv4Network("198.51.100.0/24")
EVERYWHERE = IPv4Network("0.0.0.0/0")


def read(shape: Any, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields and the attributes that pyroute2 finds in the message with this body."""
    message = shape(HEADER.pack(HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    fields = {name: message[name] for name, _ in shape.fields}
    return fields, dict(message["attrs"])


def numbers(attributes: dict[int, bytes]) -> dict[int, int]:
    return {kind: int.from_bytes(value, sys.byteorder) for kind, value in attributes.items()}


@pytest.mark.parametrize("metric", [None, 50])
@pytest.mark.parametrize("broadcast", [None, IPv4Address("192.0.2.255")])
@pytest.mark.parametrize("lifetime", [1, 3600, FOREVER])
def test_an_address_with_its_end(metric: int | None, broadcast: IPv4Address | None, lifetime: int) -> None:
    request = messages.new_address(INDEX, IPv4Interface("192.0.2.9/24"), broadcast, metric, lifetime)
    fields, attributes = read(ifaddrmsg, request.message)
    assert fields == {"family": socket.AF_INET, "prefixlen": 24, "flags": 0, "scope": 0, "index": INDEX}
    end = attributes.pop("IFA_CACHEINFO")
    assert (end["ifa_preferred"], end["ifa_valid"]) == (lifetime, lifetime)
    wanted = {"IFA_LOCAL": "192.0.2.9", "IFA_ADDRESS": "192.0.2.9"}
    wanted |= {"IFA_BROADCAST": str(broadcast)} if broadcast else {}
    assert attributes == wanted | ({"IFA_RT_PRIORITY": metric} if metric else {})


def test_the_question_for_a_route() -> None:
    fields, attributes = read(rtmsg, neighbours._route_to(INDEX, SERVER).message)
    assert (fields["family"], fields["dst_len"]) == (socket.AF_INET, 32)
    assert not any(value for name, value in fields.items() if name not in {"family", "dst_len"})
    assert attributes == {"RTA_DST": str(SERVER), "RTA_OIF": INDEX}


def test_the_question_for_a_neighbour() -> None:
    fields, attributes = read(ndmsg, neighbours._neighbour(INDEX, SERVER.packed).message)
    assert (fields["family"], fields["ifindex"], fields["state"]) == (socket.AF_INET, INDEX, 0)
    assert attributes == {"NDA_DST": str(SERVER)}


@pytest.mark.parametrize("question", [messages.get_link("eth0"), messages.get_links()])
def test_the_question_for_links(question: Any) -> None:
    fields, attributes = read(ifinfmsg, question.message)
    assert not any(fields.values())
    named = {"IFLA_IFNAME": "eth0"} if "IFLA_IFNAME" in attributes else {}
    assert attributes == named | {"IFLA_EXT_MASK": messages.SKIP_STATS}
    assert bool(named) == (question.message == messages.get_link("eth0").message)


@pytest.mark.parametrize("mtu", [None, 1400])
@pytest.mark.parametrize("bcqueuelen", [None, 4000])
@pytest.mark.parametrize("up", [True, False])
def test_a_macvlan(mtu: int | None, bcqueuelen: int | None, up: bool) -> None:
    request = messages.new_macvlan(
        parent=3, netns_fd=9, ifname="eth0", mac=MAC, mode=4, mtu=mtu, bcqueuelen=bcqueuelen, up=up
    )
    fields, attributes = read(ifinfmsg, request.message)
    assert (fields["index"], fields["flags"], fields["change"]) == (0, int(up), 1)
    kind = dict(attributes.pop("IFLA_LINKINFO")["attrs"])
    assert kind["IFLA_INFO_KIND"] == "macvlan"
    assert kind["IFLA_INFO_DATA"].get_attr("IFLA_MACVLAN_MODE") == "bridge"
    details = numbers(split(split(split(request.message, 16)[18])[2]))  # pyroute2 has no word for one of them
    assert details == {1: 4} | ({7: bcqueuelen} if bcqueuelen else {})
    wanted = {"IFLA_LINK": 3, "IFLA_NET_NS_FD": 9, "IFLA_IFNAME": "eth0", "IFLA_ADDRESS": MAC}
    assert attributes == wanted | ({"IFLA_MTU": mtu} if mtu else {})


@pytest.mark.parametrize(
    ("given", "flags", "wanted"),
    [
        ({}, (0, 0), {}),
        ({"up": True}, (1, 1), {}),
        ({"up": False}, (0, 1), {}),
        ({"mac": MAC}, (0, 0), {"IFLA_ADDRESS": MAC}),
        ({"mtu": 1400}, (0, 0), {"IFLA_MTU": 1400}),
        ({"ifname": "eth1", "up": True}, (1, 1), {"IFLA_IFNAME": "eth1"}),
    ],
)
def test_a_changed_link(given: dict[str, Any], flags: tuple[int, int], wanted: dict[str, Any]) -> None:
    fields, attributes = read(ifinfmsg, messages.set_link(INDEX, **given).message)
    assert (fields["index"], fields["flags"], fields["change"]) == (INDEX, *flags)
    assert attributes == wanted


def test_the_switches_of_a_link() -> None:
    """pyroute2 has no words for them: IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF, and a number for each."""
    message = messages.set_switches(INDEX).message
    assert read(ifinfmsg, message)[0]["index"] == INDEX
    conf = split(split(split(split(message, 16)[26])[socket.AF_INET])[1])
    assert numbers(conf) == {18: 2, 19: 1, 20: 1, 22: 1}


def test_a_link_and_an_address_that_go() -> None:
    fields, attributes = read(ifinfmsg, messages.del_link(INDEX).message)
    assert (fields["index"], attributes) == (INDEX, {})
    fields, attributes = read(ifaddrmsg, messages.del_address(INDEX, IPv4Interface("192.0.2.9/24")).message)
    assert (fields["index"], fields["prefixlen"]) == (INDEX, 24)
    assert attributes == {"IFA_LOCAL": "192.0.2.9", "IFA_ADDRESS": "192.0.2.9"}


def test_the_questions_for_addresses_and_routes() -> None:
    fields, attributes = read(ifaddrmsg, messages.get_addresses(INDEX).message)
    assert (fields["family"], fields["index"], fields["prefixlen"], attributes) == (
        socket.AF_INET,
        INDEX,
        0,
        {},
    )
    fields, attributes = read(rtmsg, messages.get_routes().message)
    assert fields.pop("family") == socket.AF_INET
    assert not any(fields.values())
    assert attributes == {"RTA_TABLE": messages.MAIN_TABLE}


@pytest.mark.parametrize("destination", [NETWORK, EVERYWHERE])
@pytest.mark.parametrize("gateway", [SERVER, None])
@pytest.mark.parametrize("metric", [0, 50])
def test_a_route(destination: IPv4Network, gateway: IPv4Address | None, metric: int) -> None:
    for request in (
        messages.new_route(INDEX, destination, gateway, metric, replace=False),
        messages.del_route(INDEX, destination, gateway, metric),
    ):
        fields, attributes = read(rtmsg, request.message)
        assert (fields["family"], fields["dst_len"]) == (socket.AF_INET, destination.prefixlen)
        assert (fields["table"], fields["proto"], fields["type"]) == (254, 16, 1)
        assert fields["scope"] == (0 if gateway else 253)
        wanted: dict[str, Any] = {"RTA_OIF": INDEX}
        wanted |= {"RTA_DST": str(destination.network_address)} if destination.prefixlen else {}
        wanted |= {"RTA_GATEWAY": str(gateway)} if gateway else {}
        assert attributes == wanted | ({"RTA_PRIORITY": metric} if metric else {})


ADDRESS = IPv4Interface("192.0.2.9/24")
MACVLAN: dict[str, Any] = {
    "parent": 3, "netns_fd": 9, "ifname": "eth0", "mac": MAC, "mode": 4, "mtu": None, "bcqueuelen": None, "up": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "type_", "flags"),
    [
        (messages.new_macvlan(**MACVLAN), "RTM_NEWLINK", NLM_F_CREATE | NLM_F_EXCL),
        (messages.del_link(INDEX), "RTM_DELLINK", 0),
        (messages.get_link("eth0"), "RTM_GETLINK", 0),
        (messages.get_links(), "RTM_GETLINK", 0),
        (messages.set_link(INDEX, up=True), "RTM_SETLINK", 0),
        (messages.set_switches(INDEX), "RTM_SETLINK", 0),
        (messages.new_address(INDEX, ADDRESS, None, None, 60), "RTM_NEWADDR", NLM_F_CREATE | NLM_F_REPLACE),
        (messages.del_address(INDEX, ADDRESS), "RTM_DELADDR", 0),
        (messages.get_addresses(INDEX), "RTM_GETADDR", 0),
        (
            messages.new_route(INDEX, NETWORK, SERVER, 0, replace=False),
            "RTM_NEWROUTE",
            NLM_F_CREATE | NLM_F_EXCL,
        ),
        (
            messages.new_route(INDEX, NETWORK, SERVER, 0, replace=True),
            "RTM_NEWROUTE",
            NLM_F_CREATE | NLM_F_REPLACE,
        ),
        (messages.del_route(INDEX, NETWORK, SERVER, 0), "RTM_DELROUTE", 0),
        (messages.get_routes(), "RTM_GETROUTE", 0),
        (neighbours._route_to(INDEX, SERVER), "RTM_GETROUTE", 0),
        (neighbours._neighbour(INDEX, SERVER.packed), "RTM_GETNEIGH", 0),
    ],
)
def test_each_message_has_its_type_and_its_flags(request_: Request, type_: str, flags: int) -> None:
    assert (request_.type, request_.flags) == (getattr(rtnl, type_), flags)
