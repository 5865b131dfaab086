"""Whose ARP is no conflict: the container's own interfaces, whoever made them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import cast

from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.rivals import is_of_the_container

OWN, FOREIGN = "02:00:00:00:00:01", "02:00:00:00:00:09"


class Space:
    def __init__(self, macs: Collection[str] | Exception) -> None:
        self._macs = macs

    async def macs(self) -> Collection[str]:
        if isinstance(self._macs, Exception):
            raise self._macs
        return self._macs


def asked(macs: Collection[str] | Exception, mac: str) -> bool:
    return asyncio.run(is_of_the_container(cast("Netns", Space(macs)), mac))


def test_an_interface_inside_the_container_is_its_own() -> None:
    assert asked({OWN}, OWN)


def test_an_interface_outside_is_not() -> None:
    assert not asked({OWN}, FOREIGN)


def test_where_the_netns_cannot_be_asked_the_packet_is_believed() -> None:
    assert not asked(OSError(9, "Bad file descriptor"), OWN)
    assert not asked(HooknetError(Kind.BAD_NETNS, "gone"), OWN)
