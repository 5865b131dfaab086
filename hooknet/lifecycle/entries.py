"""The attachments that this daemon holds, in memory: one `Entry` each, found by key, by identity or by MAC.

The journal is the copy that survives; this is the one that is asked. Locks are per attachment key *and* per
identity, always taken in that order, so a restart under the same key and a recreation under the same name are both
serialised with the end of their predecessor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from hooknet.config import NetworkSettings
from hooknet.dhcp.client import Client
from hooknet.dhcp.effects import GaveUp
from hooknet.dhcp.states import State
from hooknet.kernel.addresses import Plan
from hooknet.lifecycle.requests import AttachmentView
from hooknet.lifecycle.timing import Timing
from hooknet.model import AttachmentKey, Phase
from hooknet.store.records import Record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hooknet.lifecycle.session import Session

SETTLED = frozenset({Phase.CONFIGURED, Phase.REPLIED})
DYING = 30.0
"""Seconds in which a netns without a name may still answer ARP: a burst of ends queues in the kernel."""


class Entry:
    """One generation of one attachment, alive in this daemon."""

    def __init__(self, record: Record, settings: NetworkSettings) -> None:
        self.record = record
        self.settings = settings
        self.client: Client | None = None
        self.session: Session | None = None
        self.plan: Plan | None = None
        self.owns_link = False
        self.sets_address = True
        """Whether the first address is ours to set; an IPAM plugin only tells it."""
        self.is_being_answered = False
        """From the end of the ADD until the front end says what became of the answer."""
        self.is_in_doubt = False
        """An earlier daemon was killed before it knew whether the caller has its answer."""
        self.parent_mtu: int | None = None
        self.link_kind: str | None = None
        """Of a link that another main plugin made: `bridge`'s veth, `ipvlan`, …"""
        self.ready = asyncio.Event()
        self.gave_up: GaveUp | None = None
        self.problem: BaseException | None = None
        self.timing = Timing()
        self.note = ""

    @property
    def key(self) -> AttachmentKey:
        return self.record.key

    @property
    def generation(self) -> int:
        return self.record.generation

    @property
    def parent(self) -> str:
        return self.record.attachment.parent

    @property
    def host_parent(self) -> str | None:
        """The parent on the host; None where it lies in the container's netns, and has a name of its own."""
        return None if self.record.parent_in_netns else self.record.attachment.parent

    @property
    def state(self) -> str:
        """The client's; `L2` where no lease is ours, `INIT` before there is a client."""
        if self.record.l2_only:
            return "L2"
        return (self.client.state if self.client is not None else State.INIT).name

    def is_replied(self) -> bool:
        """Whether the caller has its answer, so the lease is in use and hooks are owed."""
        return self.record.phase is Phase.REPLIED

    def is_settled(self) -> bool:
        """Whether the attachment is complete, so a duplicate ADD is an error and no half-made thing is resumed."""
        return self.record.phase in SETTLED

    def view(self) -> AttachmentView:
        record = self.record
        request = record.request
        binding = record.binding
        return AttachmentView(
            attachment=record.attachment,
            phase=record.phase.value,
            state=self.state,
            mac=record.mac,
            client_id=record.client_id.hex(),
            hostname=(request.fqdn or request.hostname) if request else None,
            lease=binding.lease if binding else None,
            changed_by=record.changed_by,
            timing=self.timing.view(),
            note=self.note,
            host_parent=self.host_parent,
        )


class Locks:
    """Asyncio locks by name, made when first wanted and dropped when nobody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[Any, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, name: Any) -> AsyncIterator[None]:
        lock, users = self._locks.get(name, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)

    def is_held(self, name: Any) -> bool:
        return name in self._locks


class Registry:
    """Every entry, and the generation counter. Generations only ever grow."""

    def __init__(self, newest_generation: int = 0) -> None:
        self._entries: dict[AttachmentKey, Entry] = {}
        self._holders: dict[bytes, Entry] = {}
        self._dying: dict[str, float] = {}
        self.newest_generation = newest_generation
        self.keys = Locks()
        self.identities = Locks()

    def next_generation(self) -> int:
        self.newest_generation += 1
        return self.newest_generation

    def add(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        if entry.record.client_id:
            self._holders[entry.record.client_id] = entry

    def remove(self, entry: Entry) -> None:
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        if self._holders.get(entry.record.client_id) is entry:
            del self._holders[entry.record.client_id]

    def get(self, key: AttachmentKey) -> Entry | None:
        return self._entries.get(key)

    def holder(self, client_id: bytes) -> Entry | None:
        """Who holds, or is acquiring, this identity."""
        return self._holders.get(client_id)

    def of_container(self, container_id: str, network: str | None = None) -> list[Entry]:
        return [
            e
            for e in self._entries.values()
            if e.key.container_id == container_id and network in {None, e.key.network}
        ]

    def left_dying(self, mac: str, now: float) -> None:
        """An interface with this MAC is going with its netns, which the kernel takes apart in its own time."""
        self._dying = {mac: until for mac, until in self._dying.items() if until > now}
        self._dying[mac] = now + DYING

    def is_no_rival(self, entry: Entry, mac: str, now: float) -> bool:
        """Whether what `mac` says about the entry's address is no conflict.

        Another interface of its own container answers for it too, when both are on one LAN; and so does, for a
        while, a predecessor whose netns is going.
        """
        if self._dying.get(mac, now) > now:
            return True
        return any(other.record.mac == mac for other in self.of_container(entry.key.container_id))

    def is_crowded(self, parent: str, count: int) -> bool:
        """Whether there are `count` attachments or more on this parent of the host."""
        there = (entry for entry in self._entries.values() if entry.host_parent == parent)
        return sum(1 for _ in islice(there, count)) == count

    def is_current(self, entry: Entry) -> bool:
        return self._entries.get(entry.key) is entry

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)
