"""One ADD, from the caller's wish to a configured interface, with a journal phase before every step that leaves a
trace: hooks -> INTENT -> link -> LINKED -> DISCOVER/OFFER -> REQUESTED -> REQUEST/ACK -> BOUND -> address and
routes -> CONFIGURED. The front end answers the caller and reports `replied`.

Whatever goes wrong on the way (an error, a deadline, a caller that is gone, a DEL) undoes the whole: the lease is
released, the link deleted, the row dropped. The undoing itself is never cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace

from hooknet.config import NetworkSettings
from hooknet.dhcp.client import Client, Patience
from hooknet.errors import HooknetError, Kind, Refused
from hooknet.kernel.links import MacInUse, Parent
from hooknet.lifecycle.clients import make_client
from hooknet.lifecycle.deadline import Deadline
from hooknet.lifecycle.ending import Endings
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.identity import mac_for, random_mac
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.no_lease import no_lease
from hooknet.lifecycle.ports import Link, Netns
from hooknet.lifecycle.probing import servers_answering
from hooknet.lifecycle.ready import ready_parent
from hooknet.lifecycle.requests import Attached, AttachRequest
from hooknet.lifecycle.to_the_end import to_the_end
from hooknet.lifecycle.wish import Wishes
from hooknet.model import MacvlanMode, Phase, ReleaseReason

log = logging.getLogger(__name__)

MAC_WAIT = 3.0  # seconds, as the next
MAC_POLL = 0.05


class Attacher:
    """Carries out ADDs."""

    def __init__(self, leases: Leases, keeper: Keeper, endings: Endings, wishes: Wishes) -> None:
        self._leases = leases
        self._services = leases.services
        self._keeper = keeper
        self._endings = endings
        self._wishes = wishes

    async def attach(self, request: AttachRequest) -> Attached:
        """The caller holds the attachment's lock. Raises HooknetError; then nothing is left behind."""
        async with self._services.machine.netns(request.netns, own=request.own_netns) as netns:
            settings = self._services.config.settings_for(request.key.network, request.given)
            return await self._attach(request, settings, netns)

    async def _attach(self, request: AttachRequest, settings: NetworkSettings, netns: Netns) -> Attached:
        deadline = Deadline.after(settings.timeout)
        parent = await ready_parent(self._services.machine, request, netns, deadline)
        request.timing.mark("parent")
        entry = await self._wishes.intend(request, settings, netns, parent)
        async with AsyncExitStack() as locks:
            await self._wishes.take_identity(entry, request, locks)
            self._services.registry.add(entry)
            try:
                return await self._carry_out(entry, request, netns, parent, deadline)
            except BaseException:
                await self._undo(entry, netns)
                raise

    async def _carry_out(
        self, entry: Entry, request: AttachRequest, netns: Netns, parent: Parent, deadline: Deadline
    ) -> Attached:
        journal = self._services.journal
        await journal.put(entry.record)
        entry.timing.mark("intent")
        link = await self._make_link(entry, request, netns, parent, deadline)
        entry.timing.mark("link")
        entry.link_kind = link.kind
        entry.record = replace(entry.record, phase=Phase.LINKED, mac=link.mac)
        if request.assign is not None:
            await netns.configure_fixed(request.key.ifname, await request.assign())
        if request.l2_only:
            entry.record = replace(entry.record, phase=Phase.CONFIGURED)
            await journal.put(entry.record)
            return self._attached(entry, link)
        journal.note(entry.record)
        entry.client = self._client(entry, parent)
        self._keeper.begin(entry, lambda client, now: client.start(now, Patience.ATTACH))
        await self._lease(entry, parent, deadline)
        self._check_address(entry, request)
        return self._attached(entry, link)

    def _client(self, entry: Entry, parent: Parent) -> Client:
        assert entry.record.request is not None
        return make_client(entry, self._services.machine, self._services.randomness, parent.mtu)

    async def _make_link(
        self, entry: Entry, request: AttachRequest, netns: Netns, parent: Parent, deadline: Deadline
    ) -> Link:
        """A MAC may still be held by a dying netns: wait, bounded; then take another, or name who holds a pin.

        Half of what is left is kept for the lease.
        """
        patience = Deadline.after(min(MAC_WAIT, deadline.left / 2))
        while True:
            try:
                return await self._try_link(entry, request, netns, parent)
            except MacInUse as error:
                if not patience.left:
                    if entry.record.mac != mac_for(request.key, self._services.host):
                        raise self._name_holder(entry, error) from None
                    await self._take_another_mac(entry)
            await asyncio.sleep(MAC_POLL)

    async def _take_another_mac(self, entry: Entry) -> None:
        """Nobody asked for the one that is held. Journalled before it is used: recovery knows links by their MAC."""
        mac, asked = random_mac(self._services.randomness.getrandbits(40)), entry.record.request
        log.warning("%s: its MAC %s is held on %s: it has %s", entry.key, entry.record.mac, entry.parent, mac)
        asked = replace(asked, mac=mac) if asked is not None else None
        entry.record = replace(entry.record, mac=mac, request=asked)
        await self._services.journal.put(entry.record)

    async def _try_link(self, entry: Entry, request: AttachRequest, netns: Netns, parent: Parent) -> Link:
        """Make the link, or take the one that the main plugin made. What was not made is not ours to delete."""
        ifname, mac = request.key.ifname, entry.record.mac
        if request.link is None:
            return await netns.adopt_link(ifname, mac)
        entry.owns_link = True
        try:
            make = netns.make_link_inside if request.parent_in_netns else netns.make_link
            link = await make(parent, ifname, mac, request.link)
        except HooknetError:
            entry.owns_link = False
            raise
        if request.link.mode is not MacvlanMode.PASSTHRU:
            return link
        # the kernel makes a passthru macvlan with its parent's MAC, whatever it is told
        return await netns.adopt_link(ifname, mac)

    def _name_holder(self, entry: Entry, error: MacInUse) -> HooknetError:
        others = (e for e in self._services.registry if e is not entry and e.record.mac == entry.record.mac)
        holder = next(others, None)
        who = f"held by {holder.key} ({holder.record.attachment.container_name})" if holder else error.details
        return HooknetError(
            Kind.PARENT,
            f"the MAC {entry.record.mac} is still in use on {entry.parent}",
            details=who,
            hint="stop that container, or pin another MAC",
        )

    async def _lease(self, entry: Entry, parent: Parent, deadline: Deadline) -> None:
        """Wait until a lease is on the interface and nothing speaks against it."""
        patience = deadline.left
        asking = self._services.spawn(
            self._ask_for_servers(entry, parent, deadline), f"looking for servers on {parent.name}"
        )
        try:
            async with asyncio.timeout_at(deadline.at):
                while not self._is_leased(entry, patience):
                    entry.ready.clear()
                    await entry.ready.wait()
        except TimeoutError:
            raise no_lease(entry, self._leases, patience) from None
        finally:
            asking.cancel()

    async def _ask_for_servers(self, entry: Entry, parent: Parent, deadline: Deadline) -> None:
        """When no OFFER has come in half of the time: is there a server at all?"""
        await asyncio.sleep(deadline.left / 2)
        if entry.record.offer is not None or entry.host_parent is None:
            return
        if await servers_answering(self._services, parent):
            self._leases.seen_servers[parent.name] = self._services.machine.now()

    def _is_leased(self, entry: Entry, patience: float) -> bool:
        if entry.problem is not None:
            raise entry.problem
        if entry.gave_up is not None:
            raise no_lease(entry, self._leases, patience)
        return entry.record.binding is not None and entry.record.phase is Phase.CONFIGURED

    def _check_address(self, entry: Entry, request: AttachRequest) -> None:
        assert entry.record.binding is not None
        lease = entry.record.binding.lease
        if request.requested_address is not None and lease.address.ip != request.requested_address:
            raise Refused(
                f"the DHCP server {lease.server} granted {lease.address.ip}, not {request.requested_address}",
                hint="reserve that address on the server for this client, or leave --ip away",
            )

    def _attached(self, entry: Entry, link: Link) -> Attached:
        entry.is_being_answered = True
        binding = entry.record.binding
        return Attached(
            attachment=entry.record.attachment,
            mac=link.mac,
            mtu=entry.plan.mtu if entry.plan is not None and entry.plan.mtu else link.mtu,
            settings=entry.settings,
            lease=binding.lease if binding is not None else None,
        )

    async def _undo(self, entry: Entry, netns: Netns) -> None:
        work = self._endings.end(entry, netns, ReleaseReason.DETACHED, delete_link=entry.owns_link)
        undoing = self._services.spawn(work, f"undoing {entry.key}")
        await to_the_end(asyncio.wait([undoing]))  # its failure is logged, and changes nothing for the caller
