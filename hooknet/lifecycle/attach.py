"""One ADD, from the caller's wish to a configured interface, with a journal phase before every step that leaves a
trace: INTENT -> hooks -> link -> LINKED -> DISCOVER/OFFER -> REQUESTED -> REQUEST/ACK -> BOUND -> address and
routes -> CONFIGURED. The front end answers the caller and reports `replied`.

Whatever goes wrong on the way (an error, a deadline, a caller that is gone, a DEL) undoes the whole: the lease is
released, the link deleted, the row dropped. The undoing itself is never cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address

from hooknet.config import NetworkSettings
from hooknet.dhcp.client import Client, Patience
from hooknet.dhcp.compose import DEFAULT_PARAMETERS, check
from hooknet.dhcp.names import asked_host_name, host_label
from hooknet.errors import HooknetError, Kind, Refused
from hooknet.kernel.links import MacInUse, MacvlanMode, Parent
from hooknet.lifecycle.clients import make_client
from hooknet.lifecycle.deadline import Deadline
from hooknet.lifecycle.ending import Endings
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.identity import client_id_for, fallback_client_id, mac_for, random_mac
from hooknet.lifecycle.keep import Keeper
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.macs import first_mac
from hooknet.lifecycle.ports import Link, Netns
from hooknet.lifecycle.probing import servers_answering
from hooknet.lifecycle.ready import ready_parent
from hooknet.lifecycle.requests import Attached, AttachRequest
from hooknet.model import Attachment, LeaseRequest, Phase, ReleaseReason
from hooknet.store.records import Record

log = logging.getLogger(__name__)

INFRA_CONTAINER = re.compile(r"[0-9a-f]{12}-infra")
MAC_WAIT = 3.0  # seconds, as all below
MAC_POLL = 0.05
RECENTLY = 3600.0


class Attacher:
    """Carries out ADDs. `clear` ends an attachment whose netns is gone, before its successor begins."""

    def __init__(
        self,
        leases: Leases,
        keeper: Keeper,
        endings: Endings,
        clear: Callable[[Entry], Awaitable[None]],
    ) -> None:
        self._leases = leases
        self._services = leases.services
        self._keeper = keeper
        self._endings = endings
        self._clear = clear

    async def attach(self, request: AttachRequest) -> Attached:
        """The caller holds the attachment's lock. Raises HooknetError; then nothing is left behind."""
        async with self._services.machine.netns(request.netns, own=request.own_netns) as netns:
            settings = self._services.config.settings_for(request.key.network, request.given)
            return await self._attach(request, settings, netns)

    async def _attach(self, request: AttachRequest, settings: NetworkSettings, netns: Netns) -> Attached:
        deadline = Deadline.after(settings.timeout)
        parent = await ready_parent(self._services.machine, request, netns, deadline)
        request.timing.mark("parent")
        entry = await self.intend(request, settings, netns, parent)
        async with AsyncExitStack() as locks:
            await self.take_identity(entry, request, locks)
            self._services.registry.add(entry)
            try:
                return await self._carry_out(entry, request, netns, parent, deadline)
            except BaseException:
                await self._undo(entry, netns)
                raise

    # the wish

    async def intend(
        self,
        request: AttachRequest,
        settings: NetworkSettings,
        netns: Netns,
        parent: Parent,
    ) -> Entry:
        """Everything that is decided before anything is done. Raises HooknetError, a plugin's Refused among them."""
        services = self._services
        name = await self._name(request)
        attachment = Attachment(
            container_id=request.key.container_id,
            ifname=request.key.ifname,
            network=request.key.network,
            netns=request.netns,
            parent=parent.name,
            container_name=name,
            generation=services.registry.next_generation(),
            runtime=request.runtime,
            aliases=request.aliases,
        )
        mac, origin = await first_mac(request, netns, parent, services.host)
        wish = replace(self._wish(request, settings, name, mac), mac_origin=origin)
        folded = await services.hooks.pre_lease(
            attachment, wish, lambda: services.podman.lookup(request.key.container_id)
        )
        request.timing.mark("hooks")
        asked = await self._settle_identity(request, folded.request)
        check(asked)
        record = Record(
            attachment=attachment,
            phase=Phase.INTENT,
            boot_id=services.machine.boot_id,
            created=services.machine.wall(),
            netns_id=netns.key,
            mac=asked.mac,
            client_id=asked.client_id,
            mode=request.link.mode if request.link is not None else None,
            mtu=request.link.mtu if request.link is not None else None,
            parent_in_netns=request.parent_in_netns,
            parent_index=parent.index,
            l2_only=request.l2_only,
            given=dict(request.given),
            request=None if request.l2_only else asked,
            changed_by=dict(folded.changed_by),
        )
        entry = Entry(record, settings)
        entry.timing = request.timing
        entry.parent_mtu = parent.mtu
        entry.sets_address = request.link is not None or request.sets_address
        return entry

    async def _name(self, request: AttachRequest) -> str | None:
        """The container's name; for podman's infra container (whose own embeds an id) the pod's."""
        name = request.container_name
        if name is None or not INFRA_CONTAINER.fullmatch(name):
            return name
        container = await self._services.podman.lookup(request.key.container_id)
        return container.pod if container is not None else None

    def _wish(
        self, request: AttachRequest, settings: NetworkSettings, name: str | None, mac: str
    ) -> LeaseRequest:
        client_id = client_id_for(request.key, name, mac, settings, self._services.host)
        hostname = asked_host_name(request.hostname or "") or settings.hostname or host_label(name or "")
        hostname = hostname if settings.send_hostname else None
        skipped = set(request.skip_parameters)
        wanted = dict.fromkeys((*DEFAULT_PARAMETERS, *request.parameters))
        return LeaseRequest(
            mac=mac,
            client_id=request.options.get(61, client_id),
            hostname=None if settings.fqdn else hostname,
            fqdn=hostname if settings.fqdn else None,
            requested_address=request.requested_address or self._remembered(request, settings, name, mac),
            lease_time=int(settings.lease_time) if settings.lease_time is not None else None,
            vendor_class=settings.vendor_class,
            user_class=settings.user_class,
            parameters=tuple(code for code in wanted if code not in skipped),
            options={code: value for code, value in request.options.items() if code != 61},  # noqa: PLR2004
        )

    def _remembered(
        self, request: AttachRequest, settings: NetworkSettings, name: str | None, mac: str
    ) -> IPv4Address | None:
        """The address of this identity, or of the one that it was when its network had another name."""
        for network in (request.key.network, *request.formerly):
            key = replace(request.key, network=network)
            identity = client_id_for(key, name, mac, settings, self._services.host)
            if (text := self._services.memory.get((network, identity))) is not None:
                return IPv4Address(text)
        return None

    async def _settle_identity(self, request: AttachRequest, asked: LeaseRequest) -> LeaseRequest:
        """Two live attachments never share an identity: the newcomer falls back to its own id."""
        holder = self._services.registry.holder(asked.client_id)
        if holder is None or holder.key == request.key:
            return asked
        if self._services.machine.identify(holder.record.attachment.netns) != holder.record.netns_id:
            await self._clear(holder)
            return asked
        return _under_own_id(request, asked, holder)

    async def take_identity(self, entry: Entry, request: AttachRequest, locks: AsyncExitStack) -> None:
        """Lock it; whoever waited here for a predecessor's end may find that another newcomer was quicker."""
        registry = self._services.registry
        await locks.enter_async_context(registry.identities.hold(entry.record.client_id))
        holder, asked = registry.holder(entry.record.client_id), entry.record.request
        if holder is not None and asked is not None:
            own = _under_own_id(request, asked, holder)
            entry.record = replace(entry.record, client_id=own.client_id, request=own)
            await locks.enter_async_context(registry.identities.hold(own.client_id))

    # the doing

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
        if request.link.mode != MacvlanMode.PASSTHRU:
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
        asking = self._services.spawn(
            self._ask_for_servers(entry, parent, deadline), f"looking for servers on {parent.name}"
        )
        try:
            async with asyncio.timeout_at(deadline.at):
                while not self._is_leased(entry):
                    entry.ready.clear()
                    await entry.ready.wait()
        except TimeoutError:
            raise self._no_lease(entry) from None
        finally:
            asking.cancel()

    async def _ask_for_servers(self, entry: Entry, parent: Parent, deadline: Deadline) -> None:
        """When no OFFER has come in half of the time: is there a server at all?"""
        await asyncio.sleep(deadline.left / 2)
        if entry.record.offer is not None or entry.host_parent is None:
            return
        if await servers_answering(self._services, parent):
            self._leases.seen_servers[parent.name] = self._services.machine.now()

    def _is_leased(self, entry: Entry) -> bool:
        if entry.problem is not None:
            raise entry.problem
        if entry.gave_up is not None:
            raise self._no_lease(entry)
        return entry.record.binding is not None and entry.record.phase is Phase.CONFIGURED

    def _no_lease(self, entry: Entry) -> HooknetError:
        """Servers whose pool is exhausted just stay silent: say so when one answered lately."""
        waited = f"within {entry.settings.timeout:g} s"
        parent = entry.host_parent
        seen = self._leases.seen_servers.get(parent) if parent is not None else None
        if entry.record.offer is not None:
            server = entry.record.offer.server
            what = (
                f"the DHCP server {server} offered an address on {entry.parent} and confirmed none {waited}"
            )
            return HooknetError(Kind.NO_LEASE, what, hint="see the server's log")
        if parent is not None and seen is not None and self._services.machine.now() - seen < RECENTLY:
            self._leases.silent_parents.setdefault(parent, self._services.machine.now())
            return HooknetError(
                Kind.NO_LEASE,
                f"no address was offered on {entry.parent} {waited}: the pool is probably exhausted",
                details="a DHCP server answered here lately and is silent now",
                hint="enlarge the pool or shorten its leases",
            )
        return HooknetError(
            Kind.NO_LEASE,
            f"no DHCP server answered on {entry.parent} {waited}",
            details=entry.gave_up.reason if entry.gave_up else "",
            hint=f"check that the LAN behind {entry.parent} has one: `hooknet doctor --parent {entry.parent}`",
        )

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
        task = self._services.spawn(work, f"undoing {entry.key}")
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                continue


def _under_own_id(request: AttachRequest, asked: LeaseRequest, holder: Entry) -> LeaseRequest:
    log.warning(
        "%s: its identity is in use by %s: it leases under its container id instead", request.key, holder.key
    )
    own = fallback_client_id(request.key)
    return replace(asked, client_id=own, requested_address=request.requested_address)
