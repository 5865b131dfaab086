"""From a lease to what the interface gets."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from hooknet.config import NetworkSettings
from hooknet.kernel.addresses import plan_for
from hooknet.model import Lease, Route

DEFAULT = IPv4Network("0.0.0.0/0")
GATEWAY = IPv4Address("192.168.1.1")
ELSEWHERE = IPv4Network("10.0.0.0/8")

LEASE = Lease(
    address=IPv4Interface("192.168.1.222/24"),
    server=GATEWAY,
    mac="02:00:00:00:00:01",
    client_id=b"\x01",
    obtained=datetime(2026, 1, 1, tzinfo=UTC),
    lease_time=3600,
    routes=(Route(DEFAULT, GATEWAY),),
    broadcast=IPv4Address("192.168.1.255"),
    mtu=1400,
)


def plan(lease=LEASE, *, parent_mtu=1500, valid_until=None, **settings):
    return plan_for(lease, NetworkSettings(**settings), parent_mtu, valid_until)


def routes(*given, address="192.168.1.222/24", **settings):
    return plan(replace(LEASE, address=IPv4Interface(address), routes=given), **settings).routes


def test_a_plain_lease_gives_its_address_broadcast_default_route_and_mtu() -> None:
    found = plan()
    assert found.address == LEASE.address
    assert found.broadcast == LEASE.broadcast
    assert found.routes == (Route(DEFAULT, GATEWAY),)
    assert found.mtu == 1400
    assert found.metric is None


@pytest.mark.parametrize(
    ("suppressed", "left"),
    [
        (("gateway",), [ELSEWHERE]),
        (("routes",), [DEFAULT]),
        (("gateway", "routes"), []),
        (("dns",), [ELSEWHERE, DEFAULT]),
    ],
)
def test_suppressed_routes_are_left_away_and_no_others(suppressed, left) -> None:
    both = (Route(ELSEWHERE, GATEWAY), Route(DEFAULT, GATEWAY))
    assert [r.destination for r in routes(*both, suppress=suppressed)] == left


def test_a_suppressed_mtu_leaves_the_link_as_it_is() -> None:
    assert plan(suppress=("mtu",)).mtu is None


def test_a_suppressed_broadcast_address_is_the_subnets_own() -> None:
    odd = replace(LEASE, broadcast=IPv4Address("192.168.1.0"))
    assert plan(odd).broadcast == IPv4Address("192.168.1.0")
    assert plan(odd, suppress=("broadcast",)).broadcast == IPv4Address("192.168.1.255")


def test_a_broadcast_address_outside_of_the_subnet_is_not_believed() -> None:
    assert plan(replace(LEASE, broadcast=IPv4Address("8.8.8.8"))).broadcast == IPv4Address("192.168.1.255")


@pytest.mark.parametrize("prefix", [31, 32])
def test_a_point_to_point_subnet_has_no_broadcast_address(prefix) -> None:
    lease = replace(LEASE, address=IPv4Interface(f"192.168.1.222/{prefix}"), broadcast=None)
    assert plan(lease).broadcast is None


@pytest.mark.parametrize(
    ("given", "parent", "found"),
    [(67, 1500, None), (68, 1500, 68), (9000, 1500, 1500), (9000, None, 9000), (None, 1500, None)],
)
def test_the_mtu_is_never_below_68_and_never_above_the_parents(given, parent, found) -> None:
    assert plan(replace(LEASE, mtu=given), parent_mtu=parent).mtu == found


def test_the_metric_is_the_administrators() -> None:
    assert plan(metric=50).metric == 50


def test_a_gateway_outside_of_the_subnet_is_reached_by_a_route_of_its_own_first() -> None:
    assert routes(Route(DEFAULT, GATEWAY), address="10.1.1.5/32") == (
        Route(IPv4Network("192.168.1.1/32")),
        Route(DEFAULT, GATEWAY),
    )


def test_a_gateway_behind_an_on_link_route_of_the_server_needs_no_other() -> None:
    on_link = Route(IPv4Network("172.16.0.0/16"))
    behind = Route(DEFAULT, IPv4Address("172.16.0.1"))
    assert routes(on_link, behind) == (on_link, behind)


def test_the_servers_own_route_to_the_gateway_is_not_doubled() -> None:
    to_gateway = Route(IPv4Network("192.168.1.1/32"))
    assert routes(to_gateway, Route(DEFAULT, GATEWAY), address="10.1.1.5/32") == (
        to_gateway,
        Route(DEFAULT, GATEWAY),
    )


def test_two_gateways_outside_of_the_subnet_share_one_host_route() -> None:
    found = routes(Route(ELSEWHERE, GATEWAY), Route(DEFAULT, GATEWAY), address="172.16.0.5/32")
    assert [r.destination for r in found] == [IPv4Network("192.168.1.1/32"), ELSEWHERE, DEFAULT]


@pytest.mark.parametrize("gateway", ["192.168.1.222", "0.0.0.0"])
def test_a_gateway_that_is_ourselves_or_nobody_means_on_the_link(gateway) -> None:
    assert routes(Route(DEFAULT, IPv4Address(gateway))) == (Route(DEFAULT, None),)


def test_the_connected_route_is_left_to_the_kernel() -> None:
    assert routes(Route(IPv4Network("192.168.1.0/24"))) == ()


def test_the_first_of_two_routes_to_one_destination_wins() -> None:
    second = Route(DEFAULT, IPv4Address("192.168.1.2"))
    assert routes(Route(DEFAULT, GATEWAY), second) == (Route(DEFAULT, GATEWAY),)


@pytest.mark.parametrize(("given", "found"), [(None, None), (math.inf, None), (123.5, 123.5)])
def test_an_address_ends_with_its_lease_and_an_infinite_one_never(given, found) -> None:
    assert plan(valid_until=given).valid_until == found


def test_a_renewed_lease_is_another_plan_even_when_nothing_else_changed() -> None:
    assert plan(valid_until=100.0) != plan(valid_until=200.0)
