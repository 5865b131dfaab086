"""What a server is asked, before and after the plugins: whose identity it is, and the address that it had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError
from hooknet.kernel.links import Parent
from hooknet.lifecycle.entries import Registry
from hooknet.lifecycle.identity import Host
from hooknet.lifecycle.requests import AttachRequest, LinkWanted
from hooknet.lifecycle.wish import Wishes
from hooknet.model import AttachmentKey, LeaseRequest, MacvlanMode, Phase
from hooknet.store.records import Record

KEY = AttachmentKey("c1", "eth0", "lan")
PARENT = Parent(name="eth7", index=7, mac="02:00:00:00:00:77", mtu=1500, up=True, carrier=True)
NETNS = cast("Any", SimpleNamespace(key=(1, 2)))
PROVIDED, OF_A_PLUGIN = b"kiosk-7", b"\x01plugin"
ITS, ANOTHER = IPv4Address("192.0.2.50"), IPv4Address("192.0.2.99")

Change = Callable[[LeaseRequest], LeaseRequest]


def unchanged(request: LeaseRequest) -> LeaseRequest:
    return request


def wished(
    *, memory: dict[bytes, IPv4Address] | None = None, plugin: Change = unchanged, **asked: Any
) -> Record:
    """The record of an attachment that begins, with this memory, and a plugin that changes the request."""

    async def pre_lease(_attachment: Any, request: LeaseRequest, _lookup: Any) -> Any:
        return SimpleNamespace(request=plugin(request), changed_by={})

    services = SimpleNamespace(
        registry=Registry(),
        host=Host("machine"),
        hooks=SimpleNamespace(pre_lease=pre_lease),
        machine=SimpleNamespace(boot_id="b", wall=lambda: 0.0),
        memory={(KEY.network, identity): str(address) for identity, address in (memory or {}).items()},
    )
    named = {"key": KEY, "netns": "/run/netns/x", "container_name": "web", "link": LinkWanted()}
    request = AttachRequest(**{**named, **asked})
    wishes = Wishes(cast("Any", services), cast("Any", None))
    return asyncio.run(wishes.intend(request, NetworkSettings(), NETNS, PARENT)).record


def asked_for(**scene: Any) -> IPv4Address | None:
    request = wished(**scene).request
    assert request is not None
    return request.requested_address


def test_a_new_identity_asks_for_no_address() -> None:
    assert asked_for() is None


def test_an_identity_asks_for_the_address_that_it_had() -> None:
    assert asked_for(memory={wished().client_id: ITS, b"another": ANOTHER}) == ITS


def test_a_client_id_that_is_provided_is_the_identity_and_no_option_besides() -> None:
    record = wished(options={61: PROVIDED, 192: b"x"})
    assert record.request is not None
    assert (record.client_id, record.request.client_id) == (PROVIDED, PROVIDED)
    assert record.request.options == {192: b"x"}
    assert asked_for(options={61: PROVIDED}, memory={PROVIDED: ITS, wished().client_id: ANOTHER}) == ITS


def test_a_plugin_that_changes_the_identity_gets_the_address_of_that_one() -> None:
    """As static-mac does under `client_id = "mac"`."""
    memory = {wished().client_id: ANOTHER, OF_A_PLUGIN: ITS}
    assert asked_for(memory=memory, plugin=lambda one: replace(one, client_id=OF_A_PLUGIN)) == ITS
    assert asked_for(memory=memory, plugin=lambda one: replace(one, client_id=b"new one")) is None


def test_an_address_that_a_plugin_or_the_runtime_wants_goes_before_what_is_remembered() -> None:
    def choose(one: LeaseRequest) -> LeaseRequest:
        return replace(one, client_id=OF_A_PLUGIN, requested_address=ANOTHER)

    assert asked_for(memory={OF_A_PLUGIN: ITS}, plugin=choose) == ANOTHER
    known = {wished().client_id: ITS, OF_A_PLUGIN: ITS}
    assert asked_for(memory=known, requested_address=ANOTHER) == ANOTHER
    taken = {"plugin": lambda one: replace(one, client_id=OF_A_PLUGIN), "requested_address": ANOTHER}
    assert asked_for(memory=known, **taken) == ANOTHER


def test_what_can_not_be_sent_is_refused_before_anything_is_done() -> None:
    with pytest.raises(HooknetError) as caught:
        wished(plugin=lambda one: replace(one, client_id=b""))
    assert caught.value.code == 7


def test_the_record_has_what_recovery_needs() -> None:
    record = wished(parent_in_netns=True, link=LinkWanted(mode=MacvlanMode.VEPA, mtu=1400))
    assert (record.phase, record.parent_in_netns, record.parent_index) == (Phase.INTENT, True, PARENT.index)
    assert (record.mode, record.mtu, record.netns_id) == (MacvlanMode.VEPA, 1400, (1, 2))
