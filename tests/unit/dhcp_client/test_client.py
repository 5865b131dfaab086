"""What a driver may rely on: deadlines, listening, and that nothing on the wire can hurt."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp.client import Client, ClientSettings, Patience, State
from hooknet.dhcp.effects import Bound, Lost, Send
from hooknet.dhcp.messages import Message, MessageType, decode, encode
from hooknet.dhcp.options import Code
from hooknet.dhcp.wire import ArpPacket, UdpDatagram
from hooknet.model import ReleaseReason
from hooknet.testing import FakeClock, make_binding, make_request

SERVER = IPv4Address("192.0.2.1")
ADDRESS = IPv4Address("192.0.2.50")
RIVAL = "02:66:66:66:66:66"


def new_client(seed: int = 1, **settings: object) -> Client:
    return Client(make_request(), ClientSettings(**settings), Random(seed), FakeClock().utc)  # type: ignore[arg-type]


def answer(
    client: Client, effects: tuple[object, ...], kind: MessageType, mac: str = "02:00:00:00:ff:01"
) -> UdpDatagram:
    asked = next(decode(one.payload) for one in effects if isinstance(one, Send))
    options = {
        Code.MESSAGE_TYPE: bytes((kind,)),
        Code.SERVER_ID: SERVER.packed,
        Code.LEASE_TIME: (3600).to_bytes(4, "big"),
        Code.SUBNET_MASK: b"\xff\xff\xff\0",
    }
    reply = Message(op=2, xid=asked.xid, chaddr=client.request.mac, yiaddr=ADDRESS, options=options)
    return UdpDatagram(mac, SERVER, encode(reply))


def bound_client(seed: int = 1, **settings: object) -> Client:
    client = new_client(seed, **settings)
    effects = client.start(0.0, Patience.ATTACH)
    effects = client.received(0.001, answer(client, effects, MessageType.OFFER))
    client.received(0.002, answer(client, effects, MessageType.ACK))
    client.answered(0.003)
    return client


def test_a_new_client_waits_for_nothing() -> None:
    client = new_client()
    assert (client.state, client.binding, client.deadline, client.listening) == (
        State.INIT,
        None,
        None,
        False,
    )


def test_an_early_timer_does_nothing() -> None:
    client = bound_client()
    before = (client.state, client.deadline)
    assert client.timer(0.0) == ()
    assert (client.state, client.deadline) == before


@given(seed=st.integers(), sleeps=st.lists(st.floats(0, 5000), min_size=1, max_size=20))
def test_after_timer_the_deadline_lies_ahead_however_late_it_was_called(
    seed: int, sleeps: list[float]
) -> None:
    client, now = bound_client(seed), 0.003
    for sleep in sleeps:
        now += sleep
        client.timer(now)
        assert client.deadline is not None
        assert client.deadline > now
        if client.binding is not None:
            assert now < client.binding.expires_at


def test_it_listens_while_an_exchange_or_a_check_is_under_way_and_not_afterwards() -> None:
    client = bound_client()
    assert client.listening
    while client.deadline is not None and client.deadline < 100:
        client.timer(client.deadline)
    assert not client.listening
    assert client.deadline is not None
    client.timer(client.deadline)
    assert (client.state, client.listening) == (State.RENEWING, True)


def test_without_conflict_detection_it_listens_no_longer_than_until_the_ack() -> None:
    assert not bound_client(acd="off").listening


def test_inside_an_add_it_listens_also_while_it_waits() -> None:
    client = new_client()
    effects = client.start(0.0, Patience.ATTACH)
    for _ in range(2):
        effects = client.received(0.1, answer(client, effects, MessageType.OFFER))
        effects = client.received(0.1, answer(client, effects, MessageType.NAK))
    assert (client.state, client.listening) == (State.INIT, True)


def test_what_was_ignored_is_said_in_words() -> None:
    client = new_client()
    client.received(0.0, UdpDatagram(RIVAL, SERVER, b""))
    assert client.ignored == "no answer is awaited"
    client.start(0.0, Patience.ATTACH)
    assert client.received(0.0, UdpDatagram(RIVAL, SERVER, b"")) == ()
    assert "too few" in client.ignored


def test_an_ack_through_a_udp_socket_keeps_the_next_hop_that_was_known() -> None:
    client = bound_client(acd="off")
    assert client.deadline is not None
    effects = client.timer(client.deadline)
    client.received(2000.0, answer(client, effects, MessageType.ACK, mac=""))
    assert client.binding is not None
    assert client.binding.since > 1000
    assert client.binding.lease.server_mac == "02:00:00:00:ff:01"


@pytest.mark.parametrize(
    ("sender", "target", "concerned"),
    [("192.0.2.50", "192.0.2.1", True), ("0.0.0.0", "192.0.2.50", True), ("192.0.2.1", "192.0.2.2", False)],
)
def test_only_arp_about_our_address_concerns_a_client(sender: str, target: str, concerned: bool) -> None:
    packet = ArpPacket(1, RIVAL, IPv4Address(sender), "00:00:00:00:00:00", IPv4Address(target))
    assert bound_client().concerns(packet) is concerned
    assert not new_client().concerns(packet)


def test_effects_come_in_the_order_in_which_they_must_be_performed() -> None:
    client = new_client()
    effects = client.start(0.0, Patience.ATTACH)
    effects = client.received(0.1, answer(client, effects, MessageType.OFFER))
    assert [type(one).__name__ for one in effects] == ["SendArp", "Offered", "Send"]


def test_an_address_goes_before_another_one_is_asked_for() -> None:
    client = bound_client(acd="off")
    effects = client.timer(3601.0)
    assert isinstance(effects[0], Lost)
    assert effects[0].reason is ReleaseReason.EXPIRED
    assert isinstance(effects[1], Send)


def test_a_restored_lease_that_has_run_out_is_lost_first_and_asked_for_soon() -> None:
    client = new_client()
    (lost,) = client.resume(5000.0, make_binding(since=0.0))
    assert isinstance(lost, Lost)
    assert client.state is State.INIT
    assert client.deadline is not None
    assert 5000.0 < client.deadline <= 5005.0


def test_the_wall_clock_time_of_a_lease_is_that_of_its_request() -> None:
    clock = FakeClock(0.0)
    client = Client(make_request(), ClientSettings(acd="off"), Random(1), clock.utc)
    effects = client.start(0.0, Patience.ATTACH)
    effects = client.received(5.0, answer(client, effects, MessageType.OFFER))
    (bound,) = client.received(9.0, answer(client, effects, MessageType.ACK))
    assert isinstance(bound, Bound)
    assert (bound.binding.since, bound.binding.lease.obtained) == (5.0, clock.utc(5.0))


def test_a_second_carrier_event_of_the_same_kind_is_nothing_new() -> None:
    client = bound_client()
    assert client.carrier(10.0, up=True) == ()
    assert client.state is State.BOUND


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (ClientSettings(), 1472),
        (ClientSettings(parent_mtu=9000), 8972),
        (ClientSettings(parent_mtu=500), 576),
        (ClientSettings(max_message_size=1000), 1000),
    ],
)
def test_rfc_2132_9_10_the_maximum_message_size_fits_the_parent_and_is_576_at_least(
    settings: ClientSettings, size: int
) -> None:
    assert settings.message_size == size


def test_a_server_without_an_id_is_never_allowed() -> None:
    assert not ClientSettings().allows(None)
    assert not ClientSettings(allow_servers=(IPv4Network("0.0.0.0/0"),)).allows(None)


def test_a_release_goes_to_the_next_hop_that_was_learned_last() -> None:
    client = bound_client()
    client.next_hop_is("02:00:00:00:ff:99")
    (release,) = [one for one in client.release(10.0) if isinstance(one, Send)]
    assert release.next_hop_mac == "02:00:00:00:ff:99"


def test_a_client_without_a_lease_has_no_next_hop_to_learn() -> None:
    client = new_client()
    client.next_hop_is("02:00:00:00:ff:99")
    assert client.binding is None
