"""One DEL: idempotent, best effort, and always quick. It never fails for what the network or the kernel did.

An unknown attachment is a success (DEL before ADD, twice, after a purge); its interface is removed all the same
when it is a macvlan and the netns is there. A DEL that comes while the ADD runs cancels the ADD, then cleans.
"""

from __future__ import annotations

import logging

from hooknet.errors import HooknetError
from hooknet.lifecycle.ending import Endings, entered
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.requests import DetachRequest
from hooknet.lifecycle.services import Services
from hooknet.model import ReleaseReason
from hooknet.store.records import NetnsKey

log = logging.getLogger(__name__)


class Detacher:
    """Carries out DELs and the endings that nobody asked for."""

    def __init__(self, services: Services, endings: Endings) -> None:
        self._services = services
        self._endings = endings

    async def detach(self, request: DetachRequest) -> Entry | None:
        """The caller holds the attachment's lock. Returns what was ended, None when there was nothing."""
        entry = self._services.registry.get(request.key)
        if entry is not None and is_meant(entry, request):
            await self.end(entry, ReleaseReason.DETACHED, delete_link=request.delete_link)
            if request.delete_link and entry.record.mode is not None:
                await self._delete_stray(
                    entry.record.attachment.netns, request.key.ifname, entry.record.netns_id
                )
            return entry
        if entry is None and request.netns is not None and request.delete_link:
            await self._delete_stray(request.netns, request.key.ifname)
        return None

    async def end(
        self, entry: Entry, reason: ReleaseReason, *, delete_link: bool = True, silent: bool = False
    ) -> None:
        """End `entry`, in its netns where that still is the one of the ADD."""
        record = entry.record
        async with (
            self._services.registry.identities.hold(record.client_id),
            self._endings.netns_of(record) as netns,
        ):
            ours = record.mode is not None
            await self._endings.end(entry, netns, reason, delete_link=delete_link and ours, silent=silent)

    async def _delete_stray(self, path: str, ifname: str, expected: NetnsKey | None = None) -> None:
        """The macvlan of that name, whatever its MAC: a later plugin or the container may have changed it."""
        async with entered(self._services.machine, path, expected) as netns:
            if netns is None:
                return
            try:
                await netns.delete_link(ifname, None)
            except (HooknetError, OSError) as error:
                log.info("the interface %s in %s was left: %s", ifname, path, error)


def is_meant(entry: Entry, request: DetachRequest) -> bool:
    """Whether a DEL, perhaps from a tombstone, is about this generation of the attachment."""
    record = entry.record
    if request.at is not None and record.created > request.at:
        return False
    return request.netns_id in {None, (0, 0), record.netns_id}
