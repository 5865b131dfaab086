"""What is read of the kernel's message about a link, and what is not tripped over."""

from __future__ import annotations

import socket
import struct

import pytest

from hooknet.kernel.attributes import attribute, attributes
from hooknet.kernel.linkmessage import LINK_BODY, LinkMessage, read_link

NESTED = 0x8000


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def link(*found: bytes, flags: int = 0x10001, family: int = socket.AF_UNSPEC) -> LinkMessage:
    header = bytes(16)
    return read_link(header + LINK_BODY.pack(family, 1, 7, flags, 0) + b"".join(found), len(header))


def test_a_macvlan_with_all_that_is_asked_of_it() -> None:
    info = attribute(1, b"macvlan\0") + attribute(2, attribute(1, number(4)))
    found = link(
        attribute(3, b"eth0\0"),
        attribute(1, bytes.fromhex("020000000001")),
        attribute(4, number(1400)),
        attribute(5, number(3)),
        attribute(10, number(9)),
        attribute(18 | NESTED, info),
        attribute(37, number(0)),
    )
    assert (found.name, found.index, found.mac, found.mtu) == ("eth0", 7, "02:00:00:00:00:01", 1400)
    assert (found.kind, found.mode, found.lower, found.lower_elsewhere) == ("macvlan", 4, 3, True)
    assert (found.master, found.up, found.carrier) == (9, True, True)


def test_hardware_has_no_kind_and_nothing_below() -> None:
    found = link(attribute(3, b"lan0\0"), flags=1)
    assert (found.kind, found.mode, found.lower, found.master, found.mac) == (None, None, None, None, "")
    assert (found.up, found.carrier, found.lower_elsewhere) == (True, False, False)


def test_the_details_of_another_kind_are_not_taken_for_a_macvlans() -> None:
    info = attribute(1, b"vlan\0") + attribute(2, attribute(1, struct.pack("=H", 4)))
    assert link(attribute(18, info)).mode is None


@pytest.mark.parametrize(
    "spoilt", [b"\x03", b"\x03\0\x03\0", b"\0\0\0\0eth0"], ids=["cut", "short", "no length"]
)
def test_reading_ends_at_what_can_not_be_an_attribute(spoilt: bytes) -> None:
    assert attributes(attribute(4, number(1500)) + spoilt) == {4: number(1500)}


def test_an_attribute_that_lies_about_its_length_holds_what_is_there() -> None:
    assert attributes(struct.pack("=HH", 400, 3) + b"eth0") == {3: b"eth0"}
