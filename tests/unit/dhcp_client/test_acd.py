"""Address conflict detection: RFC 5227."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import acd
from hooknet.dhcp.acd import AddressCheck, Defence, Verdict, conflict_wait
from hooknet.dhcp.effects import SendArp
from hooknet.dhcp.timers import Patience
from hooknet.dhcp.wire import ARP_REPLY, ARP_REQUEST, BROADCAST_MAC, ArpPacket, parse_arp

MINE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESS = IPv4Address("192.0.2.50")
NEIGHBOUR = IPv4Address("192.0.2.1")
NOBODY = IPv4Address(0)


def arp(
    sender: IPv4Address, target: IPv4Address, mac: str = OTHER, operation: int = ARP_REQUEST
) -> ArpPacket:
    return ArpPacket(operation, mac, sender, "00:00:00:00:00:00", target)


def run(check: AddressCheck, start: float, in_use_at: float | None = None) -> list[tuple[float, ArpPacket]]:
    """Every packet of a check with its time; `in_use_at` is when the address came into use."""
    sent = [(start, packet) for packet in check.start(start)]
    if in_use_at is not None:
        check.used(in_use_at)
    while check.deadline is not None:
        now = check.deadline
        sent += [(now, packet) for packet in check.timer(now)]
    return [(at, parsed(packet)) for at, packet in sent]


def parsed(packet: SendArp) -> ArpPacket:
    assert packet.destination_mac == BROADCAST_MAC
    found = parse_arp(packet.payload)
    assert found is not None
    return found


@given(seed=st.integers())
def test_rfc_5227_2_1_1_strict_has_the_rfcs_timing(seed: int) -> None:
    check = AddressCheck(ADDRESS, MINE, Random(seed), strict=True)
    times = [at for at, _ in run(check, 100.0)]
    first, second, third, clear, again = times
    assert 100.0 <= first <= 101.0
    assert 1.0 <= second - first <= 2.0 + 1e-9
    assert 1.0 - 1e-9 <= third - second <= 2.0 + 1e-9
    assert clear - third == pytest.approx(2.0)
    assert again - clear == pytest.approx(2.0)


def test_rfc_5227_2_1_1_probes_have_no_sender_address_and_2_3_announcements_have_ours() -> None:
    check = AddressCheck(ADDRESS, MINE, Random(1), strict=True)
    packets = [packet for _, packet in run(check, 0.0)]
    assert [packet.sender for packet in packets] == [NOBODY] * 3 + [ADDRESS] * 2
    assert {packet.target for packet in packets} == {ADDRESS}
    assert {packet.sender_mac for packet in packets} == {MINE}


@given(seed=st.integers(), granted=st.floats(0.0, 0.2))
def test_optimistic_probes_at_once_and_watches_for_a_second_after_the_ack(seed: int, granted: float) -> None:
    check = AddressCheck(ADDRESS, MINE, Random(seed), strict=False)
    times = [at for at, _ in run(check, 100.0, in_use_at=100.0 + granted)]
    assert times[0] == 100.0
    assert times[2] < 101.0
    assert 101.0 + granted <= times[3] <= 101.0 + max(granted, acd.OPTIMISTIC_MIN)


def test_optimistic_announces_nothing_before_the_ack() -> None:
    check = AddressCheck(ADDRESS, MINE, Random(1), strict=False)
    assert [packet.sender for _, packet in run(check, 0.0)] == [NOBODY] * 3
    assert check.probing
    check.used(30.0)
    assert check.deadline == 31.0
    assert [parsed(packet).sender for packet in check.timer(31.0)] == [ADDRESS]
    assert not check.probing


def test_an_early_timer_sends_nothing() -> None:
    check = AddressCheck(ADDRESS, MINE, Random(1), strict=True)
    check.start(0.0)
    assert check.timer(0.0 if check.deadline else -1.0) == ()


@pytest.mark.parametrize(
    ("packet", "conflict"),
    [
        (arp(ADDRESS, NEIGHBOUR), True),
        (arp(ADDRESS, ADDRESS), True),
        (arp(ADDRESS, NOBODY, operation=ARP_REPLY), True),
        (arp(NOBODY, ADDRESS), True),
        (arp(NOBODY, ADDRESS, operation=ARP_REPLY), False),
        (arp(NEIGHBOUR, ADDRESS), False),
        (arp(NEIGHBOUR, NEIGHBOUR), False),
        (arp(ADDRESS, ADDRESS, mac=MINE), False),
        (arp(NOBODY, ADDRESS, mac=MINE), False),
    ],
)
def test_rfc_5227_2_1_1_what_is_a_conflict_while_probing(packet: ArpPacket, conflict: bool) -> None:
    assert AddressCheck(ADDRESS, MINE, Random(1), strict=True).conflicts(packet) is conflict


def test_to_the_optimistic_only_a_use_is_a_conflict_and_no_probe() -> None:
    check = AddressCheck(ADDRESS, MINE, Random(1), strict=False)
    assert not check.conflicts(arp(NOBODY, ADDRESS))
    assert check.conflicts(arp(ADDRESS, NEIGHBOUR))


def test_rfc_5227_2_4_an_address_is_defended_once_in_ten_seconds() -> None:
    defence, rival = Defence(), arp(ADDRESS, ADDRESS)
    verdicts = [defence.heard(now, rival, MINE, ADDRESS) for now in (100.0, 110.0, 120.5, 125.0)]
    assert verdicts == [Verdict.DEFEND, Verdict.DEFEND, Verdict.DEFEND, Verdict.CONFLICT]


def test_one_frame_that_is_heard_twice_is_one_conflict() -> None:
    defence, rival = Defence(), arp(ADDRESS, ADDRESS)
    assert defence.heard(100.0, rival, MINE, ADDRESS) is Verdict.DEFEND
    assert defence.heard(100.01, rival, MINE, ADDRESS) is Verdict.NOTHING


def test_another_hosts_probe_is_answered_by_the_kernel_and_no_conflict_in_use() -> None:
    assert Defence().heard(100.0, arp(NOBODY, ADDRESS), MINE, ADDRESS) is Verdict.NOTHING


def test_our_own_announcement_is_no_conflict() -> None:
    assert Defence().heard(100.0, arp(ADDRESS, ADDRESS, mac=MINE), MINE, ADDRESS) is Verdict.NOTHING


def test_fault_16_inside_an_add_two_conflicts_are_followed_by_another_try_at_once() -> None:
    assert [conflict_wait(conflicts, Patience.ATTACH) for conflicts in (1, 2, 3, 9)] == [0, 0, 10, 10]


def test_rfc_2131_3_1_and_fault_16_otherwise_ten_seconds_are_waited_for() -> None:
    assert [conflict_wait(conflicts, Patience.BACKGROUND) for conflicts in (1, 2, 9)] == [10, 10, 10]


@pytest.mark.parametrize("patience", Patience)
def test_rfc_5227_2_1_1_from_the_tenth_conflict_on_a_minute_is_waited_for(patience: Patience) -> None:
    assert [conflict_wait(conflicts, patience) for conflicts in (10, 11, 1000)] == [60, 60, 60]


def test_the_constants_are_those_of_rfc_5227_1_1() -> None:
    assert (acd.PROBE_WAIT, acd.PROBE_NUM, acd.PROBE_MIN, acd.PROBE_MAX) == (1, 3, 1, 2)
    assert (acd.ANNOUNCE_WAIT, acd.ANNOUNCE_NUM, acd.ANNOUNCE_INTERVAL) == (2, 2, 2)
    assert (acd.MAX_CONFLICTS, acd.RATE_LIMIT_INTERVAL, acd.DEFEND_INTERVAL) == (10, 60, 10)
