from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hooknet.cni.compose import after, for_main_plugin, from_delegate, from_lease, lease_routes, without_lease
from hooknet.cni.result import Dns, Interface, Ip, Result, Route
from hooknet.config import NetworkSettings
from hooknet.kernel.plan import plan_for
from hooknet.model import Route as LeaseRoute
from hooknet.testing import make_lease

ETH0 = Interface(name="eth0", mac="02:00:00:00:00:01", sandbox="/run/netns/1", mtu=1500)
PLAIN = NetworkSettings()
NO_DNS = Dns()


def route(destination, gateway=None):
    return LeaseRoute(IPv4Network(destination), None if gateway is None else IPv4Address(gateway))


def test_a_lease_becomes_address_gateway_routes_and_dns():
    result = from_lease(make_lease(), PLAIN, NO_DNS, ETH0)
    assert result.interfaces == (ETH0,)
    assert result.ips == (
        Ip(address=IPv4Interface("192.0.2.50/24"), gateway=IPv4Address("192.0.2.1"), interface=0),
    )
    assert result.routes == (Route(destination=IPv4Network("0.0.0.0/0"), gateway=IPv4Address("192.0.2.1")),)
    assert result.dns == Dns(nameservers=("192.0.2.1",), domain="lan.example", search=("lan.example",))


def test_an_ipam_plugins_result_points_at_no_interface():
    result = for_main_plugin(from_lease(make_lease(), PLAIN, NO_DNS, ETH0))
    assert (result.interfaces, result.ips[0].interface) == ((), None)


def test_a_search_list_goes_before_the_domain():
    result = from_lease(make_lease(search=("a.example", "b.example")), PLAIN, NO_DNS, ETH0)
    assert result.dns.search == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("suppressed", "gone"),
    [
        (
            "gateway",
            lambda r: (
                r.ips[0].gateway is None
                and r.routes
                == (Route(destination=IPv4Network("198.51.100.0/24"), gateway=IPv4Address("192.0.2.2")),)
            ),
        ),
        ("routes", lambda r: [x.destination.prefixlen for x in r.routes] == [0]),
        ("dns", lambda r: r.dns.nameservers == ()),
        ("domain", lambda r: (r.dns.domain, r.dns.search) == ("", ())),
        ("search", lambda r: (r.dns.domain, r.dns.search) == ("lan.example", ())),
    ],
)
def test_what_is_suppressed_is_left_out(suppressed, gone):
    lease = make_lease(routes=(route("0.0.0.0/0", "192.0.2.1"), route("198.51.100.0/24", "192.0.2.2")))
    before = from_lease(lease, PLAIN, NO_DNS, ETH0)
    assert not gone(before)
    assert gone(from_lease(lease, NetworkSettings(suppress=(suppressed,)), NO_DNS, ETH0))


def test_the_metric_is_the_priority_of_every_route():
    result = from_lease(make_lease(), NetworkSettings(metric=77), NO_DNS, ETH0)
    assert [found.priority for found in result.routes] == [77]


def test_the_configurations_dns_goes_before_the_leases():
    result = from_lease(make_lease(), PLAIN, Dns(nameservers=("9.9.9.9",), options=("ndots:1",)), ETH0)
    assert result.dns == Dns(
        nameservers=("9.9.9.9",), domain="lan.example", search=("lan.example",), options=("ndots:1",)
    )


def test_option_121_without_a_default_route_gives_no_gateway():
    lease = make_lease(routes=(route("198.51.100.0/24", "192.0.2.2"),))
    assert from_lease(lease, PLAIN, NO_DNS, ETH0).ips[0].gateway is None


def test_a_gateway_outside_of_the_subnet_is_reached_on_the_link_first():
    lease = make_lease(address="192.0.2.50/32")
    assert lease_routes(lease, PLAIN) == (route("192.0.2.1/32"), route("0.0.0.0/0", "192.0.2.1"))


ADDRESSES = st.integers(min_value=0xC0000200, max_value=0xC00002FF).map(IPv4Address)
NETWORKS = st.tuples(ADDRESSES, st.sampled_from([0, 8, 24, 28, 32])).map(
    lambda p: IPv4Network(p, strict=False)
)
ROUTES = st.lists(
    st.builds(LeaseRoute, NETWORKS, st.none() | ADDRESSES | st.just(IPv4Address(0))), max_size=5
)
LEASES = st.builds(
    lambda address, prefix, routes: make_lease(address=f"{address}/{prefix}", routes=tuple(routes)),
    ADDRESSES,
    st.sampled_from([24, 28, 32]),
    ROUTES,
)


ROUNDABOUT = make_lease(
    address="192.0.2.2/32",
    routes=(route("192.0.2.1/32", "192.0.2.0"), route("0.0.0.0/0", "192.0.2.1")),
)
"""The way to the gateway leads through another gateway: Linux takes no such next hop."""


@example(ROUNDABOUT, ())
@given(LEASES, st.sampled_from([(), ("gateway",), ("routes",), ("gateway", "routes")]))
def test_the_runtime_is_told_the_routes_that_the_interface_gets(lease, suppress):
    settings = NetworkSettings(suppress=suppress)
    assert lease_routes(lease, settings) == plan_for(lease, settings, 1500).routes


def test_an_l2_only_result_is_an_interface():
    assert without_lease(ETH0, NO_DNS) == Result(interfaces=(ETH0,))


def test_a_delegates_addresses_go_to_our_interface():
    delegate = Result(ips=(Ip(address=IPv4Interface("10.0.0.2/24")),), dns=Dns(nameservers=("10.0.0.1",)))
    result = from_delegate(delegate, ETH0, NO_DNS)
    assert (result.interfaces, result.ips[0].interface) == ((ETH0,), 0)
    assert result.dns.nameservers == ("10.0.0.1",)


def test_a_chain_goes_on_behind_what_came_before():
    veth, host = Interface(name="veth1"), Interface(name="net0", sandbox="/run/netns/1")
    before = Result(
        interfaces=(veth, host),
        ips=(Ip(address=IPv4Interface("10.0.0.2/24"), interface=1),),
        dns=Dns(nameservers=("10.0.0.1",), domain="before"),
    )
    result = after(before, from_lease(make_lease(domain=None), PLAIN, NO_DNS, ETH0))
    assert result.interfaces == (veth, host, ETH0)
    assert [ip.interface for ip in result.ips] == [1, 2]
    assert (result.dns.nameservers, result.dns.domain) == (("192.0.2.1",), "before")


def test_without_a_chain_the_result_is_ours():
    ours = without_lease(ETH0, NO_DNS)
    assert after(None, ours) is ours
