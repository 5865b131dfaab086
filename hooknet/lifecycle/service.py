"""The lifecycle as its front ends see it: attach, detach, check, collect, status, and what is held.

Front ends call this and nothing below it; nothing below it asks which front end called.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from hooknet.config import Config
from hooknet.dhcp.client import Client
from hooknet.dhcp.effects import Effect
from hooknet.errors import HooknetError, Kind, stopping, unexpected
from hooknet.kernel.parents import require_fit, require_mtu
from hooknet.lifecycle.attach import Attacher
from hooknet.lifecycle.below import parent_below
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.checking import Checker
from hooknet.lifecycle.cleanup import EventCleanup
from hooknet.lifecycle.defence import Defence
from hooknet.lifecycle.detach import Detacher
from hooknet.lifecycle.ending import Endings, under_parent
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.ports import ContainerList
from hooknet.lifecycle.rebuild import Trace
from hooknet.lifecycle.rebuilding import Rebuilder, Rebuilt
from hooknet.lifecycle.reconcile import Reconciler
from hooknet.lifecycle.requests import Attached, AttachmentView, AttachRequest, DetachRequest, StatusRequest
from hooknet.lifecycle.restore import Restorer
from hooknet.lifecycle.services import Services
from hooknet.lifecycle.timing import Timing
from hooknet.lifecycle.wish import Wishes
from hooknet.model import AttachmentKey, Phase, PostLeaseReason, ReleaseReason
from hooknet.store.records import Record

log = logging.getLogger(__name__)


class Lifecycle:
    """Everything that can be done with attachments."""

    def __init__(self, services: Services, containers: ContainerList) -> None:
        self.services = services
        self._registry = services.registry
        self._leases = Leases(services)
        self._keeper = Keeper(self._leases, self._noticed_gone)
        self._defence = Defence(services, self._keeper)
        self._leases.moved = self._defence.changed
        self._endings = Endings(self._leases, self._keeper)
        self._detacher = Detacher(services, self._endings)
        wishes = Wishes(services, self._clear)
        self._attacher = Attacher(self._leases, self._keeper, self._endings, wishes)
        self._checker = Checker(self._leases)
        self._rebuilder = Rebuilder(services, wishes)
        restorer = Restorer(self._leases, self._keeper)
        self.reconciler = Reconciler(self._leases, self._detacher, self._endings, restorer, containers)
        self.events = EventCleanup(services, self._detacher, containers)
        self._adding: dict[AttachmentKey, set[asyncio.Task[Attached]]] = {}
        self._is_stopping = False

    # life of the daemon

    async def start(self, records: Collection[Record]) -> None:
        """Take over what an earlier daemon left, and keep everything from now on. Reconcile comes at once."""
        names = await self.services.machine.link_names() if records else {}
        for record in records:
            self._take_over(self._where_its_parent_is(record, names))
        self.reconciler.poke()
        self.services.spawn(self._keeper.run(), "the keeper")
        self.services.spawn(self.reconciler.run(), "the reconciler")
        self.services.spawn(self._defence.run(), "the defence of addresses")

    async def rebuild(self, traces: Iterable[Trace]) -> Rebuilt:
        """The journal was lost: know again what others have noted and the kernel shows. Restored right after."""
        rebuilt = await self._rebuilder.rebuild(traces)
        self.reconciler.poke()
        return rebuilt

    async def stop(self, patience: float) -> None:
        """Let running ADDs finish for `patience` seconds, undo the rest, keep every lease."""
        self._is_stopping = True
        running = [task for tasks in self._adding.values() for task in tasks]
        if running:
            _, late = await asyncio.wait(running, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self._keeper.stop_all()
        for task in list(self.services.tasks):
            task.cancel()
        await asyncio.gather(*self.services.tasks, return_exceptions=True)

    def reconfigure(self, config: Config) -> None:
        """New settings hold for new attachments at once, for live ones from their next renewal."""
        self.services.config = config
        for entry in self._registry:
            entry.settings = config.settings_for(entry.key.network, entry.record.given)

    async def introduce(self, plugins: Collection[str]) -> None:
        """Plugins that were activated just now hear RESTORED for every lease in use, as after a start."""
        for entry in self._registry:
            if plugins and entry.record.hears:
                await self._leases.introduce(entry, plugins)

    # the use cases

    async def attach(self, request: AttachRequest) -> Attached:
        """Attach one interface. Raises HooknetError; cancel the call when the caller is gone: all is undone."""
        task = asyncio.get_running_loop().create_task(self._attach(request), name=f"ADD {request.key}")
        running = self._adding.setdefault(request.key, set())
        running.add(task)
        task.add_done_callback(lambda done: self._add_ended(request.key, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                await self.undo(task.result())  # it succeeded in the moment in which the caller left
                raise
            if task.cancelled():
                raise self._cancelled(request.key) from None
            task.cancel()
            raise

    def _cancelled(self, key: AttachmentKey) -> HooknetError:
        if self._is_stopping:
            return stopping()
        return HooknetError(
            Kind.CANCELLED,
            f"the ADD of {key} was cancelled",
            details="a DEL of it came meanwhile",
            hint="start the container again if that was not meant",
        )

    async def _attach(self, request: AttachRequest) -> Attached:
        timing = request.timing
        try:
            async with self._registry.keys.hold(request.key):
                await self._make_way(request)
                attached = await self._attacher.attach(request)
        except HooknetError as error:
            self.services.bus.publish(
                "add-failed",
                container=request.container_name,
                container_id=request.key.container_id,
                network=request.key.network,
                ifname=request.key.ifname,
                error=error.kind.value,
                why=str(error),
                code=error.code,
                ms=timing.elapsed,
            )
            error.is_published = True
            raise
        self._publish_add(attached, timing)
        return attached

    async def replied(self, attached: Attached) -> None:
        """The caller has its answer: the lease is in use, hooks may fire."""
        entry = self._current(attached)
        if entry is None:
            return
        entry.timing.finish("answered")
        container = await self._leases.container_for_post_lease(entry)
        if not self._registry.is_current(entry):
            return
        entry.is_being_answered = False
        await self._leases.tell_plugins(entry, PostLeaseReason.BOUND, None, container)
        if entry.client is not None:
            self._keeper.tell(entry, _answered)

    async def undo(self, attached: Attached) -> None:
        """The answer could not be delivered: whoever asked is gone."""
        entry = self._current(attached)
        if entry is None:
            return
        async with self._registry.keys.hold(entry.key):
            if self._registry.is_current(entry):
                log.info("%s: its caller is gone before the answer: undone", entry.key)
                await self._detacher.end(entry, ReleaseReason.DETACHED)

    async def detach(self, request: DetachRequest) -> None:
        """Give one interface back. Idempotent; cancels a running ADD of the same attachment first."""
        timing = Timing()
        for task in self._adding.get(request.key, ()):
            task.cancel()
        async with self._registry.keys.hold(request.key):
            ended = await self._detacher.detach(request)
        if ended is None:
            return
        lease = ended.record.binding.lease if ended.record.binding else None
        self.services.bus.publish(
            "del",
            **who(ended.record.attachment),
            address=str(lease.address) if lease else None,
            ms=timing.elapsed,
        )

    async def check(self, request: AttachRequest) -> Attached:
        """Compare the interface with what is held. Raises CHECK_FAILED with every difference in words."""
        async with self._registry.keys.hold(request.key):
            return await self._checker.check(self._registry.get(request.key), request)

    async def collect(self, network: str, valid: Collection[tuple[str, str]]) -> list[HooknetError]:
        """Release everything of `network` but the (container id, ifname) pairs in `valid` (CNI GC).

        Whatever goes wrong with one of them, the others are tried; what went wrong is returned.
        """
        errors = []
        for entry in self._registry:
            if entry.key.network != network or (entry.key.container_id, entry.key.ifname) in valid:
                continue
            try:
                await self._collect(entry)
            except HooknetError as error:
                errors.append(error)
            except Exception as error:
                log.exception("%s could not be released", entry.key)
                errors.append(unexpected(error))
        return errors

    async def _collect(self, entry: Entry) -> None:
        async with self._registry.keys.hold(entry.key):
            if self._registry.is_current(entry):
                await self._detacher.end(entry, ReleaseReason.VANISHED)

    async def status(self, request: StatusRequest) -> None:
        """Whether an ADD could be served now (CNI STATUS). Raises UNAVAILABLE, or DEGRADED."""
        ours = (entry for entry in self._registry if entry.key.network == request.network)
        attached = sum(entry.is_settled() for entry in ours)
        settings = self.services.config.settings_for(request.network, request.given)
        await self._checker.status(request, settings, attached=attached)

    async def require_parent(self, name: str, mtu: int | None) -> None:
        """Raises PARENT when the host has no such interface, or one that can't carry containers. It may be down.

        BAD_CONFIG when it does not carry this MTU (bytes).
        """
        parent = await self.services.machine.parent(name)
        require_fit(parent)
        require_mtu(parent, mtu)

    async def parent_below(self, netns: str, ifname: str) -> str:
        """The host's interface below this one of a container; the default route's where that can't be told.

        Raises BAD_NETNS, PARENT.
        """
        async with self.services.machine.netns(netns) as opened:
            return await parent_below(self.services.machine, opened, ifname)

    def find(self, netns: str, mac: str, ifname: str) -> AttachmentKey | None:
        """What is attached in `netns` (a path) with this MAC, or else under this interface's name."""
        inside = [entry for entry in self._registry if entry.record.attachment.netns == netns]
        found = [e for e in inside if e.record.mac == mac] or [e for e in inside if e.key.ifname == ifname]
        return found[0].key if found else None

    def views(self) -> list[AttachmentView]:
        """Every attachment, oldest first."""
        return [entry.view() for entry in sorted(self._registry, key=lambda e: e.generation)]

    def on_parents(self) -> Mapping[str, int]:
        """How many attachments each parent on the host has."""
        return Counter(entry.host_parent for entry in self._registry if entry.host_parent is not None)

    @property
    def sessions(self) -> int:
        """How many exchanges are under way."""
        return self._keeper.sessions

    def exhausted(self) -> Mapping[str, float]:
        """Parents whose servers stopped offering, and since when (boot time, seconds)."""
        return self._leases.silent_parents

    def carrier(self, parent: str, *, up: bool) -> None:
        """The parent's link went down or came back: its clients wait, or verify their leases with jitter."""
        self._defence.changed(parent)
        for entry in self._registry:
            if entry.host_parent == parent and entry.client is not None and entry.is_replied():
                self._keeper.tell(entry, lambda client, now: client.carrier(now, up))

    def parent_renamed(self, old: str, new: str) -> None:
        """The parent's attachments go on under its new name."""
        for entry in self._registry:
            if entry.host_parent == old:
                entry.record = under_parent(entry.record, new)
                self.services.journal.put(entry.record, kept=True)
        self._endings.parent_renamed(old, new)
        self._leases.parent_renamed(old, new)
        self._defence.changed(old)
        self._defence.changed(new)

    # inside

    def _where_its_parent_is(self, record: Record, names: Mapping[int, str]) -> Record:
        """The record with the name that its parent has now: it may have been renamed while no daemon watched."""
        known = record.boot_id == self.services.machine.boot_id and not record.parent_in_netns
        name = names.get(record.parent_index) if known and record.parent_index is not None else None
        if name is None or name == record.attachment.parent:
            return record
        log.info("%s: its parent %s is called %s now", record.key, record.attachment.parent, name)
        moved = under_parent(record, name)
        self.services.journal.put(moved, kept=True)
        return moved

    def _take_over(self, record: Record) -> None:
        self._registry.newest_generation = max(self._registry.newest_generation, record.generation)
        if record.phase is Phase.RELEASING:
            self._endings.owe(record)
            return
        settings = self.services.config.settings_for(record.key.network, record.given)
        entry = Entry(record, settings)
        entry.owns_link = record.mode is not None
        entry.is_in_doubt = record.phase is not Phase.REPLIED
        self._registry.add(entry)

    async def _make_way(self, request: AttachRequest) -> None:
        """A predecessor under the same key: alive, it makes this ADD an error; dead or half made, it goes.

        So does one whose daemon was killed over the answer: a caller that asks again did not get it.
        """
        await self._endings.settle(request.key)
        entry = self._registry.get(request.key)
        if entry is None:
            return
        same_netns = self.services.machine.identify(request.netns) == entry.record.netns_id
        if entry.is_settled() and same_netns and not entry.is_in_doubt:
            raise HooknetError(
                Kind.INTERFACE_EXISTS,
                f"{request.key} is attached already",
                details=f"since generation {entry.generation}, lease kept",
                hint="call DEL first",
            )
        await self._detacher.end(entry, ReleaseReason.DETACHED if same_netns else ReleaseReason.VANISHED)

    async def _clear(self, entry: Entry) -> None:
        async with self._registry.keys.hold(entry.key):
            if self._registry.is_current(entry):
                await self._detacher.end(entry, ReleaseReason.VANISHED)

    def _noticed_gone(self, entry: Entry) -> None:
        log.info("%s: its netns is gone", entry.key)
        self.reconciler.poke()

    def _current(self, attached: Attached) -> Entry | None:
        entry = self._registry.get(attached.attachment.key)
        return entry if entry is not None and entry.generation == attached.attachment.generation else None

    def _add_ended(self, key: AttachmentKey, task: asyncio.Task[Attached]) -> None:
        running = self._adding.get(key, set())
        running.discard(task)
        if not running:
            self._adding.pop(key, None)
        if not task.cancelled():
            task.exception()  # the front end has it, unless its caller is gone

    def _publish_add(self, attached: Attached, timing: Timing) -> None:
        lease = attached.lease
        self.services.bus.publish(
            "add",
            **who(attached.attachment),
            address=str(lease.address) if lease else None,
            server=str(lease.server) if lease else None,
            mac=attached.mac,
            parent=attached.attachment.parent,
            ms=timing.elapsed,
        )


def _answered(client: Client, now: float) -> Iterable[Effect]:
    client.answered(now)
    return ()
