"""Golden shapes: what an ADD answers, in every version of the spec."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest
from cni_calls import code_or_none
from hypothesis import given
from hypothesis import strategies as st

from hooknet.cni.compose import for_main_plugin
from hooknet.cni.render import render, render_error, render_versions
from hooknet.cni.result import Dns, Interface, Ip, Result, Route, parse_result
from hooknet.cni.versions import SUPPORTED_VERSIONS
from hooknet.errors import HooknetError, Kind

NETNS = "/run/netns/netns-1"
MAC = "02:00:00:00:00:01"
DNS = Dns(nameservers=("192.0.2.1",), domain="lan.example", search=("lan.example",))
MAIN = Result(
    interfaces=(Interface(name="eth0", mac=MAC, sandbox=NETNS, mtu=1500),),
    ips=(Ip(address=IPv4Interface("192.0.2.50/24"), gateway=IPv4Address("192.0.2.1"), interface=0),),
    routes=(
        Route(destination=IPv4Network("0.0.0.0/0"), gateway=IPv4Address("192.0.2.1"), priority=50),
        Route(destination=IPv4Network("198.51.100.0/24")),
    ),
    dns=DNS,
)
DUAL = Result(
    interfaces=MAIN.interfaces,
    ips=(
        Ip(address=IPv4Interface("192.0.2.50/24"), gateway=IPv4Address("192.0.2.1"), interface=0),
        Ip(address=IPv4Interface("192.0.2.51/24"), interface=0),
        Ip(address=IPv6Interface("2001:db8::5/64"), gateway=IPv6Address("2001:db8::1"), interface=0),
    ),
    routes=(Route(destination=IPv6Network("::/0"), gateway=IPv6Address("2001:db8::1")),),
)
L2_ONLY = Result(interfaces=MAIN.interfaces)

OLD = {
    "ip4": {
        "ip": "192.0.2.50/24",
        "gateway": "192.0.2.1",
        "routes": [{"dst": "0.0.0.0/0", "gw": "192.0.2.1"}, {"dst": "198.51.100.0/24"}],
    },
    "dns": {"nameservers": ["192.0.2.1"], "domain": "lan.example", "search": ["lan.example"]},
}
NEW = {
    "interfaces": [{"name": "eth0", "mac": MAC, "sandbox": NETNS}],
    "ips": [{"interface": 0, "address": "192.0.2.50/24", "gateway": "192.0.2.1"}],
    "routes": OLD["ip4"]["routes"],
    "dns": OLD["dns"],
}
NUMBERED = NEW | {"ips": [{"version": "4", **NEW["ips"][0]}]}
NEWEST = NEW | {
    "interfaces": [NEW["interfaces"][0] | {"mtu": 1500}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "192.0.2.1", "priority": 50}, {"dst": "198.51.100.0/24"}],
}
GOLDEN = {
    "0.1.0": OLD,
    "0.2.0": OLD,
    "0.3.0": NUMBERED,
    "0.3.1": NUMBERED,
    "0.4.0": NUMBERED,
    "1.0.0": NEW,
    "1.1.0": NEWEST,
}
IPAM_ROUTES = [{"dst": "0.0.0.0/0", "gw": "192.0.2.1"}, {"dst": "198.51.100.0/24", "gw": "0.0.0.0"}]
IPAM_OLD = {"ip4": OLD["ip4"] | {"routes": IPAM_ROUTES}, "dns": OLD["dns"]}
IPAM_NEW = {
    "ips": [{"address": "192.0.2.50/24", "gateway": "192.0.2.1"}],
    "routes": IPAM_ROUTES,
    "dns": OLD["dns"],
}
IPAM_NUMBERED = IPAM_NEW | {"ips": [{"version": "4", **IPAM_NEW["ips"][0]}]}
IPAM_NEWEST = IPAM_NEW | {"routes": [IPAM_ROUTES[0] | {"priority": 50}, IPAM_ROUTES[1]]}
IPAM_GOLDEN = {
    "0.1.0": IPAM_OLD,
    "0.2.0": IPAM_OLD,
    "0.3.0": IPAM_NUMBERED,
    "0.3.1": IPAM_NUMBERED,
    "0.4.0": IPAM_NUMBERED,
    "1.0.0": IPAM_NEW,
    "1.1.0": IPAM_NEWEST,
}


def test_there_is_a_golden_shape_for_every_version():
    assert tuple(GOLDEN) == tuple(IPAM_GOLDEN) == SUPPORTED_VERSIONS


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_a_main_plugins_result_has_the_shape_of_its_version(version):
    assert render(MAIN, version) == {"cniVersion": version} | GOLDEN[version]


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_an_ipam_plugins_result_has_no_interfaces(version):
    assert render(for_main_plugin(MAIN), version) == {"cniVersion": version} | IPAM_GOLDEN[version]


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_an_l2_only_result_has_no_addresses(version):
    shape = {"cniVersion": version, "dns": {}}
    if version >= "0.3.0":
        interface = {"name": "eth0", "mac": MAC, "sandbox": NETNS}
        shape["interfaces"] = [interface | ({"mtu": 1500} if version == "1.1.0" else {})]
    assert render(L2_ONLY, version) == shape


def test_both_families_are_told_in_the_old_shape_by_their_first_address():
    assert render(DUAL, "0.2.0") == {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "192.0.2.50/24", "gateway": "192.0.2.1"},
        "ip6": {
            "ip": "2001:db8::5/64",
            "gateway": "2001:db8::1",
            "routes": [{"dst": "::/0", "gw": "2001:db8::1"}],
        },
        "dns": {},
    }


def test_both_families_are_numbered_before_1_0_0():
    versions = [ip["version"] for ip in render(DUAL, "0.4.0")["ips"]]
    assert versions == ["4", "4", "6"]


def test_an_interface_without_a_mac_says_nothing_of_it():
    result = Result(interfaces=(Interface(name="eth0"),))
    assert render(result, "1.0.0")["interfaces"] == [{"name": "eth0"}]


def test_everything_of_1_1_0_survives_being_read_and_rendered():
    data = {
        "cniVersion": "1.1.0",
        "interfaces": [
            {
                "name": "eth0",
                "mac": MAC,
                "sandbox": NETNS,
                "mtu": 9000,
                "socketPath": "/run/x",
                "pciID": "0000:00:1f.6",
            }
        ],
        "ips": [{"interface": 0, "address": "192.0.2.50/24", "gateway": "192.0.2.1"}],
        "routes": [
            {
                "dst": "0.0.0.0/0",
                "gw": "192.0.2.1",
                "mtu": 1400,
                "advmss": 1300,
                "priority": 0,
                "table": 100,
                "scope": 0,
            }
        ],
        "dns": {"nameservers": ["192.0.2.1"], "domain": "d", "search": ["s"], "options": ["o"]},
    }
    assert render(parse_result(data, "1.1.0", "prevResult"), "1.1.0") == data


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
@pytest.mark.parametrize("result", [MAIN, DUAL, L2_ONLY])
def test_a_result_that_is_read_back_renders_the_same(version, result):
    shape = render(result, version)
    assert render(parse_result(shape, version, "prevResult"), version) == shape


def test_a_result_is_read_in_its_own_version_before_the_configurations():
    shape = render(MAIN, "0.2.0")
    assert parse_result(shape, "1.1.0", "prevResult").ips[0].address == IPv4Interface("192.0.2.50/24")
    del shape["cniVersion"]
    assert parse_result(shape, "0.2.0", "prevResult").ips[0].gateway == IPv4Address("192.0.2.1")


@pytest.mark.parametrize("index", [-1, 1, 99])
def test_an_index_that_points_nowhere_counts_as_none(index):
    data = {"interfaces": [{"name": "eth0"}], "ips": [{"interface": index, "address": "192.0.2.5/24"}]}
    assert parse_result(data, "1.0.0", "prevResult").ips[0].interface is None


@pytest.mark.parametrize(
    "data",
    [
        {"ips": [{}]},
        {"ips": [{"address": "300.0.0.1/24"}]},
        {"ips": {"address": "192.0.2.1/24"}},
        {"ips": ["192.0.2.1/24"]},
        {"ips": [{"address": "192.0.2.1/24", "gateway": "x"}]},
        {"interfaces": [{}]},
        {"interfaces": [{"name": "eth0", "mtu": "1500"}]},
        {"routes": [{"gw": "192.0.2.1"}]},
        {"routes": [{"dst": "192.0.2.0/24", "scope": 256}]},
        {"dns": {"search": "lan"}},
        {"cniVersion": "0.2.0", "ip4": {}},
        {"cniVersion": "0.2.0", "ip4": {"ip": 7}},
    ],
)
def test_a_broken_result_is_a_configuration_error_that_names_the_place(data):
    with pytest.raises(HooknetError, match="prevResult") as caught:
        parse_result(data, "1.0.0", "prevResult")
    assert caught.value.code == 7


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "interfaces",
                        "ips",
                        "routes",
                        "dns",
                        "ip4",
                        "ip6",
                        "ip",
                        "address",
                        "gateway",
                        "dst",
                        "gw",
                        "name",
                        "mtu",
                        "interface",
                        "cniVersion",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
    )
)
def test_any_document_is_a_result_or_a_hooknet_error(data):
    if not isinstance(data, dict):
        data = {"ips": data}
    assert code_or_none(parse_result, data, "1.0.0", "prevResult") in {None, 1, 7}


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_an_error_says_what_why_and_what_to_do(version):
    error = HooknetError(Kind.NO_LEASE, "no server", details="none answered", hint="look")
    assert render_error(error, version) == {
        "cniVersion": version,
        "code": 11,
        "msg": "no server",
        "details": "none answered; look",
    }


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_version_answers_in_the_version_that_was_asked_in(version):
    assert render_versions(version) == {"cniVersion": version, "supportedVersions": list(SUPPORTED_VERSIONS)}


@pytest.mark.parametrize("asked", [None, "9.9.9", 7, [], ""])
def test_version_answers_in_our_newest_otherwise(asked):
    assert render_versions(asked)["cniVersion"] == "1.1.0"
