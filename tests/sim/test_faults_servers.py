"""What servers do wrong, and what must come of it; the faults' numbers are in the names."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import TYPE_CHECKING

import pytest

from hooknet.dhcp.client import ClientSettings
from hooknet.dhcp.messages import Message, MessageType, encode
from hooknet.dhcp.options import Code
from hooknet.testing import (
    Host,
    Lan,
    nak,
    silent,
    spoiled,
    with_fields,
    with_options,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def attached(lan: Lan, settings: ClientSettings | None = None, **request: object) -> Host:
    """A host with a lease whose ADD was answered, a few seconds ago."""
    host = lan.host("web", settings, **request)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    lan.run(5)
    return host


# 12: the pool is exhausted


def test_fault_12_a_server_without_addresses_stays_silent_and_answers_an_inform() -> None:
    lan = Lan()
    server = lan.server(pool=[])
    host = lan.host()
    host.attach()
    lan.run(10)
    assert host.lease is None
    assert server.count(MessageType.DISCOVER) == 4
    inform = Message(
        xid=1,
        chaddr=host.mac,
        ciaddr=IPv4Address("192.0.2.9"),
        options={Code.MESSAGE_TYPE: bytes((MessageType.INFORM,))},
    )
    assert [reply.type for reply in server.answer(lan.now, inform)] == [MessageType.ACK]


def test_fault_12_an_address_that_comes_free_is_taken() -> None:
    lan = Lan()
    lan.server(pool=["192.0.2.50"], lease_time=60)
    first = attached(lan)
    second = lan.host("db")
    second.attach()
    lan.run(5)
    assert second.lease is None
    first.release()
    lan.run_until(lambda: second.lease is not None, within=10)


# 13: NAK


def test_fault_13_a_nak_on_the_request_starts_over_without_a_hook() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, nak, times=1)
    host = lan.host()
    host.attach()
    lan.run(0.1)
    assert host.reasons == ["BOUND"]
    assert [message.type for message in host.messages()] == [MessageType.DISCOVER, MessageType.REQUEST] * 2


def test_fault_13_a_nak_while_renewing_drops_the_address_at_once_and_a_new_one_follows() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.network = IPv4Network("198.51.100.0/24")
    server.pool = [IPv4Address("198.51.100.50")]
    server.forget()
    lan.run(1900)
    assert host.reasons == ["BOUND", "NAK", "BOUND"]
    old, new = host.used
    assert new.since - old.until < 0.01
    assert host.address == IPv4Address("198.51.100.50")
    assert host.hooks[-1].previous == host.hooks[0].lease


def test_fault_13_after_a_nak_the_old_address_is_not_asked_for() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.on(MessageType.REQUEST, nak, times=1)
    lan.run(1900)
    assert host.messages(MessageType.DISCOVER)[-1].requested_address is None


def test_fault_13_a_server_that_refuses_what_it_offers_is_asked_ever_more_rarely() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.REQUEST, nak)
    host = lan.host()
    host.start()
    lan.run(3600)
    times = host.times(MessageType.DISCOVER)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[0] < 1
    assert waits[1:9] == [pytest.approx(wait, rel=0.11) for wait in (2, 4, 8, 16, 32, 64, 128, 256)]
    assert max(waits) <= 330


def test_fault_13_a_foreign_nak_is_ignored_while_renewing() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.online = False
    lan.run(1900)
    rogue = {Code.MESSAGE_TYPE: b"\6", Code.SERVER_ID: IPv4Address("192.0.2.66").packed}
    host.hear(encode(Message(op=2, xid=host.sent[-1].message.xid, chaddr=host.mac, options=rogue)))
    lan.run(10)
    assert host.reasons == ["BOUND"]


def test_fault_13_of_two_servers_the_one_that_knows_the_lease_is_believed() -> None:
    lan = Lan()
    known = lan.server(lease_time=3600)
    host = attached(lan)
    other = lan.server()
    other.on(MessageType.REQUEST, nak)
    known.delay = 1.0
    host.unplug()
    host.plug()
    lan.run(10)
    assert other.count(MessageType.REQUEST) == 1
    assert host.reasons == ["BOUND", "RENEWED"]


def test_fault_13_where_only_a_foreign_server_answers_its_nak_counts_in_the_end() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.online = False
    lan.server(network="198.51.100.0/24", address="198.51.100.1")
    lan.run(3200)
    assert host.reasons == ["BOUND", "NAK", "BOUND"]
    assert host.used[1].since - host.used[0].until < 0.1
    assert host.address == IPv4Address("198.51.100.50")


# 14: rogue servers and wrong replies


@pytest.mark.parametrize(
    "spoil",
    [
        with_fields(xid=1),
        with_fields(chaddr="02:66:66:66:66:66"),
        with_fields(op=1),
        with_fields(yiaddr=IPv4Address(0)),
        with_fields(yiaddr=IPv4Address("255.255.255.255")),
        with_options({Code.CLIENT_ID: b"somebody else"}),
        with_options({Code.MESSAGE_TYPE: b"\x01"}),
        with_options({Code.MESSAGE_TYPE: b"\x02\x02"}),
        with_options({Code.SUBNET_MASK: b"\xff\0\xff\0"}),
        without(Code.SERVER_ID),
        without(Code.MESSAGE_TYPE),
        without(Code.LEASE_TIME),
    ],
)
@pytest.mark.parametrize("kind", [MessageType.DISCOVER, MessageType.REQUEST])
def test_fault_14_a_rogue_that_is_quicker_and_wrong_changes_nothing(
    spoil: Callable[[Message], Message], kind: MessageType
) -> None:
    lan = Lan()
    rogue = lan.server("rogue")
    rogue.on(kind, spoiled(spoil))
    if kind is MessageType.REQUEST:
        rogue.on(MessageType.DISCOVER, silent)
    lan.server("right", shares=rogue)
    host = lan.host()
    host.attach()
    lan.run_until(lambda: host.lease is not None, within=5)
    assert host.lease is not None
    assert host.lease.server == IPv4Address("192.0.2.2")
    assert host.reasons == ["BOUND"]


def test_fault_14_the_first_good_offer_wins_and_the_others_are_ignored() -> None:
    lan = Lan()
    servers = [lan.server(pool=[f"192.0.2.{50 + number}"]) for number in range(3)]
    host = attached(lan)
    assert host.reasons == ["BOUND"]
    assert len(host.times(MessageType.REQUEST)) == 1
    chosen = host.messages(MessageType.REQUEST)[0].server_id
    assert chosen in {server.address for server in servers}


def test_fault_14_a_denied_server_is_not_heard() -> None:
    lan = Lan()
    lan.server("rogue", network="203.0.113.0/24", address="203.0.113.66")
    host = attached_later = lan.host("web", ClientSettings(deny_servers=(IPv4Network("203.0.113.66/32"),)))
    attached_later.attach()
    lan.run(10)
    assert host.lease is None
    lan.server("right", address="192.0.2.1")
    lan.run_until(lambda: host.lease is not None)
    assert host.address == IPv4Address("192.0.2.50")


def test_fault_14_with_an_allow_list_only_those_are_heard() -> None:
    lan = Lan()
    lan.server("rogue", network="203.0.113.0/24", address="203.0.113.66")
    lan.server("right", address="192.0.2.1")
    for number in range(20):
        host = lan.host(f"web{number}", ClientSettings(allow_servers=(IPv4Network("192.0.2.0/24"),)))
        host.attach()
        lan.run(0.1)
        assert host.lease is None or host.lease.server == IPv4Address("192.0.2.1")
    assert lan.hosts[0].lease is not None


# 15: failover


def test_fault_15_at_t2_another_server_takes_over_the_same_address_without_churn() -> None:
    lan = Lan()
    primary = lan.server(lease_time=3600)
    secondary = lan.server(shares=primary, options={Code.ROUTER: primary.address.packed})
    primary.options = dict(secondary.options)
    secondary.online = False
    host = attached(lan)
    primary.online, secondary.online = False, True
    lan.run(3500)
    assert host.reasons == ["BOUND", "REBOUND"]
    assert len(host.used) == 1
    assert host.lease is not None
    assert host.lease.server == secondary.address
    lan.run(3600)
    assert host.reasons[-1] == "RENEWED"


# 17: malformed and hostile packets


def test_fault_17_ten_thousand_hostile_packets_during_a_transaction_change_nothing() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.DISCOVER, silent, times=1)
    host = lan.host()
    host.attach()
    random = Random(17)
    good = encode(server.reply(host.messages()[0], MessageType.OFFER, IPv4Address("192.0.2.50")))
    for number in range(10_000):
        payload = bytearray(good)
        if number % 3 == 0:
            payload = bytearray(random.randbytes(random.randrange(700)))
        elif number % 3 == 1:
            payload[4:8] = random.randbytes(4)
            for _ in range(20):
                payload[random.randrange(8, len(payload))] = random.randrange(256)
        else:
            payload[28:34] = random.randbytes(6)
        host.hear(bytes(payload))
    lan.run_until(lambda: host.lease is not None, within=3)
    assert host.reasons == ["BOUND"]


@pytest.mark.parametrize("seed", range(5))
def test_fault_17_replies_with_our_xid_and_broken_options_never_raise(seed: int) -> None:
    lan = Lan(seed=seed)
    server = lan.server(lease_time=3600)
    host = lan.host("web", ClientSettings(rapid_commit=True), parameters=(1, 3, 6, 108))
    host.attach()
    random = Random(seed)
    for _ in range(2000):
        asked = host.sent[-1].message
        kind = random.choice((MessageType.OFFER, MessageType.ACK, MessageType.NAK))
        payload = bytearray(encode(server.reply(asked, kind, IPv4Address("192.0.2.50"))))
        for _ in range(random.randrange(12)):
            payload[random.randrange(240, len(payload))] = random.randrange(256)
        host.hear(bytes(payload))
        lan.run(0.01)
    lan.run(3600)
    assert host.client.deadline is not None
