"""Background defence of the addresses in use (RFC 5227 section 2.4): one ARP socket per parent for all of them.

A socket in each container would pin its netns for as long as it lives, so the parent listens instead: broadcasts of
the LAN arrive there too, and a conflict announces itself by broadcast. What siblings on the same parent say to each
other is not heard there; that no two of them hold one address is the journal's business. The kernel filters: only
ARP about a watched address wakes us, and what to do about it is the client's decision. While one packet about an
entry is looked into (`rivals`), further ones are not heard: rivals repeat themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from ipaddress import IPv4Address

from hooknet.dhcp.wire import ArpPacket
from hooknet.errors import HooknetError
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.ports import ArpLine
from hooknet.lifecycle.rivals import is_of_the_container
from hooknet.lifecycle.services import Services

log = logging.getLogger(__name__)

SETTLE = 0.25
"""Seconds in which changes are gathered: 200 new leases are one new filter."""


class Defence:
    """Hears for every entry that holds a lease."""

    def __init__(self, services: Services, keeper: Keeper) -> None:
        self._services = services
        self._keeper = keeper
        self._lines: dict[str, ArpLine] = {}
        self._stale: set[str] = set()
        self._suspicions: dict[Entry, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def changed(self, parent: str) -> None:
        """A lease on this parent came, went or moved, or the parent itself did."""
        self._stale.add(parent)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled: keep the filters as the leases are."""
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(SETTLE)
                self._changed.clear()
                while self._stale:
                    await self._refresh(self._stale.pop())
        finally:
            for line in self._lines.values():
                line.close()
            self._lines.clear()
            for task in self._suspicions.values():
                task.cancel()

    @property
    def parents(self) -> Sequence[str]:
        """Where a socket listens."""
        return tuple(self._lines)

    async def _refresh(self, parent: str) -> None:
        addresses = self._addresses(parent)
        if not addresses:
            if (line := self._lines.pop(parent, None)) is not None:
                line.close()
            return
        try:
            self._lines[parent] = self._lines.get(parent) or await self._open(parent)
            self._lines[parent].watch(addresses)
        except (HooknetError, OSError) as error:
            log.info("conflicts on %s are not heard: %s", parent, error)

    async def _open(self, parent: str) -> ArpLine:
        line = await self._services.machine.open_arp(parent)
        line.listen(lambda packets: self._heard(parent, packets))
        return line

    def _addresses(self, parent: str) -> list[IPv4Address]:
        return [
            entry.record.binding.lease.address.ip
            for entry in self._services.registry
            if entry.host_parent == parent
            and entry.record.binding is not None
            and entry.settings.acd != "off"
        ]

    def _heard(self, parent: str, packets: Sequence[ArpPacket]) -> None:
        for packet in packets:
            for entry in self._services.registry:
                if entry.host_parent == parent and self._concerns(entry, packet):
                    self._look_into(entry, packet)

    def _look_into(self, entry: Entry, packet: ArpPacket) -> None:
        if entry not in self._suspicions:
            task = asyncio.get_running_loop().create_task(self._suspect(entry, packet))
            self._suspicions[entry] = task
            task.add_done_callback(lambda _: self._suspicions.pop(entry, None))

    async def _suspect(self, entry: Entry, packet: ArpPacket) -> None:
        record, machine = entry.record, self._services.machine
        try:
            async with machine.netns(record.attachment.netns, record.netns_id) as netns:
                own = await is_of_the_container(netns, packet.sender_mac)
        except (HooknetError, OSError) as error:
            log.debug("%s: its netns can't be looked into: %s", entry.key, error)
            own = False
        if not own:
            self._keeper.tell(entry, lambda client, now: client.arp_received(now, packet))

    def _concerns(self, entry: Entry, packet: ArpPacket) -> bool:
        """A session of its own hears its own packets: it needs none of ours. Nor is its container a stranger."""
        return (
            entry.session is None
            and entry.is_replied()
            and entry.client is not None
            and entry.client.concerns(packet)
            and not self._services.registry.is_no_rival(
                entry, packet.sender_mac, self._services.machine.now()
            )
        )
