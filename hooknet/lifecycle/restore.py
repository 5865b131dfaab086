"""Restoring a lease after a start of the daemon, without touching the wire when nothing is in doubt.

The binding's times are CLOCK_BOOTTIME of this boot, so the client goes on where the last daemon stopped: BOUND,
RENEWING, REBINDING, or EXPIRED by now. When the address is not on the interface the lease is in doubt, and the
client verifies it first (INIT-REBOOT, RFC 2131 section 3.2). So is one that was rebuilt, of which nothing but the
address is known: plugins hear RESTORED when a server has said what it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from hooknet.dhcp.client import Client, Patience
from hooknet.dhcp.effects import Effect
from hooknet.errors import HooknetError
from hooknet.lifecycle.clients import make_client
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.leases import Leases, wanted_plan
from hooknet.model import PostLeaseReason


class Restorer:
    """Gives the entries of an earlier daemon their clients back."""

    def __init__(self, leases: Leases, keeper: Keeper) -> None:
        self._leases = leases
        self._services = leases.services
        self._keeper = keeper

    async def restore(self, entry: Entry) -> None:
        """The caller holds the attachment's lock, and has seen that netns and link are there."""
        record = entry.record
        entry.parent_mtu = await self._parent_mtu(entry)
        if record.request is None:
            await self._leases.commit(record, ())
            return
        if record.mode is None:
            entry.link_kind = await self._link_kind(entry)
        entry.client = make_client(entry, self._services.machine, self._services.randomness, entry.parent_mtu)
        if record.binding is None:
            self._keeper.tell(entry, _start)
            return
        binding = record.binding
        over = binding.expires_at <= self._services.machine.now()
        if over or (not binding.is_in_doubt and await self._has_address(entry)):
            entry.plan = wanted_plan(entry)
            self._keeper.tell(entry, lambda client, now: client.resume(now, binding))
        else:
            await self._configure(entry)
            self._keeper.tell(entry, lambda client, now: client.reboot(now, binding, Patience.BACKGROUND))
        self._leases.moved(entry.parent)
        if binding.is_in_doubt:
            return
        container = await self._leases.container_for_post_lease(entry)
        await self._leases.tell_plugins(entry, PostLeaseReason.RESTORED, None, container)

    async def _has_address(self, entry: Entry) -> bool:
        record = entry.record
        assert record.binding is not None
        async with self._services.machine.netns(record.attachment.netns, record.netns_id) as netns:
            state = await netns.link_state(record.attachment.ifname)
        return state is not None and record.binding.lease.address.ip in {a.ip for a in state.addresses}

    async def _link_kind(self, entry: Entry) -> str | None:
        attachment = entry.record.attachment
        async with self._services.machine.netns(attachment.netns, entry.record.netns_id) as netns:
            state = await netns.link_state(attachment.ifname)
        return state.kind if state is not None else None

    async def _configure(self, entry: Entry) -> None:
        """The lease runs, so the address is ours until a server says otherwise. A rebuilt one is there as it is."""
        attachment = entry.record.attachment
        if entry.record.binding is not None and entry.record.binding.is_in_doubt:
            entry.plan = wanted_plan(entry)
            return
        async with self._services.machine.netns(attachment.netns, entry.record.netns_id) as netns:
            await self._leases.configure(entry, netns)

    async def _parent_mtu(self, entry: Entry) -> int | None:
        record, machine = entry.record, self._services.machine
        try:
            if not record.parent_in_netns:
                return (await machine.parent(entry.parent)).mtu
            async with machine.netns(record.attachment.netns, record.netns_id) as netns:
                return (await machine.parent(entry.parent, netns)).mtu
        except HooknetError:
            return None


def _start(client: Client, now: float) -> Iterable[Effect]:
    return client.start(now, Patience.BACKGROUND)
