"""Whose MAC an attachment starts with, and what plugins are told of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hooknet.errors import HooknetError
from hooknet.kernel.links import Parent
from hooknet.lifecycle.identity import Host, mac_for
from hooknet.lifecycle.macs import first_mac
from hooknet.lifecycle.requests import AttachRequest, LinkWanted
from hooknet.model import AttachmentKey, MacOrigin, MacvlanMode, Runtime

KEY = AttachmentKey("c1", "eth0", "lan")
HOST = Host("machine")
PARENT = Parent(
    name="eth7", index=7, mac="02:00:00:00:00:77", mtu=1500, up=True, carrier=True, wireless=False, kind=None
)
OURS, THEIRS = "02:00:00:00:00:01", "02:00:00:00:00:02"


class Inside:
    """A netns in which the main plugin has made `eth0`, or has not."""

    def __init__(self, mac: str | None) -> None:
        self.mac = mac

    async def link_state(self, ifname: str) -> Any:
        return SimpleNamespace(mac=self.mac) if self.mac is not None and ifname == "eth0" else None


def first(present: str | None = None, **asked: Any) -> tuple[str, MacOrigin]:
    request = AttachRequest(key=KEY, netns="/run/netns/x", **asked)
    return asyncio.run(first_mac(request, Inside(present), PARENT, HOST))  # type: ignore[arg-type]  # a fake netns


def test_what_the_user_asks_for_comes_first_and_is_known_as_that() -> None:
    assert first(mac=OURS, link=LinkWanted()) == (OURS, MacOrigin.RUNTIME)
    assert first(THEIRS, mac=OURS) == (OURS, MacOrigin.RUNTIME)


def test_netavarks_proxy_tells_the_interfaces_mac_whoever_chose_it() -> None:
    assert first(mac=OURS, mac_origin=MacOrigin.INTERFACE) == (OURS, MacOrigin.INTERFACE)
    assert first(mac=OURS, link=LinkWanted(), runtime=Runtime.NETAVARK) == (OURS, MacOrigin.RUNTIME)


def test_an_interface_that_is_there_keeps_its_mac() -> None:
    assert first(THEIRS) == (THEIRS, MacOrigin.INTERFACE)


def test_a_passthru_macvlan_has_its_parents() -> None:
    assert first(link=LinkWanted(mode=MacvlanMode.PASSTHRU)) == (PARENT.mac, MacOrigin.INTERFACE)


def test_otherwise_it_follows_from_who_the_attachment_is() -> None:
    assert first(link=LinkWanted()) == (mac_for(KEY, HOST), MacOrigin.GENERATED)


def test_an_interface_that_should_be_there_and_is_not_is_an_error() -> None:
    with pytest.raises(HooknetError, match="there is no interface eth0"):
        first()
