"""`[plugins.dns]`: what its settings come to, network by network, and what is said of those that can't work."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import hooknet
from hooknet.testing.plugins import PluginHarness
from hooknet_dns import make_plugin
from hooknet_dns.keys import KeySource
from hooknet_dns.settings import Config, NetworkConfig, Policies, Server, Upstream, ttl

GOOD: dict[str, Any] = {"name": "{name}.{network}.lan.example", "servers": ("192.0.2.53",), "key_file": "/k"}
KEY = KeySource(Path("/k"))


def policies(**settings: Any) -> Policies:
    networks = {name: NetworkConfig(**own) for name, own in settings.pop("networks", {}).items()}
    return Policies.of(Config(**{**GOOD, **settings}, networks=networks))


def test_a_name_a_server_and_a_key_are_enough() -> None:
    policy = policies().get("whatever")
    assert policy is not None
    assert (policy.mode, policy.zone, policy.reverse_zone) == ("update", "lan.example", None)
    assert policy.forward == policy.reverse == Upstream((Server("192.0.2.53", 53),), KEY)


def test_a_network_replaces_single_settings() -> None:
    made = policies(
        networks={"guests": {"servers": ("192.0.2.54",), "reverse": False}, "quiet": {"mode": "off"}}
    )
    guests, others = made.get("guests"), made.get("lan")
    assert guests is not None
    assert others is not None
    assert guests.forward == Upstream((Server("192.0.2.54"),), KEY)
    assert guests.reverse is None
    assert others.forward.servers == (Server("192.0.2.53"),)
    assert made.get("quiet") is None


def test_a_networks_own_name_brings_its_own_zone_and_its_own_key_place() -> None:
    own = {"name": "{name}.guests.example", "key_credential": "guests-key", "key": "g"}
    policy = policies(zone="lan.example", networks={"guests": own}).get("guests")
    assert policy is not None
    assert policy.zone == "guests.example"
    assert policy.forward.key == KeySource(credential="guests-key", key="g")


def test_only_some_networks_may_be_named_at_all() -> None:
    made = policies(name=None, networks={"lan": {"name": "{name}.lan.example"}})
    assert made.get("lan") is not None
    assert made.get("other") is None


def test_the_reverse_zone_may_have_servers_and_a_key_of_its_own() -> None:
    policy = policies(
        key="a", reverse_key="b", reverse_servers=("192.0.2.99:5353",), reverse_zone="2.0.192.in-addr.arpa."
    ).get("lan")
    assert policy is not None
    assert policy.reverse == Upstream((Server("192.0.2.99", 5353),), KeySource(Path("/k"), key="b"))
    assert policy.reverse_zone == "2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.53", Server("192.0.2.53")),
        ("192.0.2.53:5353", Server("192.0.2.53", 5353)),
        ("2001:db8::53", Server("2001:db8::53")),
        ("[2001:db8::53]", Server("2001:db8::53")),
        ("[2001:db8::53]:5353", Server("2001:db8::53", 5353)),
    ],
)
def test_a_server_is_an_address_with_or_without_a_port(text: str, server: Server) -> None:
    policy = policies(servers=(text,)).get("lan")
    assert policy is not None
    assert policy.forward.servers == (server,)
    assert str(server) in {text, text.strip("[]")}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"name": None}, "name is missing: give a template"),
        ({"servers": ()}, "servers is missing: give the address"),
        ({"servers": ("ns.lan.example",)}, "'ns.lan.example' is not an address"),
        ({"servers": ("192.0.2.53:0",)}, "is not an address"),
        ({"servers": ("192.0.2.53:70000",)}, "is not an address"),
        ({"servers": ("192.0.2.530",)}, "is not an address"),
        ({"key_file": None}, "there is no TSIG key: give key_file or key_credential"),
        ({"key_credential": "x"}, "not both"),
        ({"key_file": None, "key_credential": "../etc/shadow"}, "not the name of a credential"),
        ({"unsigned": True}, "unsigned = true and key_file exclude each other"),
        ({"key_file": "relative"}, "'relative' is not an absolute path"),
        ({"zone": "other.example"}, "is not always inside the zone 'other.example'"),
        ({"zone": "a..b"}, "zone = 'a..b' is not a DNS name"),
        ({"name": "{name}"}, "zone is missing"),
        ({"name": "{nmae}.lan.example"}, "there is no {nmae}"),
        ({"reverse_zone": "lan.example"}, "does not end in in-addr.arpa"),
        ({"reverse_servers": ("x",)}, "reverse_servers: 'x' is not an address"),
        ({"timeout": 6.0}, "timeout = 6 is not valid: give 0.1 to 5 seconds"),
        ({"ttl_min": 10.0, "ttl_max": 5.0}, "give 0 <= ttl_min <= ttl_max"),
        ({"ttl": -1.0}, "ttl = -1 is not valid"),
        ({"mode": "hosts", "hosts_dir": "x"}, "'x' is not an absolute path"),
        ({"networks": {"guests": {"servers": ("x",)}}}, "network 'guests': servers: 'x' is not an address"),
    ],
)
def test_settings_that_can_not_work_are_named_at_once(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("{", r"\{").replace("(", r"\(")):
        policies(**settings)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"nmae": "{name}.lan.example"}, "unknown key 'nmae'; did you mean 'name'"),
        ({"mode": "file"}, "'file' is not valid; give one of: "),
        ({"networks": {"lan": {"zoen": "x"}}}, "networks.lan: unknown key 'zoen'; did you mean 'zone'"),
        ({"networks": {"lan": {"servers": "192.0.2.53"}}}, "Expected a list.*, got text"),
        ({}, "name is missing"),
    ],
)
def test_a_table_of_hooknet_toml_with_an_error_is_refused_with_its_place(
    table: dict[str, Any], why: str
) -> None:
    with pytest.raises(hooknet.HooknetError, match=why) as caught:
        PluginHarness(make_plugin, settings=table, name="dns")
    assert "[plugins.dns]" in str(caught.value)


@pytest.mark.parametrize(
    ("lease_time", "settings", "seconds"),
    [
        (3600, {}, 1200),
        (86400, {}, 28800),
        (30 * 86400, {}, 86400),
        (None, {}, 86400),
        (1200, {}, 600),  # RFC 4702 section 5: not less than ten minutes,
        (300, {}, 300),  # and not longer than the lease
        (1, {}, 1),
        (3600, {"ttl": 30.0}, 30),
        (3600, {"ttl_min": 5.0, "ttl_max": 60.0}, 60),
        (60, {"ttl_min": 5.0}, 20),
    ],
)
def test_the_ttl_is_a_third_of_the_lease_within_bounds(
    lease_time: int | None, settings: dict[str, Any], seconds: int
) -> None:
    assert ttl(Config(**GOOD, **settings), lease_time) == seconds


def test_every_setting_of_a_network_is_one_of_the_whole_too() -> None:
    general = {field.name for field in dataclasses.fields(Config)}
    assert {field.name for field in dataclasses.fields(NetworkConfig)} < general


def test_every_setting_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[4] / "docs/plugins/dns.md").read_text(encoding="utf-8")
    missing = [field.name for field in dataclasses.fields(Config) if f"| `{field.name}` |" not in manual]
    assert missing == []
