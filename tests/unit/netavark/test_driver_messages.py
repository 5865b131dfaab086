"""netavark's JSON, read and written."""

import json
from ipaddress import IPv4Address

import pytest
from driver_calls import CONTAINER, NETNS, network, setup_document
from hypothesis import given
from hypothesis import strategies as st

from hooknet.errors import HooknetError, Kind
from hooknet.model import AttachmentKey
from hooknet.netavark.driver import (
    Interface,
    explicit_aliases,
    explicit_hostname,
    is_driver_call,
    netns_of,
    read_create,
    read_setup,
    read_teardown,
    render_setup,
    verb_of,
)


def setup(**changes):
    return read_setup(json.dumps(setup_document(**changes)).encode(), NETNS)


def create(**changes):
    return read_create(json.dumps(network(**changes)).encode())


def refused(work, *args, **changes):
    with pytest.raises(HooknetError) as caught:
        work(*args, **changes)
    assert caught.value.kind is Kind.BAD_CONFIG
    return str(caught.value)


def test_create_changes_nothing_but_who_gives_addresses_and_names():
    answer, wanted = create()
    assert answer == network(dns_enabled=False, ipam_options={"driver": "dhcp"})
    assert wanted.parent == "eth0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrik": "1"}, "did you mean 'metric'?"),
        ({"metric": "much"}, "expected a whole number"),
        ({"suppress": "gateway,dsn"}, "dsn"),
        ({"mode": "l3"}, "one of bridge, private, vepa, passthru"),
        ({"mtu": "70000"}, "up to 65535"),
        ({"mtu": "-1"}, "up to 65535"),
        ({"fqdn": "perhaps"}, "true or false"),
        ({"lease_time": "soon"}, "a duration such as"),
        ({"timeout": "1h"}, "1 to 300 seconds"),
        ({"parent": "a/b"}, "no interface's name"),
        ({"parent": "eth0", "master": "eth1"}, "eth0 and as eth1"),
        ({"parent": 5}, "no text"),
    ],
)
def test_wrong_options_are_refused_with_the_networks_name_and_the_remedy(options, said):
    text = refused(create, options=options)
    assert said in text
    assert "network lan" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subnets": [{"subnet": "10.0.0.0/24"}]}, "--subnet"),
        ({"routes": [{"destination": "10.0.0.0/8", "gateway": "10.1.1.1"}]}, "--route"),
        ({"internal": True}, "suppress=gateway,routes"),
        ({"ipv6_enabled": True}, "IPv4"),
        ({"ipam_options": {"driver": "host-local"}}, "--ipam-driver host-local"),
    ],
)
def test_what_a_lan_has_not_is_refused_in_words(changes, said):
    assert said in refused(create, **changes)


def test_every_setting_of_a_network_can_be_an_option_with_dashes_or_underscores():
    given = {
        "acd": "strict",
        "client-id": "mac",
        "identity_scope": "fleet",
        "suppress": "dns, mtu",
        "metric": "50",
        "lease-time": "10m",
        "user_class": "a,b",
        "send_hostname": "false",
        "allow_servers": "10.0.0.1/32",
    }
    _, wanted = create(options={"parent": "eth0", "mtu": "1400", "bcqueuelen": "10", "mode": "vepa"} | given)
    assert (wanted.mtu, wanted.bcqueuelen, wanted.mode) == (1400, 10, "vepa")
    assert wanted.settings == {
        "acd": "strict",
        "client_id": "mac",
        "identity_scope": "fleet",
        "suppress": ["dns", "mtu"],
        "metric": 50,
        "lease_time": "10m",
        "user_class": ["a", "b"],
        "send_hostname": False,
        "allow_servers": ["10.0.0.1/32"],
    }


def test_the_networks_interface_name_is_the_parent_too():
    assert create(options={}, network_interface="eth3")[1].parent == "eth3"


def test_setup_says_whose_interface_it_is():
    asked = setup()
    assert asked.key == AttachmentKey(CONTAINER, "eth0", "lan")
    assert (asked.netns, asked.container_name, asked.options.parent) == (NETNS, "web", "eth0")
    assert (asked.mac, asked.address, asked.hostname, asked.l2_only) == (None, None, None, False)


def test_a_static_mac_and_address_are_asked_for():
    asked = setup(network_options={"static_mac": "02-00-5E-10-00-01", "static_ips": ["192.0.2.7"]})
    assert (asked.mac, asked.address) == ("02:00:5e:10:00:01", IPv4Address("192.0.2.7"))


@pytest.mark.parametrize("ips", [["192.0.2.7", "192.0.2.8"], ["2001:db8::1"], ["x"]])
def test_addresses_that_dhcp_cant_be_asked_for_are_refused(ips):
    assert "one IPv4 address" in refused(setup, network_options={"static_ips": ips})


def test_without_addresses_there_is_none_to_ask_for():
    changes = {"ipam_options": {"driver": "none"}}
    assert setup(**changes).l2_only
    assert "nobody gives addresses" in refused(
        setup, network_options={"static_ips": ["192.0.2.7"]}, **changes
    )


@pytest.mark.parametrize(
    ("aliases", "hostname"),
    [
        ([CONTAINER[:12]], None),
        ([CONTAINER[:12], "shop"], "shop"),
        (["db", CONTAINER[:12], "shop"], "shop"),
        (["db", "shop"], None),
        ([CONTAINER[:12], CONTAINER[:12]], None),
        ([], None),
    ],
)
def test_the_host_name_is_the_alias_behind_the_short_id(aliases, hostname):
    assert explicit_hostname(CONTAINER, aliases) == hostname


@pytest.mark.parametrize(
    ("given", "aliases"),
    [
        ([CONTAINER[:12]], ()),
        (["db", "cache", CONTAINER[:12]], ("db", "cache")),
        (["db", CONTAINER[:12], "shop"], ("db",)),
        ([], ()),
    ],
)
def test_aliases_are_those_that_the_user_gave(given, aliases):
    assert explicit_aliases(CONTAINER, given) == aliases
    assert setup(network_options={"aliases": given}).aliases == aliases


def test_a_containers_own_options_go_before_the_networks():
    asked = setup(network_options={"options": {"metric": "7"}}, options={"parent": "eth0", "metric": "5"})
    assert asked.options.settings["metric"] == 7


def test_teardown_needs_no_valid_options():
    document = setup_document(options={"nonsense": "x"}, network_options={"static_mac": "no"})
    assert read_teardown(json.dumps(document).encode()) == AttachmentKey(CONTAINER, "eth0", "lan")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"network": {"name": "lan"}, "network_options": {"interface_name": "eth0"}}, "container_id"),
        ({"container_id": "c", "network_options": {"interface_name": "eth0"}}, "network's name"),
        ({"container_id": "c", "network": {"name": "lan"}}, "interface_name"),
        ({"container_id": "../c", "network": {"name": "lan"}}, "container_id"),
        ({"container_id": 5}, "container_id"),
    ],
)
def test_what_is_missing_is_named(document, said):
    assert said in refused(read_teardown, json.dumps(document).encode())


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_any_input_is_understood_or_refused(stdin):
    for work in (read_create, read_teardown, lambda raw: read_setup(raw, NETNS)):
        try:
            work(stdin)
        except HooknetError:
            continue


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.none() | st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=5), max_size=2)
            for key in (
                "options",
                "ipam_options",
                "subnets",
                "routes",
                "internal",
                "network_interface",
                "name",
            )
        },
    )
)
def test_any_value_in_a_known_place_is_understood_or_refused(changes):
    for work in (create, setup):
        try:
            work(**changes)
        except HooknetError:
            continue


def test_calls_are_told_from_cnis_by_their_arguments():
    assert is_driver_call(("hooknet", "setup", NETNS), {})
    assert not is_driver_call(("hooknet",), {})
    assert not is_driver_call(("hooknet", "setup"), {"CNI_COMMAND": "ADD"})


@pytest.mark.parametrize("args", [("h", "setup"), ("h", "setup", "relative"), ("h", "setup", "/a", "/b")])
def test_the_netns_must_be_one_path(args):
    with pytest.raises(HooknetError, match="needs the path"):
        netns_of(args)


def test_an_unknown_verb_is_named():
    with pytest.raises(HooknetError, match="'destroy'"):
        verb_of(("hooknet", "destroy"))


def test_the_status_has_what_netavark_reads():
    interface = Interface(
        name="eth0", mac="02:00:00:00:00:01", address="192.0.2.5/24", gateway="192.0.2.1", dns=("192.0.2.1",),
        search=("example",),
    )  # fmt: skip
    assert render_setup(interface) == {
        "dns_search_domains": ["example"],
        "dns_server_ips": ["192.0.2.1"],
        "interfaces": {
            "eth0": {
                "mac_address": "02:00:00:00:00:01",
                "subnets": [{"ipnet": "192.0.2.5/24", "gateway": "192.0.2.1"}],
            }
        },
    }
    bare = render_setup(Interface(name="eth0", mac="02:00:00:00:00:01"))
    assert bare["interfaces"]["eth0"]["subnets"] == []
