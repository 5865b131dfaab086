"""How an attachment ends: RELEASING in the journal, the RELEASE on the wire, the link, then the row and the hooks.

Rules.
- The RELEASE is a frame, sent from the container's netns while that exists (a server in a sibling container does
  not hear the parent), else from the parent with the container's source MAC.
- No RELEASE, retried or late, leaves for an identity that a newer generation holds or is acquiring.
- An ending never raises for what the network did. What could not be sent stays in the journal as RELEASING and is
  tried again by reconcile until the lease has run out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hooknet.dhcp.effects import Send
from hooknet.dhcp.sends import release_message, release_offer
from hooknet.errors import HooknetError
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.ports import Netns
from hooknet.model import AttachmentKey, Phase, ReleaseReason
from hooknet.store.records import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owed:
    """A RELEASE that could not be sent yet."""

    record: Record
    reason: ReleaseReason


class Endings:
    """Ends entries, and keeps what could not be finished."""

    def __init__(self, leases: Leases, keeper: Keeper) -> None:
        self._leases = leases
        self._services = leases.services
        self._keeper = keeper
        self._owed: dict[tuple[AttachmentKey, int], Owed] = {}

    async def end(
        self,
        entry: Entry,
        netns: Netns | None,
        reason: ReleaseReason,
        *,
        delete_link: bool,
        silent: bool = False,
    ) -> None:
        """End this attachment. `silent`: the lease is left to lapse (no RELEASE), for a server that we can't ask."""
        await self._keeper.stop(entry)
        record = entry.record
        lease = record.binding.lease if record.binding else None
        deliveries = self._leases.release(entry, lease, reason) if lease is not None else ()
        entry.record = replace(record, phase=Phase.RELEASING)
        await self._services.journal.put(entry.record, kept=True)
        self._services.registry.remove(entry)
        self._leases.moved(entry.parent)
        sent = silent or await self.send_release(record, netns)
        if netns is not None and delete_link:
            await self._delete_link(netns, record)
        if sent:
            removed = self._services.journal.remove(record.key, record.generation, deliveries)
        else:
            self._owed[record.key, record.generation] = Owed(entry.record, reason)
            removed = self._services.journal.deliver(deliveries)
        if deliveries:
            removed.add_done_callback(lambda _: self._services.hooks.wake())
        if lease is not None and record.hears:
            self._services.bus.publish(
                "release", **who(record.attachment), address=str(lease.address), reason=reason.value
            )

    async def send_release(self, record: Record, netns: Netns | None) -> bool:
        """Give back what was, or may have been, granted. True when nothing more is owed to the server."""
        holder = self._services.registry.holder(record.client_id)
        if holder is not None and holder.generation > record.generation:
            return True
        message = self._release_of(record)
        if message is None:
            return True
        attachment = record.attachment
        try:
            if netns is not None and await self._from_netns(netns, record, message):
                return True
            await self._services.machine.send_on_parent(attachment.parent, message, record.mac)
        except (HooknetError, OSError) as error:
            log.warning("%s: the RELEASE could not be sent and will be tried again: %s", record.key, error)
            return False
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
        if record.binding is not None:
            return release_message(record.binding, xid)
        if record.offer is not None and record.request is not None:
            return release_offer(record.offer, record.request, xid)
        return None

    async def _delete_link(self, netns: Netns, record: Record) -> None:
        try:
            await netns.delete_link(record.attachment.ifname, record.mac)
        except (HooknetError, OSError) as error:
            log.warning("%s: the interface could not be removed: %s", record.key, error)

    # what is still owed

    def owe(self, record: Record, reason: ReleaseReason) -> None:
        """A RELEASING row of an earlier daemon."""
        self._owed[record.key, record.generation] = Owed(record, reason)

    def owed(self) -> Iterator[Owed]:
        return iter(list(self._owed.values()))

    async def retry(self) -> None:
        """Try every RELEASE that is owed once more; drop those whose lease has run out."""
        for owed in self.owed():
            record = owed.record
            if self._has_lapsed(record) or await self.send_release(record, None):
                del self._owed[record.key, record.generation]
                self._services.journal.remove(record.key, record.generation)

    def _has_lapsed(self, record: Record) -> bool:
        """By the wall clock: the row may be from another boot. Without a binding it is tried once more only."""
        if record.binding is None:
            return True
        expires = record.binding.lease.expires
        return expires is not None and expires.timestamp() <= self._services.machine.wall()
