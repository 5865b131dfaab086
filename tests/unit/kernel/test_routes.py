"""Ours are there, and nobody else's is touched."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hooknet.kernel import messages
from hooknet.kernel.netlink import EXCL, REPLACE
from hooknet.kernel.routes import KernelRoute, absent, changes, choose_metric
from hooknet.model import Route

OURS, OTHERS = 2, 3
DEFAULT = IPv4Network("0.0.0.0/0")
ONE, TWO = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


def present(index=OTHERS, *, metric=0, gateway=ONE, protocol=messages.PROTO_DHCP, destination=DEFAULT):
    return KernelRoute(
        destination=destination, gateway=gateway, metric=metric, index=index, protocol=protocol
    )


def metric(*there, wanted=None):
    return choose_metric(OURS, DEFAULT, wanted, there)


def test_alone_the_metric_is_the_lowest() -> None:
    assert metric() == 0


def test_a_second_network_does_not_hijack_the_default_route() -> None:
    assert metric(present(metric=0)) == 1
    assert metric(present(metric=100)) == 101
    assert metric(present(metric=0), present(4, metric=7)) == 8


def test_a_default_route_with_several_next_hops_is_somebody_elses_too() -> None:
    assert metric(present(None, metric=5)) == 6


def test_the_administrators_metric_is_taken_even_when_it_wins() -> None:
    assert metric(present(metric=100), wanted=50) == 50


def test_the_administrators_metric_moves_up_where_it_is_taken() -> None:
    assert metric(present(metric=50), present(4, metric=51), wanted=50) == 52


def test_a_metric_that_we_have_stays_when_another_network_comes_behind_us() -> None:
    assert metric(present(OURS, metric=0), present(metric=1)) == 0


def test_a_route_to_another_destination_does_not_matter() -> None:
    assert metric(present(destination=IPv4Network("10.0.0.0/8"))) == 0


def test_a_new_route_never_replaces_one() -> None:
    found = changes(OURS, (Route(DEFAULT, ONE),), None, [])
    assert found.add[0].flags & EXCL
    assert not found.add[0].flags & REPLACE


def test_another_gateway_replaces_our_route_in_place() -> None:
    found = changes(OURS, (Route(DEFAULT, TWO),), None, [present(OURS)])
    assert found.add[0].flags & REPLACE
    assert found.remove == ()


def test_what_is_there_already_is_not_sent_again() -> None:
    assert changes(OURS, (Route(DEFAULT, ONE),), None, [present(OURS)]).add == ()


def test_our_stale_routes_go_and_other_peoples_stay() -> None:
    stale = present(OURS, destination=IPv4Network("10.1.0.0/16"))
    by_hand = present(OURS, destination=IPv4Network("10.2.0.0/16"), protocol=4)
    elsewhere = present(OTHERS, destination=IPv4Network("10.3.0.0/16"))
    found = changes(OURS, (), None, [stale, by_hand, elsewhere])
    assert found.remove == (messages.del_route(OURS, stale.destination, stale.gateway, stale.metric),)


def test_absent_routes_are_told_whatever_their_metric() -> None:
    wanted = (Route(DEFAULT, ONE), Route(IPv4Network("10.1.0.0/16"), TWO))
    assert absent(OURS, wanted, [present(OURS, metric=9)]) == [wanted[1]]
    assert absent(OURS, wanted[:1], [present(OTHERS)]) == [wanted[0]]
