"""What podman's events ask for: a container that was cleaned up, removed or disconnected, and no DEL came.

`died` releases nothing, since any death may be a restart. `cleanup`, `remove` and a network's `disconnect` are
hints, taken after the grace period and only for the generation that they can be about: an event that is replayed
may be older than the attachment. What counts then is podman's list: a container that lives and is on the network
keeps its lease. (podman 4.3.1's disconnect event does not say from which network; the list does.)
"""

from __future__ import annotations

import asyncio
import logging

from hooknet.lifecycle.detach import Detacher
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.ports import ContainerList
from hooknet.lifecycle.services import Services
from hooknet.model import ContainerEvent, ReleaseReason

log = logging.getLogger(__name__)

FINAL = frozenset({"cleanup", "remove"})


class EventCleanup:
    """Turns events into endings, after the grace period."""

    def __init__(self, services: Services, detacher: Detacher, podman: ContainerList) -> None:
        self._services = services
        self._detacher = detacher
        self._podman = podman

    def saw(self, event: ContainerEvent) -> None:
        """One event of podman's stream, on the daemon's loop."""
        for entry in self._meant(event):
            self._services.spawn(self._after_grace(entry, event.action), f"grace period of {entry.key}")

    def _meant(self, event: ContainerEvent) -> list[Entry]:
        if event.type == "container" and event.action in FINAL:
            found = self._services.registry.of_container(event.container.id)
        elif event.type == "network" and event.action == "disconnect":
            found = self._services.registry.of_container(event.container.id, event.network)
        else:
            return []
        return [entry for entry in found if entry.record.created <= event.time.timestamp()]

    async def _after_grace(self, entry: Entry, action: str) -> None:
        await asyncio.sleep(self._services.config.daemon.grace_period)
        if not self._services.registry.is_current(entry) or await self._is_needed(entry):
            return
        async with self._services.registry.keys.hold(entry.key):
            if self._services.registry.is_current(entry):
                log.info("%s: no DEL followed podman's %s event: it is released", entry.key, action)
                await self._detacher.end(entry, ReleaseReason.VANISHED)

    async def _is_needed(self, entry: Entry) -> bool:
        """Whether podman shows the container alive and on the network, or can't be asked."""
        listing = await self._podman.containers()
        if listing is None:
            return True
        listed = listing.get(entry.key.container_id)
        if listed is None or not listed.pid or self._services.machine.process_started(listed.pid) is None:
            return False
        attachment = entry.record.attachment
        return not attachment.runtime.names_networks or attachment.network in listed.networks
