"""What the repetitions of one message must agree on: RFC 2131 sections 4.1 and 4.4.1."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

from hooknet.dhcp.effects import Offer
from hooknet.dhcp.exchange import Exchange

OFFER = Offer(address=IPv4Address("192.0.2.50"), server=IPv4Address("192.0.2.1"), server_mac=None, xid=1)


def test_every_exchange_has_a_random_xid_of_32_bits() -> None:
    random = Random(1)
    xids = {Exchange.new(0.0, random).xid for _ in range(100)}
    assert len(xids) == 100
    assert max(xids) > 1 << 31
    assert max(xids) < 1 << 32


def test_rfc_2131_4_4_1_the_request_has_the_xid_and_the_secs_of_the_discover() -> None:
    exchange = Exchange.new(100.0, Random(1))
    exchange.discovered(100.0)
    exchange.discovered(104.0)
    selecting = exchange.selecting(OFFER, 104.5)
    assert (selecting.xid, selecting.secs) == (exchange.xid, 4.0)


def test_rfc_2131_4_4_1_a_lease_runs_from_the_first_request() -> None:
    selecting = Exchange.new(100.0, Random(1)).selecting(OFFER, 104.5)
    selecting.sent(104.5)
    selecting.sent(108.5)
    assert selecting.sent_at == 104.5


def test_rfc_4039_a_rapid_commit_runs_from_the_discover_before_the_last() -> None:
    exchange = Exchange.new(100.0, Random(1))
    for at in (100.0, 104.0, 112.0):
        exchange.discovered(at)
    assert exchange.sent_at == 104.0


def test_a_repeated_renewal_has_a_new_xid_and_the_secs_go_on() -> None:
    random = Random(1)
    first = Exchange.new(100.0, random)
    second = first.renewed(160.0, random)
    assert second.xid != first.xid
    assert (second.began, second.sent_at) == (100.0, 160.0)
