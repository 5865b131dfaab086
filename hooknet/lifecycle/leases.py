"""What happens to an attachment when its lease does: journal, interface, hooks, memory, in that order.

Until the caller has its answer (phase REPLIED) no hook fires: the phases go OFFER -> REQUESTED -> BOUND ->
CONFIGURED, and a lease lost on the way is simply not there yet. Afterwards the phase stays REPLIED, whatever
becomes of the lease, and each change queues its hook in the same transaction as the change. `release` is queued
only for a lease whose `post_lease` was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from hooknet.dhcp.effects import Bound, Offer
from hooknet.errors import HooknetError
from hooknet.kernel.addresses import Plan, plan_for
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.services import Services
from hooknet.model import Container, Lease, Phase, PostLeaseReason, ReleaseReason
from hooknet.outbox import Delivery
from hooknet.store.records import Record

log = logging.getLogger(__name__)

UNCHANGED = frozenset({PostLeaseReason.RENEWED, PostLeaseReason.REBOUND})
"""The same address as before, with a new end."""


class Leases:
    """Carries out what a client decided about the lease of an entry."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.seen_servers: dict[str, float] = {}
        self.silent_parents: dict[str, float] = {}
        self.moved: Callable[[str], None] = lambda _parent: None
        """Told the parent on which a lease came, went or moved."""

    async def offered(self, entry: Entry, offer: Offer) -> None:
        """On disk before the REQUEST leaves, so that what may be granted can be released after a crash."""
        self.heard_server(entry, "OFFER")
        phase = entry.record.phase if entry.record.phase is Phase.REPLIED else Phase.REQUESTED
        entry.record = replace(entry.record, offer=offer, phase=phase)
        entry.timing.mark("offer")
        await self.services.journal.put(entry.record, kept=phase is Phase.REPLIED)

    def heard_server(self, entry: Entry, message: str) -> None:
        """A server answered on this parent: its pool is not exhausted."""
        if (parent := entry.host_parent) is not None:
            self.seen_servers[parent] = self.services.machine.now()
            self.silent_parents.pop(parent, None)
        about = who(entry.record.attachment)
        self.services.bus.publish("dhcp", **about, message=message, direction="received")

    async def bound(self, entry: Entry, netns: Netns, effect: Bound) -> None:
        """A lease was granted, renewed or changed: use it."""
        entry.timing.mark("ack")
        self.heard_server(entry, "ACK")
        before, lease = entry.record.binding, effect.binding.lease
        entry.record = replace(entry.record, binding=effect.binding, offer=None)
        confirmed = before is not None and before.is_in_doubt
        if before is None or confirmed or before.lease.address != lease.address:
            self._remember(entry, lease)
        if entry.record.phase is Phase.REPLIED:
            if confirmed:
                effect = replace(effect, reason=PostLeaseReason.RESTORED, previous=None)
            await self._renewed(entry, netns, effect)
        else:
            await self._granted(entry, netns)

    async def _granted(self, entry: Entry, netns: Netns) -> None:
        journal = self.services.journal
        journal.note(replace(entry.record, phase=Phase.BOUND))
        if not entry.sets_address:
            entry.plan = wanted_plan(entry)  # the main plugin sets what we answer
        else:
            await self.configure(entry, netns)
        entry.timing.mark("address")
        entry.record = replace(entry.record, phase=Phase.CONFIGURED)
        await journal.put(entry.record)
        entry.timing.mark("journal")
        entry.ready.set()

    async def _renewed(self, entry: Entry, netns: Netns, effect: Bound) -> None:
        entry.note = ""
        try:
            await self._configure_again(entry, netns, effect.binding.lease.server)
        except (HooknetError, OSError) as error:
            entry.note = f"the lease could not be set on the interface: {error}"
            log.warning("%s: %s", entry.key, entry.note)
        container = await self.container_for_post_lease(entry)
        await self.tell_plugins(entry, effect.reason, effect.previous, container)

    async def container_for_post_lease(self, entry: Entry) -> Container | None:
        """What plugins are told of the container: looked up only when one of them asks for it."""
        known = self.services.podman.cached(entry.key.container_id)
        if known is None and self.services.hooks.wants_container("post_lease"):
            return await self.services.podman.lookup(entry.key.container_id)
        return known

    async def tell_plugins(
        self, entry: Entry, reason: PostLeaseReason, previous: Lease | None, container: Container | None
    ) -> None:
        """Queue `post_lease` for the lease that is in use now, and from now on owe its `release`.

        Where nothing is new but its end, or that the caller was answered, and no plugin hears of it, the disk is not
        waited for: a daemon that is killed first finds an older end, and asks the server earlier than it had to.
        """
        binding, is_on_disk = entry.record.binding, reason in UNCHANGED or not entry.is_replied()
        entry.record = replace(entry.record, phase=Phase.REPLIED, hears=binding is not None)
        if binding is None:  # lost in the meantime
            await self.commit(entry.record, ())
            return
        deliveries = self.services.hooks.deliveries_for_post_lease(
            entry.record.attachment, binding.lease, reason, previous, container
        )
        if is_on_disk and not deliveries:
            self.services.journal.keep(entry.record)
        else:
            await self.commit(entry.record, deliveries)
        self.publish_lease(entry, binding.lease, reason)

    async def introduce(self, entry: Entry, plugins: Collection[str]) -> None:
        """Queue `post_lease(RESTORED)` for these plugins only."""
        binding = entry.record.binding
        if binding is None or binding.is_in_doubt:  # they will hear of it when a server has confirmed it
            return
        container = await self.container_for_post_lease(entry)
        deliveries = self.services.hooks.deliveries_for_post_lease(
            entry.record.attachment, binding.lease, PostLeaseReason.RESTORED, None, container
        )
        await self.services.journal.deliver([one for one in deliveries if one.plugin in plugins])
        self.services.hooks.wake()

    def publish_lease(self, entry: Entry, lease: Lease, reason: PostLeaseReason) -> None:
        """Tell whoever follows hooknet's events."""
        self.services.bus.publish("lease", **_about(entry, lease), reason=reason.value)

    async def lost(self, entry: Entry, netns: Netns | None, lease: Lease, reason: ReleaseReason) -> None:
        """The lease is no longer ours: the address goes at once, then the journal and the hooks hear it."""
        entry.ready.clear()
        if reason is ReleaseReason.NAK:
            self.heard_server(entry, "NAK")
        if netns is not None and entry.plan is not None:
            try:
                await netns.flush(entry.record.attachment.ifname, entry.plan)
            except (HooknetError, OSError) as error:
                log.warning("%s: the address could not be removed: %s", entry.key, error)
        entry.plan = None
        deliveries = self.release(entry, lease, reason)
        entry.record = replace(entry.record, binding=None, hears=False)
        entry.note = f"lost {lease.address.ip}: {reason.value}"
        if entry.record.phase is Phase.CONFIGURED:
            entry.record = replace(entry.record, phase=Phase.REQUESTED)
        self.moved(entry.parent)
        await self.commit(entry.record, deliveries)
        self.services.bus.publish("release", **_about(entry, lease), reason=reason.value)

    def parent_renamed(self, old: str, new: str) -> None:
        """What is known of its servers is known under the new name."""
        for known in (self.seen_servers, self.silent_parents):
            if old in known:
                known[new] = known.pop(old)

    def declined(self, entry: Entry, offer: Offer) -> None:
        """Another host uses the address: the client has said so to the server and asks for another one."""
        entry.note = f"{offer.address} is in use by another host and was declined"
        log.warning("%s: %s", entry.key, entry.note)

    async def configure(self, entry: Entry, netns: Netns) -> None:
        """Put the entry's lease on the interface, as a change from what is there from us."""
        plan = wanted_plan(entry)
        if plan is None or plan == entry.plan:
            return
        notes = await netns.configure(entry.record.attachment.ifname, plan, entry.plan)
        entry.plan = plan
        entry.note = "; ".join(notes)

    async def _configure_again(self, entry: Entry, netns: Netns, server: IPv4Address) -> None:
        """As `configure`; and a RELEASE goes where the kernel's own frames to the server go now.

        The server, or the router before it, may have been replaced, and a UDP socket does not tell who answered.
        """
        plan = wanted_plan(entry)
        if plan is None:
            return
        notes, next_hop = await netns.renew(entry.record.attachment.ifname, plan, entry.plan, server)
        entry.plan = plan
        entry.note = "; ".join(notes)
        binding = entry.record.binding
        if next_hop is None or binding is None or binding.lease.server_mac == next_hop:
            return
        entry.record = replace(entry.record, binding=binding.by_way_of(next_hop))
        if entry.client is not None:
            entry.client.next_hop_is(next_hop)

    def release(self, entry: Entry, lease: Lease, reason: ReleaseReason) -> tuple[Delivery, ...]:
        """The `release` deliveries that are owed: none when `post_lease` was never queued."""
        if not entry.record.hears:
            return ()
        container = self.services.podman.cached(entry.key.container_id)
        return self.services.hooks.deliveries_for_release(entry.record.attachment, lease, reason, container)

    async def commit(self, record: Record, deliveries: Sequence[Delivery]) -> None:
        """Write a change of a lease that is in use; the plugins are told once it is on disk."""
        await self.services.journal.put(record, deliveries, kept=True)
        if deliveries:
            self.services.hooks.wake()

    def _remember(self, entry: Entry, lease: Lease) -> None:
        memory, address = self.services.memory, str(lease.address.ip)
        key = (entry.key.network, entry.record.client_id)
        self.moved(entry.parent)
        if memory.get(key) != address:
            memory[key] = address
            self.services.journal.remember(*key, address)


def wanted_plan(entry: Entry) -> Plan | None:
    """What the entry's lease means for its interface; None without a lease.

    An MTU that was asked for was set with the link and goes before the lease's; another main plugin's is its own.
    """
    record, binding = entry.record, entry.record.binding
    if binding is None:
        return None
    plan = plan_for(binding.lease, entry.settings, entry.parent_mtu, binding.expires_at)
    is_the_leases = record.mode is not None and record.mtu is None
    return plan if is_the_leases else replace(plan, mtu=None)


def _about(entry: Entry, lease: Lease) -> dict[str, object]:
    return {
        **who(entry.record.attachment),
        "address": str(lease.address),
        "server": str(lease.server),
        "lease_time": lease.lease_time,
    }
