"""Messages that are written by hand are those that pyroute2 writes."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.kernel import messages, neighbours
from hooknet.kernel.messages import FOREVER
from hooknet.kernel.netlink import HEADER

INDEX = 7
SERVER = IPv4Address("192.0.2.1")


def read(shape: Any, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields and the attributes that pyroute2 finds in the message with this body."""
    message = shape(HEADER.pack(HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    fields = {name: message[name] for name, _ in shape.fields}
    return fields, dict(message["attrs"])


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
