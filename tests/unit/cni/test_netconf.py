import json
from ipaddress import IPv4Address

import pytest
from cni_calls import NETNS, OURS, SEED, conf, env, request

from hooknet.cni.dialects import SETTINGS
from hooknet.cni.netconf import Addresses, Role
from hooknet.cni.request import parse
from hooknet.config import NetworkSettings
from hooknet.dhcp.compose import PROTOCOL
from hooknet.dhcp.options import Code
from hooknet.errors import HooknetError

BRIDGE = {"cniVersion": "1.0.0", "name": "br", "type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}
IPVLAN = {
    "cniVersion": "1.0.0",
    "name": "iv",
    "type": "ipvlan",
    "master": "eth0",
    "ipam": {"type": "hooknet"},
}


def refused(*args, **kwargs):
    with pytest.raises(HooknetError) as caught:
        conf(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("plugin", "kind", "ipam", "role"),
    [
        ("hooknet", "hooknet", None, Role.MAIN),
        ("hooknet", "hooknet", "hooknet", Role.MAIN),
        ("hooknet", "hooknet", "dhcp", Role.MAIN),
        ("hooknet", "bridge", "hooknet", Role.IPAM),
        ("hooknet", "macvlan", "hooknet", Role.IPAM),
        ("macvlan", "macvlan", "dhcp", Role.MAIN),
        ("macvlan", "macvlan", "hooknet", Role.MAIN),
        ("dhcp", "macvlan", "dhcp", Role.IPAM),
        ("dhcp", "bridge", "dhcp", Role.IPAM),
    ],
)
def test_the_name_that_is_run_and_the_document_tell_the_role(plugin, kind, ipam, role):
    found = conf(plugin=plugin, type=kind, ipam=None if ipam is None else {"type": ipam})
    assert (found.role, found.addresses) == (role, Addresses.LEASED)


def test_a_document_without_a_place_for_us_is_refused():
    assert refused(type="bridge", ipam={"type": "host-local"}).code == 7


@pytest.mark.parametrize(
    ("plugin", "ipam", "addresses"),
    [
        ("hooknet", None, Addresses.LEASED),
        ("hooknet", {}, Addresses.NONE),
        ("hooknet", {"type": ""}, Addresses.NONE),
        ("hooknet", {"metric": 5}, Addresses.LEASED),
        ("macvlan", None, Addresses.NONE),
        ("macvlan", {}, Addresses.NONE),
        ("macvlan", {"type": "dhcp"}, Addresses.LEASED),
    ],
)
def test_who_gives_no_address_is_l2_only(plugin, ipam, addresses):
    assert conf(plugin=plugin, type=plugin, ipam=ipam).addresses is addresses


@pytest.mark.parametrize("plugin", ["hooknet", "macvlan"])
@pytest.mark.parametrize("ipam", ["host-local", "static", "whereabouts"])
def test_another_ipam_plugin_is_delegated_to(plugin, ipam):
    found = conf(plugin=plugin, type=plugin, ipam={"type": ipam, "subnet": "10.0.0.0/24"})
    assert (found.addresses, found.delegate) == (Addresses.DELEGATED, ipam)
    assert found.requested_address is None


@pytest.mark.parametrize("ipam", ["../evil", "a/b", "macvlan", 7])
def test_what_is_no_ipam_plugin_is_refused(ipam):
    assert refused(ipam={"type": ipam}).code == 7


# macvlan's keys


def test_the_seed_conflist_is_understood():
    found = conf(SEED, plugin="macvlan")
    assert (found.parent, found.mode, found.mtu, found.mac) == ("enp0s31f6", "bridge", None, None)


def test_every_key_of_the_references_macvlan_is_understood():
    found = conf(mode="vepa", mtu=1400, mac="02:AA:bb:00:00:01", linkInContainer=True, bcqueuelen=2000)
    assert (found.mode, found.mtu, found.mac) == ("vepa", 1400, "02:aa:bb:00:00:01")
    assert (found.link_in_container, found.bcqueuelen) == (True, 2000)


def test_without_a_master_the_parent_is_the_default_routes():
    assert conf(master=None).parent is None
    assert conf(master="").parent is None


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_the_four_modes(mode):
    assert conf(mode=mode).mode == mode


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "l3"},
        {"mode": 1},
        {"mtu": -1},
        {"mtu": "1500"},
        {"mtu": True},
        {"mtu": 65536},
        {"master": "a/b"},
        {"master": "x" * 16},
        {"mac": "02:00"},
        {"mac": "01:00:00:00:00:00"},
        {"mac": "00:00:00:00:00:00"},
        {"linkInContainer": "yes"},
        {"bcqueuelen": -1},
        {"bcqueuelen": 1 << 32},
        {"ipam": []},
        {"dns": {"nameservers": [1]}},
        {"runtimeConfig": []},
        {"prevResult": {"ips": [{"address": "x"}]}},
        {"acd": "always"},
        {"timeout": 10**9},
        {"client_id": "zz"},
    ],
)
def test_a_bad_value_is_code_7_and_says_what_to_give(changes):
    error = refused(**changes)
    assert error.code == 7
    assert error.message
    assert error.hint


def test_an_mtu_of_zero_is_the_parents():
    assert conf(mtu=0).mtu is None


@pytest.mark.parametrize("text", ["02:00:5E:10:00:01", "02-00-5e-10-00-01", "0200.5e10.0001"])
def test_a_mac_may_be_written_in_three_ways(text):
    assert conf(mac=text).mac == "02:00:5e:10:00:01"


def test_the_mac_of_the_runtime_goes_before_args_and_these_before_the_configuration():
    in_conf, in_args, at_runtime = (f"02:00:00:00:00:0{i}" for i in (1, 2, 3))
    args = env(args=f"MAC={in_args}")
    assert conf(mac=in_conf).mac == in_conf
    assert conf(mac=in_conf, environment=args).mac == in_args
    assert conf(mac=in_conf, environment=args, runtimeConfig={"mac": at_runtime}).mac == at_runtime
    assert conf(mac=in_conf, environment=args, runtimeConfig={"mac": ""}).mac == in_args


def test_the_dns_of_the_runtime_goes_before_the_configurations():
    found = conf(
        dns={"nameservers": ["192.0.2.1"], "domain": "lan.example", "search": ["a"], "options": ["ndots:2"]},
        runtimeConfig={"dns": {"servers": ["192.0.2.2"], "searches": ["b"]}},
    ).dns
    assert (found.nameservers, found.search) == (("192.0.2.2",), ("b",))
    assert (found.domain, found.options) == ("lan.example", ("ndots:2",))


# the address that the runtime wants


def test_aliases_are_those_of_this_network():
    told = {"aliases": {"lan": ["db", "c0ffee000000"], "other": ["x"]}}
    assert conf(runtimeConfig=told).aliases == ("db", "c0ffee000000")
    assert conf().aliases == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": env(args="IP=192.0.2.7")},
        {"runtimeConfig": {"ips": ["192.0.2.7/24"]}},
        {"args": {"cni": {"ips": ["192.0.2.7"]}}},
        {"runtimeConfig": {"ips": ["192.0.2.7"]}, "environment": env(args="IP=192.0.2.8")},
    ],
)
def test_the_runtime_may_ask_for_an_address(changes):
    assert conf(**changes).requested_address == IPv4Address("192.0.2.7")


@pytest.mark.parametrize("ips", [["192.0.2.7", "192.0.2.8"], ["fe80::1"], ["192.0.2.7", "fe80::1"]])
def test_addresses_that_no_server_grants_are_an_unsupported_field_and_named(ips):
    error = refused(runtimeConfig={"ips": ips})
    assert error.code == 2
    assert f"runtimeConfig.ips asks for {', '.join(ips)}" in error.message


def test_an_address_that_is_none_is_a_bad_configuration():
    assert refused(runtimeConfig={"ips": ["x"]}).code == 7


def test_on_an_l2_only_network_nobody_asks_for_an_address():
    assert conf(ipam={}, environment=env(args="IP=192.0.2.7")).requested_address is None


# dhcp's keys


def test_options_are_provided_by_name_and_number_as_raw_bytes():
    provide = [
        {"option": "user-class", "value": "kiosk"},
        {"option": "dhcp-client-identifier", "value": "abc"},
        {"option": "224", "value": "x"},
        {"option": 225, "value": "y"},
        {"option": "vendor-class-identifier", "fromArg": "VENDOR", "value": "default"},
        {"option": "227", "value": ""},
    ]
    found = conf(ipam={"type": "dhcp", "provide": provide}, environment=env(args="VENDOR=acme"))
    assert found.options.provided == {77: b"kiosk", 61: b"abc", 224: b"x", 225: b"y", 60: b"acme"}


def test_a_provided_host_name_is_the_attachments_unless_set_otherwise():
    provide = [{"option": "host-name", "value": "box"}]
    assert conf(ipam={"type": "dhcp", "provide": provide}).settings["hostname"] == "box"
    explicit = conf(ipam={"type": "dhcp", "provide": provide, "hostname": "other"})
    assert explicit.settings["hostname"] == "other"


def test_requested_options_come_on_top_of_the_defaults():
    found = conf(ipam={"type": "dhcp", "request": [{"option": "routers"}, {"option": "42"}, {"option": 42}]})
    assert (found.options.requested, found.options.skipped) == ((3, 42), ())


def test_skip_default_asks_for_nothing_else():
    found = conf(ipam={"type": "dhcp", "request": [{"option": "3"}, {"option": "6", "skipDefault": True}]})
    assert found.options.requested == (3, 6)
    assert set(found.options.skipped) == set(range(1, 255)) - {3, 6}


@pytest.mark.parametrize("option", ["domain", "0", "255", "999", 0, 255, True, None, [], "٣"])
@pytest.mark.parametrize("key", ["provide", "request"])
def test_an_option_that_does_not_exist_is_refused(key, option):
    entry = {"option": option, "value": "x"}
    if key == "request" and option is None:
        assert conf(ipam={"type": "dhcp", "request": [entry]}).options.requested == ()
    else:
        assert refused(ipam={"type": "dhcp", key: [entry]}).code == 7


@pytest.mark.parametrize("option", sorted(PROTOCOL - {Code.PAD, Code.CLIENT_ID}))
def test_what_the_client_would_refuse_to_send_can_not_be_provided(option):
    assert refused(ipam={"type": "dhcp", "provide": [{"option": int(option), "value": "x"}]}).hint


def test_an_option_longer_than_an_option_can_be_is_refused():
    assert refused(ipam={"type": "dhcp", "provide": [{"option": 224, "value": "x" * 256}]}).code == 7


def test_priority_is_the_metric():
    assert conf(ipam={"type": "dhcp", "priority": 50}).settings == {"metric": 50}
    assert conf(ipam={"type": "dhcp", "priority": 50, "metric": 7}).settings == {"metric": 7}


# our settings


def test_settings_stand_beside_type_or_in_ipam_and_ipam_wins():
    found = conf(metric=5, timeout="5s", ipam={"type": "hooknet", "metric": 7, "suppress": ["gateway"]})
    assert found.settings == {"metric": 7, "timeout": "5s", "suppress": ["gateway"]}


def test_every_setting_of_a_network_is_known_by_its_exact_name():
    assert set(SETTINGS) == set(NetworkSettings.__dataclass_fields__)


def test_another_ipam_plugins_section_is_not_ours():
    found = conf(ipam={"type": "host-local", "metric": "x", "provide": 7}, timeout=5)
    assert found.settings == {"timeout": 5}


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ({"leaseTime": 60}, "lease_time"),
        ({"lease-time": 60}, "lease_time"),
        ({"Master": "eth0"}, "master"),
        ({"ipam": {"type": "hooknet", "supress": []}}, "suppress"),
        ({"ipam": {"type": "dhcp", "requests": []}}, "request"),
    ],
)
def test_a_key_that_is_nearly_ours_is_warned_about_and_ignored(changes, meant):
    (warning,) = conf(**changes).warnings
    assert f"did you mean {meant}?" in warning


@pytest.mark.parametrize("key", ["promiscMode", "labels", "x", "capabilities", "cni.dev/anything", "vlan"])
def test_a_key_of_somebody_else_is_no_business_of_ours(key):
    assert conf(**{key: {}}).warnings == ()


def test_under_another_main_plugin_its_keys_are_not_compared():
    assert conf(BRIDGE, Mode="x", masster=1).warnings == ()


# under other main plugins


def test_under_bridge_the_parent_is_the_bridge():
    assert conf(BRIDGE).parent == "br0"
    assert conf(BRIDGE, bridge=None).parent == "cni0"
    previous = {"interfaces": [{"name": "br7"}, {"name": "eth0", "sandbox": NETNS}]}
    assert conf(BRIDGE, bridge=None, prevResult=previous).parent == "br7"


def test_under_bridge_the_link_is_not_ours_and_its_mode_is_not_looked_at():
    found = conf(BRIDGE, mode="whatever", mtu="odd", linkInContainer="odd", bcqueuelen="odd")
    assert (found.role, found.mtu, found.link_in_container) == (Role.IPAM, None, False)


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan", "vlan"])
def test_a_main_plugins_link_in_the_container_has_its_parent_there(kind):
    found = conf(type=kind, linkInContainer=True, ipam={"type": "hooknet"})
    assert (found.role, found.link_in_container) == (Role.IPAM, True)


def test_under_ipvlan_replies_are_broadcast_and_no_mac_is_chosen():
    found = conf(IPVLAN, environment=env(args="MAC=02:00:00:00:00:01"))
    assert (found.settings, found.mac, found.parent) == ({"broadcast": True}, None, "eth0")
    assert conf(IPVLAN, ipam={"type": "hooknet", "broadcast": False}).settings == {"broadcast": False}


def test_under_ipvlan_the_parent_may_come_from_the_chain():
    assert conf(IPVLAN, master=None, prevResult={"interfaces": [{"name": "bond0"}]}).parent == "bond0"
    assert conf(IPVLAN, master=None).parent is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": "l3"}, 'mode "l3"'),
        ({"mode": "l3s"}, 'mode "l3s"'),
        ({"ipam": {"type": "hooknet", "client_id": "mac"}}, 'client_id "mac"'),
    ],
)
def test_what_can_not_work_under_ipvlan_is_an_unsupported_field_and_named(changes, named):
    error = refused(IPVLAN, **changes)
    assert error.code == 2
    assert named in error.message
    assert error.details


def test_a_chain_before_us_is_read():
    found = request(
        prevResult={"cniVersion": "1.0.0", "dns": {"nameservers": ["192.0.2.9"]}}
    ).wanted.prev_result
    assert found is not None
    assert found.dns.nameservers == ("192.0.2.9",)


def test_a_null_is_the_same_as_nothing():
    keys = ("master", "mode", "mtu", "mac", "dns", "prevResult", "runtimeConfig", "args", "metric", "ipam")
    document = OURS | dict.fromkeys(keys)
    found = parse("hooknet", env(), json.dumps(document).encode()).wanted
    assert found == conf(master=None)
    ipam = {"type": "dhcp", **dict.fromkeys(("provide", "request", "priority", "suppress"))}
    assert conf(ipam=ipam) == conf(ipam={"type": "dhcp"})
