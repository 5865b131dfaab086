"""The life of a lease on the simulated LAN: RFC 2131 sections 3 and 4.4."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address

import pytest

from hooknet.dhcp.client import ClientSettings, State
from hooknet.dhcp.effects import Delivery
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.options import Code
from hooknet.errors import Kind
from hooknet.testing import (
    DAY,
    FOREVER,
    YEAR,
    Host,
    Lan,
    grants,
    silent,
    spoiled,
    with_fields,
    with_options,
    without,
)

NOBODY = IPv4Address(0)


def attached(lan: Lan, settings: ClientSettings | None = None, **request: object) -> Host:
    """A host with a lease whose ADD was answered."""
    host = lan.host("web", settings, **request)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    return host


# taking one


def test_an_add_takes_two_round_trips_and_no_waiting() -> None:
    lan = Lan()
    lan.server()
    begun = lan.now
    host = attached(lan)
    assert lan.now - begun < 0.005
    assert (host.state, host.reasons) == (State.BOUND, ["BOUND"])
    assert [message.type for message in host.messages()] == [MessageType.DISCOVER, MessageType.REQUEST]


def test_rfc_2131_4_4_1_the_offer_is_durable_before_the_request_leaves() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, silent)
    host = lan.host()
    host.attach()
    lan.run_until(lambda: bool(host.times(MessageType.REQUEST)))
    assert host.offer is not None
    assert host.offer.address == IPv4Address("192.0.2.50")
    assert host.offer.server_mac == server.mac


def test_rfc_2131_4_4_1_the_request_repeats_xid_and_secs_of_the_discover() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.DISCOVER, silent, times=2)
    host = attached(lan)
    discover, request = host.messages()[-2:]
    assert (request.xid, request.secs) == (discover.xid, discover.secs)
    assert request.secs == 3


def test_the_lease_runs_from_the_first_request_and_not_from_the_ack() -> None:
    lan = Lan()
    server = lan.server(lease_time=60)
    server.on(MessageType.REQUEST, silent, times=2)
    host = attached(lan)
    assert host.client.binding is not None
    assert host.client.binding.since == host.times(MessageType.REQUEST)[0]
    assert lan.now - host.client.binding.since > 2.7


def test_inside_an_add_a_silent_server_is_asked_after_1_2_and_4_seconds() -> None:
    lan = Lan()
    host = lan.host()
    host.attach()
    lan.run(7.5)
    first, *later = host.times(MessageType.DISCOVER)
    assert [at - first for at in later] == [
        pytest.approx(1, abs=0.1),
        pytest.approx(3, abs=0.2),
        pytest.approx(7, abs=0.3),
    ]


def test_rfc_2131_4_1_in_the_background_a_silent_server_is_asked_with_doubling_waits() -> None:
    lan = Lan()
    host = lan.host()
    host.start()
    lan.run(400)
    times = host.times(MessageType.DISCOVER)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[:6] == [pytest.approx(wait, abs=1) for wait in (4, 8, 16, 32, 64, 64)]


def test_fault_11_without_a_server_nothing_is_held_and_nothing_is_told() -> None:
    lan = Lan()
    host = lan.host()
    host.attach()
    lan.run(10)
    assert (host.lease, host.address, host.reasons) == (None, None, [])
    host.release()
    assert (host.state, host.client.deadline, host.client.listening) == (State.INIT, None, False)
    assert host.times(MessageType.RELEASE) == []


def test_an_interface_that_hears_no_unicast_gets_its_lease_by_the_broadcast_flag() -> None:
    lan = Lan()
    lan.server()
    host = lan.host()
    host.deaf = True
    host.attach()
    lan.run_until(lambda: host.lease is not None, within=3)
    assert [message.broadcast for message in host.messages(MessageType.DISCOVER)] == [False, True]
    assert host.messages(MessageType.REQUEST)[0].broadcast


def test_in_the_background_the_broadcast_flag_comes_with_the_third_discover() -> None:
    lan = Lan()
    host = lan.host()
    host.start()
    lan.run(60)
    assert [message.broadcast for message in host.messages()] == [False, False, True, True]


def test_the_broadcast_flag_is_there_from_the_start_where_it_is_configured() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan, ClientSettings(broadcast=True))
    assert all(message.broadcast for message in host.messages())


def test_a_request_that_nobody_answers_leads_to_a_new_discover_in_time_for_another_server() -> None:
    lan = Lan()
    dying = lan.server()
    dying.on(MessageType.REQUEST, silent)
    host = lan.host()
    host.attach()
    lan.run_until(lambda: bool(host.times(MessageType.REQUEST)))
    dying.online = False
    lan.server(network="198.51.100.0/24", address="198.51.100.1")
    lan.run_until(lambda: host.lease is not None, within=9)
    assert host.address == IPv4Address("198.51.100.50")
    assert len({message.xid for message in host.messages(MessageType.DISCOVER)}) == 2


def test_the_remembered_address_is_asked_for_with_the_first_discover() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan, requested_address=IPv4Address("192.0.2.57"))
    assert host.messages(MessageType.DISCOVER)[0].requested_address == IPv4Address("192.0.2.57")
    assert host.address == IPv4Address("192.0.2.57")


def test_rfc_4039_with_rapid_commit_one_round_trip_is_enough() -> None:
    lan = Lan()
    lan.server(rapid_commit=True)
    host = attached(lan, ClientSettings(rapid_commit=True))
    assert [message.type for message in host.messages()] == [MessageType.DISCOVER]
    assert host.state is State.BOUND


def test_rfc_4039_of_several_rapid_commits_the_first_is_used() -> None:
    lan = Lan()
    lan.server(rapid_commit=True)
    lan.server(rapid_commit=True)
    host = attached(lan, ClientSettings(rapid_commit=True))
    lan.run(5)
    assert host.reasons == ["BOUND"]


def test_rfc_4039_a_server_that_only_offers_is_dealt_with_as_usual() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.DISCOVER, spoiled(with_options({Code.RAPID_COMMIT: b""})))
    host = attached(lan, ClientSettings(rapid_commit=True))
    assert [message.type for message in host.messages()] == [MessageType.DISCOVER, MessageType.REQUEST]


def test_an_ack_for_another_address_than_the_offered_one_is_taken_and_checked() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, grants("192.0.2.58"))
    host = attached(lan)
    assert host.address == IPv4Address("192.0.2.58")
    lan.run(5)
    probed = [packet.target for _, packet in host.arp_sent if packet.sender == NOBODY]
    assert probed.count(IPv4Address("192.0.2.58")) == 3


def test_rfc_8925_inside_an_add_a_network_without_ipv4_is_named() -> None:
    lan = Lan()
    lan.server(options={Code.V6ONLY: (1800).to_bytes(4, "big")})
    host = lan.host(parameters=(1, 3, 108))
    host.attach()
    lan.run(1)
    assert host.gave_up is not None
    assert host.gave_up.kind is Kind.NO_LEASE
    assert "IPv6 only" in host.gave_up.reason


def test_rfc_8925_the_client_keeps_still_for_the_time_it_was_told() -> None:
    lan = Lan()
    server = lan.server(options={Code.V6ONLY: (1800).to_bytes(4, "big")})
    host = lan.host(parameters=(1, 3, 108))
    host.start()
    lan.run(1800)
    assert server.count(MessageType.DISCOVER) == 1
    lan.run(10)
    assert server.count(MessageType.DISCOVER) == 2


# keeping it


def test_rfc_2131_4_4_5_half_way_the_server_is_asked_by_unicast() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    lan.run(1800 * 1.06)
    renewal = host.sent[-1]
    assert renewal.send.delivery is Delivery.UNICAST_SOCKET
    assert renewal.message.ciaddr == host.address
    assert not {Code.REQUESTED_ADDRESS, Code.SERVER_ID} & set(renewal.message.options)
    assert host.reasons == ["BOUND", "RENEWED"]
    assert host.hooks[-1].previous == host.hooks[0].lease


def test_a_renewed_lease_runs_from_the_request_that_renewed_it() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    lan.run(1800 * 1.06)
    assert host.client.binding is not None
    assert host.client.binding.since == host.sent[-1].at


def test_every_transaction_has_an_xid_of_its_own() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan)
    lan.run(600 * 20)
    server.online = False
    lan.run(500)
    renewals = [message.xid for message in host.messages() if int(message.ciaddr)]
    assert len(renewals) > 20
    assert len(set(renewals)) == len(renewals)


def test_rfc_2131_4_4_5_a_silent_server_is_asked_at_half_of_what_is_left_then_everybody_is() -> None:
    lan = Lan()
    server = lan.server(lease_time=7200)
    host = attached(lan)
    server.online = False
    lan.run(7199)
    renewals = [one for one in host.sent if one.send.delivery is Delivery.UNICAST_SOCKET]
    rebinds = [one for one in host.sent if int(one.message.ciaddr) and one not in renewals]
    assert host.state is State.REBINDING
    assert {one.send.delivery for one in rebinds} == {Delivery.BROADCAST_FRAME}
    for series in (renewals, rebinds):
        waits = [later.at - earlier.at for earlier, later in itertools.pairwise(series)]
        assert min(waits) >= 59.9
        assert waits == sorted(waits, reverse=True)
    assert host.address is not None


def test_rfc_2131_4_4_5_an_expired_lease_is_dropped_at_once_and_asked_for_again() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan)
    server.online = False
    lan.run(601)
    assert (host.address, host.state) == (None, State.SELECTING)
    assert host.used[-1].until == pytest.approx(host.used[-1].since + 600, abs=0.001)
    assert host.messages(MessageType.DISCOVER)[-1].requested_address == IPv4Address("192.0.2.50")
    server.online = True
    lan.run_until(lambda: host.lease is not None)
    assert host.reasons == ["BOUND", "EXPIRED", "BOUND"]
    assert host.hooks[-1].previous == host.hooks[0].lease


def test_an_infinite_lease_is_never_asked_for_again() -> None:
    lan = Lan()
    server = lan.server(lease_time=FOREVER)
    host = attached(lan)
    lan.run(100 * YEAR)
    assert len(server.heard) == 2
    assert (host.client.deadline, host.client.listening) == (None, False)


def test_a_lease_is_kept_for_years() -> None:
    lan = Lan(seed=3)
    lan.server(lease_time=int(DAY))
    host = attached(lan)
    lan.run(10 * YEAR)
    assert len(host.used) == 1
    assert set(host.reasons) == {"RENEWED"}


def test_between_exchanges_nothing_is_open() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan)
    lan.run(5)
    assert not host.client.listening
    assert host.client.deadline is not None
    assert host.client.deadline > lan.now + 1000


def test_a_changed_option_on_renewal_is_a_change_of_the_lease() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan)
    server.options = {Code.DNS: IPv4Address("192.0.2.53").packed}
    lan.run(330)
    assert host.reasons == ["BOUND", "CHANGED"]
    assert host.lease is not None
    assert host.lease.dns == (IPv4Address("192.0.2.53"),)


def test_a_changed_address_on_renewal_replaces_the_old_one_in_one_step() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan)
    server.move("192.0.2.50", "192.0.2.58")
    lan.run(330)
    assert host.reasons == ["BOUND", "CHANGED"]
    before, after = host.used
    assert before.until == after.since
    assert host.address == IPv4Address("192.0.2.58")
    assert [packet.target for at, packet in host.arp_sent if at > 1200][:1] == [host.address]


def test_an_ack_whose_lease_has_run_out_before_it_came_grants_nothing() -> None:
    lan = Lan()
    server = lan.server(lease_time=600)
    host = attached(lan)
    server.lease_time = 0
    server.on(MessageType.REQUEST, spoiled(with_options({Code.LEASE_TIME: b"\0\0\0\0"})))
    lan.run(550)
    assert host.reasons == ["BOUND"]


def test_a_late_or_doubled_ack_of_before_is_ignored() -> None:
    lan = Lan()
    lan.server(lease_time=600)
    lan.faults.duplicate = 1.0
    host = attached(lan)
    lan.run(5)
    assert host.reasons == ["BOUND"]


# ending it


def test_rfc_2131_4_4_6_a_release_goes_back_as_a_frame_with_the_reason() -> None:
    lan = Lan()
    server = lan.server()
    host = attached(lan)
    host.release("container stopped")
    lan.run(1)
    assert server.released == [IPv4Address("192.0.2.50")]
    assert host.sent[-1].send.delivery is Delivery.UNICAST_FRAME
    assert host.sent[-1].send.next_hop_mac == server.mac
    assert server.heard[-1].text == "container stopped"
    assert (host.state, host.client.deadline, host.client.listening) == (State.INIT, None, False)


def test_what_may_have_been_granted_is_released_as_well() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, spoiled(with_fields(chaddr="02:66:66:66:66:66")))
    host = lan.host()
    host.attach()
    lan.run(0.5)
    assert server.holder_of(IPv4Address("192.0.2.50")) is not None
    host.release()
    lan.run(0.1)
    assert server.holder_of(IPv4Address("192.0.2.50")) is None


def test_a_client_that_was_released_can_start_again() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan)
    host.release()
    lan.run(1)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    assert host.reasons == ["BOUND", "BOUND"]
    assert host.hooks[-1].previous is None


def test_a_second_release_says_nothing() -> None:
    lan = Lan()
    lan.server()
    host = attached(lan)
    host.release()
    host.release()
    assert len(host.times(MessageType.RELEASE)) == 1


def test_when_the_answer_is_out_the_rfcs_patience_begins() -> None:
    lan = Lan()
    server = lan.server(lease_time=60)
    host = attached(lan)
    server.online = False
    lan.run(62)
    begun = host.times(MessageType.DISCOVER)[-1]
    lan.run(6)
    assert host.times(MessageType.DISCOVER)[-1] - begun == pytest.approx(4, abs=1)


def test_an_offer_without_a_server_id_is_waited_past() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.DISCOVER, spoiled(without(Code.SERVER_ID)), times=2)
    host = attached(lan)
    assert len(host.times(MessageType.DISCOVER)) == 3


def test_in_the_background_a_start_is_spread_over_five_seconds() -> None:
    lan = Lan()
    lan.server()
    host = lan.host()
    host.start()
    assert host.client.deadline is not None
    assert lan.now <= host.client.deadline <= lan.now + 5
    assert not host.client.listening
