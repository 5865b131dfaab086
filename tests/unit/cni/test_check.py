from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

from hooknet.cni.check import addresses_on, complaints, interface_in, routes_through
from hooknet.cni.netconf import Addresses
from hooknet.cni.result import Interface, Ip, Result, Route

NETNS = "/run/netns/1"
HOST = Interface(name="eth0", mac="02:00:00:00:00:99")
OURS = Interface(name="eth0", mac="02:00:00:00:00:01", sandbox=NETNS)
ADDRESS = Ip(address=IPv4Interface("192.0.2.50/24"), interface=1)
GOOD = Result(interfaces=(HOST, OURS), ips=(ADDRESS,))


def judge(result, **changes):
    return complaints(
        result,
        **(
            {"ifname": "eth0", "netns": NETNS, "makes_interface": True, "addresses": Addresses.LEASED}
            | changes
        ),
    )


def test_our_own_result_is_right():
    assert judge(GOOD) == ()


def test_an_interface_of_that_name_on_the_host_is_not_ours():
    assert interface_in(GOOD, "eth0") is OURS
    assert "no interface eth0" in judge(Result(interfaces=(HOST,), ips=(ADDRESS,)))[0]


def test_as_an_ipam_plugin_the_interface_is_somebody_elses():
    assert judge(Result(ips=(ADDRESS,)), makes_interface=False) == ()


def test_another_container_is_noticed():
    (complaint,) = judge(GOOD, netns="/run/netns/2")
    assert NETNS in complaint


def test_a_result_without_an_address_is_noticed_where_one_was_to_be_given():
    bare = Result(interfaces=(OURS,))
    assert judge(bare) == ("prevResult has no IPv4 address",)
    assert judge(bare, addresses=Addresses.DELEGATED) == ("prevResult has no address",)
    assert judge(bare, addresses=Addresses.NONE) == ()


def test_a_lease_is_ipv4_and_another_plugin_may_give_ipv6_alone():
    six = Result(interfaces=(OURS,), ips=(Ip(address=IPv6Interface("2001:db8::10/64"), interface=0),))
    assert judge(six) == ("prevResult has no IPv4 address",)
    assert judge(six, addresses=Addresses.DELEGATED) == ()


def test_a_route_is_ours_when_its_gateway_can_be_reached_by_our_interface():
    ours = Route(destination=ip_network("0.0.0.0/0"), gateway=ip_address("192.0.2.1"))
    on_link = Route(destination=ip_network("203.0.113.9/32"))
    behind = Route(destination=ip_network("10.1.0.0/16"), gateway=ip_address("203.0.113.9"))
    of_another = Route(destination=ip_network("10.2.0.0/16"), gateway=ip_address("198.51.100.1"))
    previous = Result(interfaces=(HOST, OURS), ips=(ADDRESS,), routes=(ours, on_link, behind, of_another))
    assert routes_through(previous, "eth0") == (ours, on_link, behind)


def test_an_address_that_changed_since_the_add_is_no_complaint():
    moved = Result(interfaces=(OURS,), ips=(Ip(address=IPv4Interface("192.0.2.99/24"), interface=0),))
    assert judge(moved) == ()


def test_what_later_plugins_added_is_theirs():
    more = Result(
        interfaces=(*GOOD.interfaces, Interface(name="tun0", sandbox=NETNS)),
        ips=(ADDRESS, Ip(address=IPv4Interface("10.9.9.9/32"), interface=2)),
    )
    assert judge(more) == ()
    assert addresses_on(more, "eth0") == (ADDRESS,)
