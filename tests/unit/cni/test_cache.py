"""libcni's notes, read back as the ADDs that they were."""

from __future__ import annotations

import base64
import json
from ipaddress import IPv4Interface
from typing import Any

import pytest

from hooknet.cni.cache import read_note
from hooknet.cni.netconf import Role
from hooknet.errors import HooknetError

HOOKNET = {"type": "hooknet", "master": "eth7", "mtu": 1400}
RESULT = {
    "cniVersion": "0.4.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/netns-1"}],
    "ips": [{"version": "4", "interface": 0, "address": "192.168.7.50/24"}],
}


def note(*plugins: dict[str, Any], **changed: Any) -> bytes:
    config = {"cniVersion": "0.4.0", "name": "lan", "plugins": plugins}
    return json.dumps(
        {
            "kind": "cniCacheV1",
            "containerId": "c1",
            "config": base64.b64encode(json.dumps(config).encode()).decode(),
            "ifName": "eth0",
            "networkName": "lan",
            "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAME", "web"]],
            "result": RESULT,
            **changed,
        }
    ).encode()


def test_the_add_is_said_once_more() -> None:
    found = read_note(note(HOOKNET))
    assert found is not None
    request = found.request
    assert (str(request.key), request.netns, request.container_name) == (
        "c1/eth0@lan",
        "/run/netns/netns-1",
        "web",
    )
    assert (request.wanted.parent, request.wanted.mtu, request.wanted.role) == ("eth7", 1400, Role.MAIN)
    assert found.address == IPv4Interface("192.168.7.50/24")
    assert found.by_name


@pytest.mark.parametrize(
    ("plugin", "role", "by_name"),
    [
        ({"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}, Role.IPAM, True),
        ({"type": "bridge", "bridge": "br0", "ipam": {"type": "dhcp"}}, Role.IPAM, False),
        ({"type": "macvlan", "master": "eth7", "ipam": {"type": "dhcp"}}, Role.MAIN, False),
        ({"type": "macvlan", "master": "eth7", "ipam": {"type": "hooknet"}}, Role.MAIN, True),
        ({"type": "hooknet", "ipam": {"type": "host-local"}}, Role.MAIN, True),
    ],
)
def test_our_part_of_the_list_and_whether_its_name_is_ours_alone(
    plugin: dict[str, Any], role: Role, by_name: bool
) -> None:
    found = read_note(note(plugin, {"type": "tuning"}))
    assert found is not None
    assert (found.request.wanted.role, found.by_name) == (role, by_name)


def test_what_the_runtime_asked_for_is_told_where_the_capability_is_declared() -> None:
    told = {"aliases": {"lan": ["db"]}, "ips": ["192.168.7.50"]}
    found = read_note(note({**HOOKNET, "capabilities": {"aliases": True}}, capabilityArgs=told))
    assert found is not None
    assert (found.request.wanted.aliases, found.request.wanted.requested_address) == (("db",), None)


def test_a_second_plugin_of_the_chain_may_be_ours() -> None:
    found = read_note(note({"type": "loopback"}, HOOKNET))
    assert found is not None
    assert found.request.plugin == "hooknet"


@pytest.mark.parametrize("plugin", [{"type": "bridge", "ipam": {"type": "host-local"}}, {"type": "ptp"}])
def test_notes_of_other_plugins_say_nothing(plugin: dict[str, Any]) -> None:
    assert read_note(note(plugin)) is None
    assert read_note(note(plugin, kind="another")) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        note(HOOKNET, config="!"),
        note(HOOKNET, config=base64.b64encode(b"{").decode()),
        note(HOOKNET, result={}),
        note(HOOKNET, ifName="a/b"),
        note({**HOOKNET, "mtu": "big"}),
        note(HOOKNET)[:-40],
    ],
)
def test_a_note_that_can_not_be_read_is_an_error_in_words(raw: bytes) -> None:
    with pytest.raises(HooknetError):
        read_note(raw)


def test_a_newer_libcni_names_the_netns_itself() -> None:
    found = read_note(note(HOOKNET, netns="/run/netns/other"))
    assert found is not None
    assert found.request.netns == "/run/netns/other"
