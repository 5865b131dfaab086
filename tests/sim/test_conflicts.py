"""Addresses that somebody else uses already: fault 16, RFC 5227, RFC 2131 section 4.4.1."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise

import pytest

from hooknet.dhcp.client import ClientSettings, State
from hooknet.dhcp.messages import MessageType
from hooknet.testing import Host, Lan
from hooknet.testing.server import offers

FIRST, SECOND, THIRD = (IPv4Address(f"192.0.2.{last}") for last in (50, 51, 52))
STRICT, OPTIMISTIC, OFF = (ClientSettings(acd=acd) for acd in ("strict", "optimistic", "off"))


def attached(lan: Lan, settings: ClientSettings = OPTIMISTIC) -> Host:
    """A host with a lease whose ADD was answered and whose check is over."""
    host = lan.host("web", settings)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    lan.run(10)
    return host


def test_fault_16_a_conflict_before_the_ack_is_declined_and_the_next_address_taken_at_once() -> None:
    lan = Lan()
    server = lan.server()
    server.delay = 0.01
    lan.squatter(str(FIRST))
    host = lan.host()
    host.attach()
    lan.run_until(lambda: host.lease is not None, within=0.2)
    assert host.address == SECOND
    assert [offer.address for offer in host.declined] == [FIRST]
    assert host.reasons == ["BOUND"]
    assert server.declined == [FIRST]


def test_fault_16_a_conflict_after_bound_takes_the_address_away_at_once() -> None:
    lan = Lan()
    server = lan.server()
    late = lan.squatter(str(FIRST))
    late.awake = False
    host = lan.host()
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    late.awake = True
    lan.run(1.5)
    assert host.reasons == ["BOUND", "DECLINED", "BOUND"]
    assert host.used[0].until - host.used[0].since < 1.0
    assert host.hooks[-1].previous == host.hooks[0].lease
    assert server.declined == [FIRST]
    assert host.address == SECOND


def test_rfc_2131_3_1_once_the_add_is_answered_ten_seconds_pass_before_the_next_discover() -> None:
    lan = Lan()
    lan.server()
    late = lan.squatter(str(FIRST))
    late.awake = False
    host = lan.host()
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    late.awake = True
    lan.run(30)
    assert host.address == SECOND
    declined = host.times(MessageType.DECLINE)[0]
    assert host.times(MessageType.DISCOVER)[-1] - declined == pytest.approx(10, abs=0.01)


def test_rfc_2131_4_4_1_a_decline_is_broadcast_and_names_the_address_the_server_and_the_rival() -> None:
    lan = Lan()
    server = lan.server()
    server.delay = 0.01
    rival = lan.squatter(str(FIRST))
    host = lan.host()
    host.attach()
    lan.run(1)
    sent = next(one for one in host.sent if one.type is MessageType.DECLINE)
    assert int(sent.send.destination) == 0xFFFFFFFF
    assert (int(sent.send.source), int(sent.message.ciaddr)) == (0, 0)
    assert (sent.message.requested_address, sent.message.server_id) == (FIRST, server.address)
    assert sent.message.text == f"address in use by {rival.mac}"


def test_a_declined_address_is_not_asked_for_again() -> None:
    lan = Lan()
    server = lan.server()
    server.delay = 0.01
    lan.squatter(str(FIRST))
    host = lan.host(requested_address=FIRST)
    host.attach()
    lan.run(1)
    assert [one.requested_address for one in host.messages(MessageType.DISCOVER)] == [FIRST, None]


def test_fault_16_inside_an_add_two_conflicts_are_passed_at_once_and_then_ten_seconds_apart() -> None:
    lan = Lan()
    server = lan.server()
    server.delay = 0.01
    for last in range(50, 56):
        lan.squatter(f"192.0.2.{last}")
    host = lan.host()
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    waits = [later - earlier for earlier, later in pairwise(host.times(MessageType.DISCOVER))]
    assert [round(wait, 1) for wait in waits] == [0, 0, 10, 10, 10, 10]
    assert len(host.declined) == 6


def test_fault_16_from_the_tenth_conflict_on_one_try_a_minute() -> None:
    lan = Lan()
    pool = [f"192.0.2.{last}" for last in range(50, 70)]
    lan.server(pool=pool).delay = 0.01
    for address in pool:
        lan.squatter(address)
    host = lan.host()
    host.start()
    lan.run(600)
    waits = [round(later - earlier) for earlier, later in pairwise(host.times(MessageType.DISCOVER))]
    assert waits[:9] == [10] * 9
    assert set(waits[9:]) == {60}


def test_strict_uses_the_address_only_when_nobody_has_answered() -> None:
    lan = Lan()
    lan.server()
    begun = lan.now
    host = lan.host("web", STRICT)
    host.attach()
    lan.run(1)
    assert (host.state, host.address, host.reasons) == (State.PROBING, None, [])
    lan.run_until(lambda: host.lease is not None)
    assert 4.0 <= lan.now - begun <= 7.1
    assert len(host.arp_sent) == 4


def test_strict_declines_before_anybody_hears_of_the_address() -> None:
    lan = Lan()
    lan.server()
    lan.squatter(str(FIRST))
    host = lan.host("web", STRICT)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    assert (host.address, host.reasons) == (SECOND, ["BOUND"])
    assert [use.address for use in host.used] == [SECOND]


def test_strict_never_uses_a_lease_that_ran_out_while_it_was_being_checked() -> None:
    lan = Lan()
    lan.server(lease_time=2)
    host = lan.host("web", STRICT)
    host.attach()
    lan.run(60)
    assert host.reasons == []


def test_optimistic_adds_no_waiting() -> None:
    times = []
    for settings in (OFF, OPTIMISTIC):
        lan = Lan(seed=5)
        lan.server()
        host = lan.host("web", settings)
        host.attach()
        lan.run_until(lambda host=host: host.lease is not None)  # type: ignore[misc]
        times.append(lan.now)
    assert times[1] - times[0] < 0.001


def test_optimistic_probes_while_the_request_is_out() -> None:
    lan = Lan()
    lan.server().delay = 0.05
    host = lan.host()
    host.attach()
    lan.run(0.08)
    assert host.state is State.REQUESTING
    (probed_at, probe), *_ = host.arp_sent
    assert probed_at == host.times(MessageType.REQUEST)[0]
    assert (int(probe.sender), probe.target) == (0, FIRST)


@pytest.mark.parametrize("seed", range(20))
def test_of_two_that_are_offered_one_address_the_server_decides_and_nobody_declines(seed: int) -> None:
    """dnsmasq does that to two that start at once; each probes while the other's REQUEST is out."""
    lan = Lan(seed=seed)
    server = lan.server()
    server.delay = 0.01
    server.on(MessageType.DISCOVER, offers(str(FIRST)), times=2)
    hosts = [lan.host(name) for name in ("one", "two")]
    for host in hosts:
        host.attach()
    lan.run(5)
    assert [host.reasons for host in hosts] == [["BOUND"]] * 2
    assert {host.address for host in hosts} == {FIRST, SECOND}
    assert server.declined == []


def test_off_neither_asks_nor_hears() -> None:
    lan = Lan()
    lan.server()
    rival = lan.squatter(str(FIRST))
    host = attached(lan, OFF)
    rival.announce()
    rival.announce()
    lan.run(10)
    assert (host.address, host.reasons, len(host.arp_sent)) == (FIRST, ["BOUND"], 0)


def test_rfc_5227_2_3_the_address_is_announced_twice_two_seconds_apart() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan)
    announced = [at for at, packet in host.arp_sent if packet.sender == packet.target == FIRST]
    assert [round(later - earlier, 3) for earlier, later in pairwise(announced)] == [2.0]
    assert not host.client.listening


def test_rfc_5227_2_4_a_conflict_in_use_is_answered_with_one_announcement() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan)
    rival = lan.squatter(str(FIRST))
    before = len(host.arp_sent)
    rival.announce()
    lan.run(60)
    assert [packet.sender for _, packet in list(host.arp_sent)[before:]] == [FIRST]
    assert host.reasons == ["BOUND"]


def test_rfc_5227_2_4_a_rival_that_does_not_give_way_within_ten_seconds_gets_the_address() -> None:
    lan = Lan()
    server = lan.server()
    host = attached(lan)
    rival = lan.squatter(str(FIRST))
    rival.announce()
    lan.run(5)
    rival.announce()
    lan.run(0.1)
    assert (host.address, host.reasons[-1]) == (None, "DECLINED")
    assert server.declined == [FIRST]
    lan.run(20)
    assert (host.address, host.reasons[-1]) == (SECOND, "BOUND")


@pytest.mark.parametrize("minutes", [1, 30])
def test_rivals_once_in_a_while_are_defended_against_for_ever(minutes: int) -> None:
    lan = Lan()
    lan.server(lease_time=86400)
    host = attached(lan)
    rival = lan.squatter(str(FIRST))
    for _ in range(50):
        rival.announce()
        lan.run(60.0 * minutes)
    assert set(host.reasons) <= {"BOUND", "RENEWED"}


def test_an_address_that_comes_by_renewal_is_checked_while_in_use() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan, STRICT)
    server.move(str(FIRST), str(THIRD))
    lan.squatter(str(THIRD))
    lan.run(400)
    assert host.reasons == ["BOUND", "CHANGED", "DECLINED", "BOUND"]
    assert server.declined == [THIRD]


def test_two_hosts_that_are_given_one_address_do_not_both_keep_it() -> None:
    lan = Lan()
    lan.server(pool=[str(FIRST)])
    lan.server(pool=[str(FIRST)])
    first = attached(lan)
    lan.servers[0].forget()
    lan.servers[1].forget()
    second = lan.host("db")
    second.attach()
    lan.run(30)
    assert first.address == FIRST
    assert second.address != FIRST


def test_a_lease_that_is_given_back_while_it_is_checked_is_released() -> None:
    lan = Lan()
    server = lan.server()
    host = lan.host("web", STRICT)
    host.attach()
    lan.run(1)
    assert host.state is State.PROBING
    host.release()
    lan.run(10)
    assert server.released == [FIRST]
    assert (host.state, host.client.deadline, host.reasons) == (State.INIT, None, [])
