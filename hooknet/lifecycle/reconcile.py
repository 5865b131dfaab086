"""Reconcile: at start, after every resync, every minute, and whenever somebody noticed something.

It takes the picture first (podman's list blocks while an ADD runs, so no lock of ours is held), lets the pure
planner decide, and then carries out each action under the attachment's lock, for the generation that was judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

from hooknet.errors import HooknetError
from hooknet.kernel.parents import MACVLAN
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.detach import Detacher
from hooknet.lifecycle.ending import Endings
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.planner import Act, Action, Held, Known, Picture, Seen, Suspect, plan
from hooknet.lifecycle.ports import ContainerList
from hooknet.lifecycle.restore import Restorer
from hooknet.lifecycle.services import Services
from hooknet.model import AttachmentKey, Phase, ReleaseReason
from hooknet.store.records import Process

log = logging.getLogger(__name__)

LOOKS_AT_ONCE = 8


class Reconciler:
    """Compares what is held with what is, and mends the difference."""

    def __init__(
        self, leases: Leases, detacher: Detacher, endings: Endings, restorer: Restorer, podman: ContainerList
    ) -> None:
        self._leases = leases
        self._services: Services = leases.services
        self._detacher = detacher
        self._endings = endings
        self._restorer = restorer
        self._podman = podman
        self._dead_since: dict[Suspect, float] = {}
        self._poke = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled: reconcile every `reconcile_interval` seconds, or when poked."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), self._services.config.daemon.reconcile_interval)
            self._poke.clear()
            try:
                await self.reconcile()
            except (HooknetError, OSError):
                log.exception("reconcile failed; it is tried again in a while")

    def poke(self) -> None:
        """Reconcile soon."""
        self._poke.set()

    async def reconcile(self, *, dry_run: bool = False) -> tuple[Action, ...]:
        """Take the picture, plan, and carry the plan out unless `dry_run`. Returns the plan."""
        async with self._one_at_a_time:
            picture = await self._picture()
            planned = plan(picture)
            if dry_run:
                return planned.actions
            self._dead_since = dict(planned.dead_since)
            for action in planned.actions:
                await self._carry_out(action)
            await self._endings.retry()
            await self._services.journal.heal()
            self._services.bus.publish("reconcile", state="done", actions=len(planned.actions))
            return planned.actions

    # the picture

    async def _picture(self) -> Picture:
        listing = await self._podman.containers()
        known = (
            None
            if listing is None
            else {cid: self._known(cid, listed.pid) for cid, listed in listing.items()}
        )
        registry = self._services.registry
        held = [
            Held(
                record=entry.record,
                busy=entry.is_being_answered or registry.keys.is_held(entry.key),
                has_client=entry.client is not None,
                dead_since=self._dead_since.get((entry.key, entry.generation)),
            )
            for entry in registry
        ]
        return Picture(
            now=self._services.machine.now(),
            boot_id=self._services.machine.boot_id,
            period=self._services.config.daemon.reconcile_interval,
            held=held,
            seen=await self._look_at_all(),
            podman=known,
        )

    def _known(self, container_id: str, pid: int | None) -> Known:
        if not pid:
            return Known(running=False)
        started = self._services.machine.process_started(pid)
        if started is None:
            return Known(running=True)
        process = Process(pid=pid, started=started)
        for entry in self._services.registry.of_container(container_id):
            earlier = entry.record.process
            if earlier is not None and earlier.pid == pid and earlier.started != started:
                return Known(running=True)  # the pid was reused by somebody else
            if earlier != process and entry.is_replied():
                entry.record = replace(entry.record, process=process)
                self._services.journal.put(entry.record, kept=True)
        return Known(running=True, process=process, alive=True)

    async def _look_at_all(self) -> dict[AttachmentKey, Seen]:
        turns = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def look(entry: Entry) -> tuple[AttachmentKey, Seen]:
            async with turns:
                return entry.key, await self._look(entry)

        entries = [e for e in self._services.registry if not self._services.registry.keys.is_held(e.key)]
        return dict(await asyncio.gather(*(look(entry) for entry in entries)))

    async def _look(self, entry: Entry) -> Seen:
        record = entry.record
        path = record.attachment.netns
        key = self._services.machine.identify(path)
        if key != record.netns_id:
            return Seen(netns=key)
        try:
            async with self._services.machine.netns(path, record.netns_id) as netns:
                state = await netns.link_state(record.attachment.ifname)
        except (HooknetError, OSError) as error:
            log.debug("%s can't be looked at: %s", entry.key, error)
            return Seen(netns=self._services.machine.identify(path))
        if state is None or (
            record.mode is not None and state.kind != MACVLAN
        ):  # any MAC: tuning may set one
            return Seen(netns=key, has_link=False)
        wanted = record.binding.lease.address.ip if record.binding is not None else None
        has_address = None if wanted is None else any(a.ip == wanted for a in state.addresses)
        return Seen(netns=key, has_link=True, has_address=has_address)

    # the mending

    async def _carry_out(self, action: Action) -> None:
        registry = self._services.registry
        async with registry.keys.hold(action.key):
            entry = registry.get(action.key)
            if entry is None or entry.generation != action.generation or entry.is_being_answered:
                return
            if action.act in {Act.UNDO, Act.ADOPT} and entry.is_replied():
                return  # it was answered after the picture was taken
            if action.act is not Act.RESTORE:
                self._services.bus.publish(
                    "reconcile", **who(entry.record.attachment), action=action.act.value, why=action.why
                )
            try:
                await self._act(entry, action.act)
            except (HooknetError, OSError) as error:
                entry.note = f"reconcile could not {action.act.value}: {error}"
                log.warning("%s: %s", entry.key, entry.note)

    async def _act(self, entry: Entry, act: Act) -> None:
        match act:
            case Act.RELEASE:
                await self._detacher.end(entry, ReleaseReason.VANISHED)
            case Act.LAPSE:
                await self._detacher.end(entry, ReleaseReason.VANISHED, silent=True)
            case Act.UNDO:
                await self._detacher.end(entry, ReleaseReason.DETACHED)
            case Act.ADOPT:
                entry.record = replace(entry.record, phase=Phase.REPLIED)
                await self._restorer.restore(entry)
            case Act.RESTORE:
                await self._restorer.restore(entry)
            case Act.REPAIR:
                await self._repair(entry)

    async def _repair(self, entry: Entry) -> None:
        record = entry.record
        entry.plan = None
        async with self._services.machine.netns(record.attachment.netns, record.netns_id) as netns:
            await self._leases.configure(entry, netns)
