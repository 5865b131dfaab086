"""How an attachment ends: RELEASING in the journal, the RELEASE on the wire, the link, then the row and the hooks.

Rules.
- The RELEASE is a frame, sent from the container's netns while that exists (a server in a sibling container does
  not hear the parent), else from the parent with the container's source MAC.
- No RELEASE, retried or late, leaves for an identity that a newer generation holds or is acquiring.
- The `release` hooks are committed with RELEASING, so a daemon that is killed here still owes them.
- An ending never raises for what the network or the kernel did. What could not be sent or removed stays in the
  journal as RELEASING and is tried again by reconcile, in the container's netns while that is the same one, until
  the lease has run out.
- A lease that is left to lapse waits as RELEASING where a shorter time was asked for than was granted (`lapsing`).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from hooknet.dhcp.effects import Send
from hooknet.dhcp.sends import release_message, release_offer
from hooknet.errors import HooknetError
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.lapsing import is_back, release_due
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.ports import Machine, Netns
from hooknet.model import AttachmentKey, Phase, ReleaseReason
from hooknet.store.records import NetnsKey, Record

log = logging.getLogger(__name__)


class Endings:
    """Ends entries, and keeps what could not be finished."""

    def __init__(self, leases: Leases, keeper: Keeper) -> None:
        self._leases = leases
        self._services = leases.services
        self._keeper = keeper
        self._owed: dict[tuple[AttachmentKey, int], Record] = {}

    async def end(
        self,
        entry: Entry,
        netns: Netns | None,
        reason: ReleaseReason,
        *,
        delete_link: bool,
        silent: bool = False,
    ) -> None:
        """End this attachment. `silent`: the lease is left to lapse: no RELEASE, or none before its time."""
        await self._keeper.stop(entry)
        record = entry.record
        lease = record.binding.lease if record.binding else None
        deliveries = self._leases.release(entry, lease, reason) if lease is not None else ()
        entry.record = releasing = _releasing(record, delete_link=delete_link, silent=silent)
        written = self._services.journal.put(releasing, deliveries, kept=True)
        self._services.registry.remove(entry)
        await written
        self._leases.moved(entry.parent)
        if lease is not None:
            self._forget_before(record)
        if await self._clean_up(releasing, netns):
            self._services.journal.remove(record.key, record.generation)
        else:
            self._owed[record.key, record.generation] = releasing
        if deliveries:
            self._services.hooks.wake()
        if lease is not None and record.hears:
            self._services.bus.publish(
                "release", **who(record.attachment), address=str(lease.address), reason=reason.value
            )

    async def _clean_up(self, record: Record, netns: Netns | None) -> bool:
        """The RELEASE, then the link. True when nothing more is to be done."""
        if record.release_at is not None:
            if is_back(record, (entry.record for entry in self._services.registry)):
                return True
            if self._services.machine.wall() < record.release_at:
                return False
            log.info("%s: its container did not come back in the time that was asked for", record.key)
        if netns is None:
            self._services.registry.left_dying(record.mac, self._services.machine.now())
        sent = await self._send_release(record, netns)
        removed = netns is None or record.mode is None or await self._delete_link(netns, record)
        return sent and removed

    async def _send_release(self, record: Record, netns: Netns | None) -> bool:
        """Give back what was, or may have been, granted. True when nothing more is owed to the server."""
        holder = self._services.registry.holder(record.client_id)
        if holder is not None and holder.generation > record.generation:
            return True
        message = self._release_of(record)
        if message is None or (netns is None and record.parent_in_netns):
            return True  # nothing was granted, or the parent went with the netns
        try:
            if netns is None or not await self._from_netns(netns, record, message):
                if record.parent_in_netns:
                    return False  # the host's interface of that name is another one
                await self._services.machine.send_on_parent(record.attachment.parent, message, record.mac)
        except (HooknetError, OSError) as error:
            log.warning("%s: the RELEASE could not be sent and will be tried again: %s", record.key, error)
            return False
        self._services.bus.publish(
            "dhcp", **who(record.attachment), message=message.type.name, direction="sent"
        )
        return True

    async def _from_netns(self, netns: Netns, record: Record, message: Send) -> bool:
        try:
            await netns.send_once(record.attachment.ifname, message)
        except (HooknetError, OSError) as error:
            log.info("%s: the RELEASE leaves from the parent: %s", record.key, error)
            return False
        return True

    def _release_of(self, record: Record) -> Send | None:
        xid = self._services.randomness.getrandbits(32)
        if record.binding is not None and record.binding.is_in_doubt:
            return None  # no server is known that it could go to
        if record.binding is not None:
            return release_message(record.binding, xid)
        if record.offer is not None and record.request is not None:
            return release_offer(record.offer, record.request, xid)
        return None

    async def _delete_link(self, netns: Netns, record: Record) -> bool:
        successor = self._services.registry.get(record.key)
        if successor is not None and successor.record.netns_id == record.netns_id:
            return True  # what is there by that name is not ours any more
        try:
            await netns.delete_link(record.attachment.ifname, record.mac)
        except (HooknetError, OSError) as error:
            log.warning("%s: the interface could not be removed: %s", record.key, error)
            return False
        return True

    # what is still owed

    def owe(self, record: Record) -> None:
        """A RELEASING row of an earlier daemon."""
        self._owed[record.key, record.generation] = record

    def parent_renamed(self, old: str, new: str) -> None:
        """What is owed leaves from the parent under its new name."""
        for place, record in self._owed.items():
            if record.attachment.parent == old and not record.parent_in_netns:
                self._owed[place] = under_parent(record, new)
                self._services.journal.put(self._owed[place], kept=True)

    def _forget_before(self, record: Record) -> None:
        """Whoever had the lease after them has it given back: predecessors that lapse owe nothing any more."""
        for owed in list(self._owed.values()):
            is_older = owed.client_id == record.client_id and owed.generation < record.generation
            if is_older and owed.release_at is not None:
                del self._owed[owed.key, owed.generation]
                self._services.journal.remove(owed.key, owed.generation)

    async def retry(self) -> None:
        """Try everything that is owed once more; drop what has lapsed."""
        for record in list(self._owed.values()):
            async with self._services.registry.keys.hold(record.key):
                await self._finish(record)

    async def settle(self, key: AttachmentKey) -> None:
        """Before an ADD under this key: what its predecessors left. The caller holds the key's lock."""
        for record in list(self._owed.values()):
            if record.key == key:
                await self._finish(record)

    async def _finish(self, record: Record) -> None:
        """Under the identity's lock too, so that no RELEASE leaves while a newer generation is acquiring it."""
        async with (
            self._services.registry.identities.hold(record.client_id),
            self.netns_of(record) as netns,
        ):
            if (record.key, record.generation) not in self._owed:
                return
            if await self._clean_up(record, netns) or self._has_lapsed(record):
                del self._owed[record.key, record.generation]
                self._services.journal.remove(record.key, record.generation)

    @asynccontextmanager
    async def netns_of(self, record: Record) -> AsyncIterator[Netns | None]:
        """The netns of an attachment; None when it is gone, as all of an earlier boot are."""
        if record.boot_id != self._services.machine.boot_id:
            yield None
            return
        async with entered(self._services.machine, record.attachment.netns, record.netns_id) as netns:
            yield netns

    def _has_lapsed(self, record: Record) -> bool:
        """By the wall clock: the row may be from another boot. An offer alone is released once and no more."""
        if record.binding is None:
            return True
        expires = record.binding.lease.expires
        return expires is not None and expires.timestamp() <= self._services.machine.wall()


def under_parent(record: Record, parent: str) -> Record:
    """The same attachment on a parent of this name."""
    return replace(record, attachment=replace(record.attachment, parent=parent))


def _releasing(record: Record, *, delete_link: bool, silent: bool) -> Record:
    """The row of an ending, such that a later daemon does neither more nor less than this one was to do."""
    due = release_due(record) if silent else None
    return replace(
        record,
        phase=Phase.RELEASING,
        mode=record.mode if delete_link else None,
        offer=None if silent else record.offer,
        binding=None if silent and due is None else record.binding,
        release_at=due,
    )


@asynccontextmanager
async def entered(
    machine: Machine, path: str, expected: NetnsKey | None = None
) -> AsyncIterator[Netns | None]:
    """The netns at `path`, None when there is none, or not the expected one."""
    async with AsyncExitStack() as stack:
        try:
            netns = await stack.enter_async_context(machine.netns(path, expected))
        except HooknetError as error:
            log.debug("the netns %s can't be entered: %s", path, error)
            netns = None
        yield netns
