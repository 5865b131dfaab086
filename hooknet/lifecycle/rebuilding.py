"""Carries `rebuild` out: looks where each trace leads, and journals what is found there.

An entry that was rebuilt is as one of an earlier daemon: reconcile restores it (INIT-REBOOT, since its lease is in
doubt), and ends it when its container is gone. Nothing is touched in the kernel and nothing is sent from here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from hooknet.errors import HooknetError
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.rebuild import Leave, Rebuild, Scene, Trace, binding_in_doubt, judge
from hooknet.lifecycle.services import Services
from hooknet.lifecycle.wish import Wishes
from hooknet.model import Phase

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. left: attachments that are there, and that hooknet does not know any more."""

    kept: int = 0
    left: tuple[Leave, ...] = ()

    def __add__(self, other: Rebuilt) -> Rebuilt:
        return Rebuilt(self.kept + other.kept, self.left + other.left)


class Rebuilder:
    """Makes entries from traces."""

    def __init__(self, services: Services, wishes: Wishes) -> None:
        self._services = services
        self._wishes = wishes

    async def rebuild(self, traces: Iterable[Trace]) -> Rebuilt:
        """The oldest first: of two that claim one identity, the first one has it."""
        kept, left = 0, []
        for trace in sorted(traces, key=lambda trace: trace.attached):
            async with self._services.registry.keys.hold(trace.request.key):
                try:
                    outcome = await self._one(trace)
                except (HooknetError, OSError) as error:
                    outcome = Leave(str(trace.request.key), str(error))
                except Exception as error:
                    log.exception("%s: looking at what runs went wrong", trace.request.key)
                    outcome = Leave(str(trace.request.key), f"hooknet failed over it: {error!r}")
            if isinstance(outcome, Leave):
                log.warning("%s can't be rebuilt: %s", outcome.who, outcome.why)
                left.append(outcome)
            elif outcome is not None:
                kept += 1
        return Rebuilt(kept, tuple(left))

    async def _one(self, trace: Trace) -> Rebuild | Leave | None:
        request, machine = trace.request, self._services.machine
        key = machine.identify(request.netns)
        if key is None:
            return None
        async with machine.netns(request.netns, key) as netns:
            scene = await self._look(trace, netns)
            held = {entry.key for entry in self._services.registry}
            outcome = judge(trace, scene, held)
            if isinstance(outcome, Rebuild):
                await self._journal(outcome, scene, netns)
            return outcome

    async def _look(self, trace: Trace, netns: Netns) -> Scene:
        request = trace.request
        inside = netns if request.parent_in_netns else None
        try:
            parent = await self._services.machine.parent(request.parent, inside)
        except HooknetError:
            parent = None
        return Scene(netns=netns.key, link=await netns.link_state(request.key.ifname), parent=parent)

    async def _journal(self, found: Rebuild, scene: Scene, netns: Netns) -> None:
        """The record that the ADD made, as far as it can be known: the plugins' `pre_lease` is asked again."""
        services, link = self._services, scene.link
        assert link is not None
        assert scene.parent is not None
        request = replace(found.trace.request, mac=link.mac)
        settings = services.config.settings_for(request.key.network, request.given)
        entry = await self._wishes.intend(request, settings, netns, scene.parent)
        async with AsyncExitStack() as locks:
            await self._wishes.take_identity(entry, request, locks)
            self._complete(entry, found, link.mac)
            await services.journal.put(entry.record, kept=True)
            self._take(entry)

    def _complete(self, entry: Entry, found: Rebuild, mac: str) -> None:
        """What the ADD learnt after its intent, from the interface as it is."""
        machine = self._services.machine
        asked = replace(entry.record.request, mac=mac) if entry.record.request is not None else None
        entry.record = replace(
            entry.record,
            phase=Phase.REPLIED,
            created=found.trace.attached,
            mac=mac,
            request=asked,
            hears=found.address is not None,
        )
        if found.address is not None and asked is not None:
            now = machine.now()
            binding = binding_in_doubt(
                found.address,
                found.seconds,
                mac=mac,
                client_id=asked.client_id,
                now=now,
                obtained=machine.utc(now),
            )
            entry.record = replace(entry.record, binding=binding)

    def _take(self, entry: Entry) -> None:
        entry.owns_link = entry.record.mode is not None
        entry.sets_address = True
        self._services.registry.add(entry)
        log.info("%s: rebuilt from what runs", entry.key)
