"""What podman's events ask for: a container that was cleaned up, removed or disconnected, and no DEL came.

`died` releases nothing, since any death may be a restart. `cleanup`, `remove` and a network's `disconnect` are
taken as hints: after the grace period, and only when the same generation is still there and podman does not show
its process alive, the attachment ends as VANISHED.
"""

from __future__ import annotations

import asyncio
import logging

from hooknet.lifecycle.detach import Detacher
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.reconcile import ContainerList
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
            return self._services.registry.of_container(event.container.id)
        if event.type == "network" and event.action == "disconnect" and event.network is not None:
            return self._services.registry.of_container(event.container.id, event.network)
        return []

    async def _after_grace(self, entry: Entry, action: str) -> None:
        await asyncio.sleep(self._services.config.daemon.grace_period)
        if not self._services.registry.is_current(entry):
            return
        if action != "disconnect" and await self._may_live(entry):
            return
        async with self._services.registry.keys.hold(entry.key):
            if self._services.registry.is_current(entry):
                log.info("%s: no DEL followed podman's %s event: it is released", entry.key, action)
                await self._detacher.end(entry, ReleaseReason.VANISHED)

    async def _may_live(self, entry: Entry) -> bool:
        """Whether podman shows the container's process, or can't be asked. A removed container is not listed."""
        pids = await self._podman.containers()
        if pids is None:
            return True
        pid = pids.get(entry.key.container_id)
        return bool(pid) and self._services.machine.process_started(pid or 0) is not None
