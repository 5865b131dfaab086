"""Which packets wake the daemon, told by an interpreter of classic BPF (socket(7), bpf(4))."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from hooknet.dhcp import wire
from hooknet.kernel import filters
from hooknet.kernel.filters import ETH_P_ARP, ETH_P_IP, Op

MAC = "02:00:00:00:00:01"
MAC_BYTES = bytes.fromhex("020000000001")
ADDRESS, OTHER = IPv4Address("192.168.1.5"), IPv4Address("192.168.1.6")
SIZES = {0x20: 4, 0x28: 2, 0x30: 1}


def passes(program, packet, protocol=ETH_P_IP, vlan=0):
    """Run `program` over `packet`; a load beyond its end drops it, as in the kernel."""
    a = x = at = 0
    ancillary = {filters.PROTOCOL: protocol, filters.VLAN_TAG_PRESENT: vlan}
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == filters.RET:
            return k > 0
        if code == filters.LDX_HEADER_LENGTH:
            x = 4 * (packet[k] & 15)
        elif code == filters.LD_LENGTH:
            a = len(packet)
        elif code == filters.SUB_X:
            a -= x
        elif code & 0x07 == 0:  # a load
            if k in ancillary:
                a = ancillary[k]
                continue
            begin, size = k + (x if code & 0x40 else 0), SIZES[code & ~0x60 | 0x20]
            if begin + size > len(packet):
                return False
            a = int.from_bytes(packet[begin : begin + size])
        else:
            true = {filters.JEQ: a == k, filters.JGE: a >= k, filters.JSET: bool(a & k)}[code]
            at += yes if true else no


def reply(
    *, op=2, mac=MAC_BYTES, cookie=0x63825363, port=68, protocol=17, fragment=0x4000, options=0, cut=None
):
    """An IPv4 packet with a BOOTP message in it; `options` words of IP options."""
    bootp = bytes([op, 1, 6, 0]) + bytes(24) + mac + bytes(10 + 192) + struct.pack("!I", cookie) + b"\xff"
    udp = struct.pack("!HHHH", 67, port, 8 + len(bootp), 0) + bootp
    total = 20 + 4 * options + len(udp)
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + options, 0, total, 0, fragment, 64, protocol, 0, bytes(4), bytes(4)
    )
    return (head + bytes(4 * options) + udp)[:cut]


EXCHANGE = filters.exchange(MAC_BYTES, None)


def test_a_reply_for_our_hardware_address_passes() -> None:
    assert passes(EXCHANGE, reply())


def test_a_reply_behind_ip_options_passes() -> None:
    assert passes(EXCHANGE, reply(options=10))


@pytest.mark.parametrize(
    "broken",
    [
        {"op": 1},
        {"mac": bytes.fromhex("020000000002")},
        {"mac": bytes.fromhex("020000010001")},
        {"cookie": 0x63825364},
        {"port": 67},
        {"protocol": 6},
        {"fragment": 0x2000},
        {"fragment": 0x0001},
        {"cut": 20 + 8 + 239},
        {"cut": 10},
        {"cut": 0},
    ],
    ids=str,
)
def test_what_is_no_whole_reply_for_us_is_dropped(broken) -> None:
    assert not passes(EXCHANGE, reply(**broken))


def test_a_vlan_tagged_reply_is_dropped() -> None:
    assert not passes(EXCHANGE, reply(), vlan=1)


def test_another_protocol_is_dropped() -> None:
    assert not passes(EXCHANGE, reply(), protocol=0x86DD)


def test_before_an_address_is_in_question_arp_is_dropped() -> None:
    assert not passes(EXCHANGE, wire.arp_announcement(MAC, ADDRESS), ETH_P_ARP)


def about(packet, address=ADDRESS):
    return passes(filters.exchange(MAC_BYTES, address), packet, ETH_P_ARP)


def test_a_host_that_says_it_has_the_address_is_heard() -> None:
    assert about(wire.arp_announcement("02:00:00:00:00:02", ADDRESS))
    assert about(wire.arp_packet(2, "02:00:00:00:00:02", ADDRESS, OTHER))


def test_a_probe_of_another_host_for_the_address_is_heard() -> None:
    assert about(wire.arp_probe("02:00:00:00:00:02", ADDRESS))


def test_arp_about_other_addresses_is_dropped() -> None:
    assert not about(wire.arp_announcement(MAC, OTHER))
    assert not about(wire.arp_probe(MAC, OTHER))


def test_a_question_of_a_neighbour_for_the_address_is_no_conflict() -> None:
    assert not about(wire.arp_packet(1, MAC, OTHER, ADDRESS))


def test_arp_for_another_hardware_is_dropped() -> None:
    assert not about(wire.arp_announcement(MAC, ADDRESS).replace(b"\x06\x04", b"\x08\x04", 1))


def test_dhcp_is_heard_while_an_address_is_in_question() -> None:
    assert passes(filters.exchange(MAC_BYTES, ADDRESS), reply())


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_a_parent_hears_about_each_of_its_addresses_and_no_others(count) -> None:
    addresses = [IPv4Address("10.0.0.1") + n for n in range(count)]
    program = filters.conflicts(addresses)
    for address in (addresses[0], addresses[-1]):
        assert passes(program, wire.arp_announcement(MAC, address), ETH_P_ARP)
        assert passes(program, wire.arp_probe(MAC, address), ETH_P_ARP)
    assert not passes(program, wire.arp_announcement(MAC, IPv4Address("10.9.0.1")), ETH_P_ARP)
    assert len(program) < 4096


def test_a_parent_without_containers_hears_nothing() -> None:
    assert not passes(filters.conflicts([]), wire.arp_announcement(MAC, ADDRESS), ETH_P_ARP)


def test_too_many_addresses_for_a_filter_and_everything_is_heard() -> None:
    program = filters.conflicts([IPv4Address(n) for n in range(1, 1002)])
    assert passes(program, wire.arp_announcement(MAC, OTHER), ETH_P_ARP)


def test_the_filter_of_a_sender_passes_nothing() -> None:
    assert not passes(filters.nothing(), reply())


@pytest.mark.parametrize("lines", [["back", Op(filters.JEQ, yes="back")], [Op(filters.JEQ, yes="nowhere")]])
def test_a_jump_backwards_or_to_nowhere_is_refused(lines) -> None:
    with pytest.raises(ValueError, match="no jump"):
        filters.assemble(lines)


def test_a_jump_that_does_not_fit_into_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="no jump"):
        filters.assemble([Op(filters.JEQ, yes="far"), *[Op(filters.RET)] * 256, "far", Op(filters.RET)])
