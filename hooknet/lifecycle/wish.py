"""What an ADD wants, decided before anything is done: who the attachment is, and what its server is to be asked.

The order: the container's name, the MAC, the identity that follows from them, the address that this identity had.
Then every plugin's `pre_lease` may change it, and what comes out is checked once. Of two live attachments that want
one identity the newcomer leases under its own container id instead.

Nothing of this leaves a trace, in the journal or anywhere (docs/decisions/intent-after-hooks.md).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address

from hooknet.config import NetworkSettings
from hooknet.dhcp.compose import DEFAULT_PARAMETERS, check
from hooknet.dhcp.names import asked_host_name, host_label
from hooknet.dhcp.options import Code
from hooknet.kernel.links import Parent
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.identity import client_id_for, fallback_client_id
from hooknet.lifecycle.macs import first_mac
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.requests import AttachRequest
from hooknet.lifecycle.services import Services
from hooknet.model import Attachment, LeaseRequest, Phase
from hooknet.store.records import Record

log = logging.getLogger(__name__)

INFRA_CONTAINER = re.compile(r"[0-9a-f]{12}-infra")


class Wishes:
    """Decides. `clear` ends an attachment whose netns is gone, before its successor begins."""

    def __init__(self, services: Services, clear: Callable[[Entry], Awaitable[None]]) -> None:
        self._services = services
        self._clear = clear

    async def intend(
        self, request: AttachRequest, settings: NetworkSettings, netns: Netns, parent: Parent
    ) -> Entry:
        """The entry of a new attachment, in phase INTENT. Raises HooknetError, a plugin's Refused among them."""
        services = self._services
        name = await self._name(request)
        attachment = self._attachment(request, name, parent)
        mac, origin = await first_mac(request, netns, parent, services.host)
        wish = replace(self._lease_request(request, settings, name, mac), mac_origin=origin)
        folded = await services.hooks.pre_lease(
            attachment, wish, lambda: services.podman.lookup(request.key.container_id)
        )
        request.timing.mark("hooks")
        asked = await self._settle_identity(request, self._at_its_address(request, wish, folded.request))
        check(asked)
        entry = Entry(self._record(request, attachment, netns, parent, asked, folded.changed_by), settings)
        entry.timing = request.timing
        entry.parent_mtu = parent.mtu
        entry.sets_address = request.link is not None or request.sets_address
        return entry

    async def take_identity(self, entry: Entry, request: AttachRequest, locks: AsyncExitStack) -> None:
        """Lock it; whoever waited here for a predecessor's end may find that another newcomer was quicker."""
        registry = self._services.registry
        await locks.enter_async_context(registry.identities.hold(entry.record.client_id))
        holder, asked = registry.holder(entry.record.client_id), entry.record.request
        if holder is not None and asked is not None:
            own = _under_own_id(request, asked, holder)
            entry.record = replace(entry.record, client_id=own.client_id, request=own)
            await locks.enter_async_context(registry.identities.hold(own.client_id))

    async def _name(self, request: AttachRequest) -> str | None:
        """The container's name; for podman's infra container (whose own embeds an id) the pod's."""
        name = request.container_name
        if name is None or not INFRA_CONTAINER.fullmatch(name):
            return name
        container = await self._services.podman.lookup(request.key.container_id)
        return container.pod if container is not None else None

    def _attachment(self, request: AttachRequest, name: str | None, parent: Parent) -> Attachment:
        return Attachment(
            container_id=request.key.container_id,
            ifname=request.key.ifname,
            network=request.key.network,
            netns=request.netns,
            parent=parent.name,
            container_name=name,
            generation=self._services.registry.next_generation(),
            runtime=request.runtime,
            aliases=request.aliases,
        )

    def _lease_request(
        self, request: AttachRequest, settings: NetworkSettings, name: str | None, mac: str
    ) -> LeaseRequest:
        hostname = asked_host_name(request.hostname or "") or settings.hostname or host_label(name or "")
        hostname = hostname if settings.send_hostname else None
        skipped = set(request.skip_parameters)
        wanted = dict.fromkeys((*DEFAULT_PARAMETERS, *request.parameters))
        return LeaseRequest(
            mac=mac,
            client_id=self._identity(request, settings, name, mac, request.key.network),
            hostname=None if settings.fqdn else hostname,
            fqdn=hostname if settings.fqdn else None,
            requested_address=request.requested_address or self._remembered(request, settings, name, mac),
            lease_time=int(settings.lease_time) if settings.lease_time is not None else None,
            vendor_class=settings.vendor_class,
            user_class=settings.user_class,
            parameters=tuple(code for code in wanted if code not in skipped),
            options={code: value for code, value in request.options.items() if code != Code.CLIENT_ID},
        )

    def _identity(
        self, request: AttachRequest, settings: NetworkSettings, name: str | None, mac: str, network: str
    ) -> bytes:
        """The client-id on `network`; one that the configuration provides is it as it is."""
        key = replace(request.key, network=network)
        given = request.options.get(Code.CLIENT_ID)
        return given if given is not None else client_id_for(key, name, mac, settings, self._services.host)

    def _remembered(
        self, request: AttachRequest, settings: NetworkSettings, name: str | None, mac: str
    ) -> IPv4Address | None:
        """The address of this identity, or of the one that it was when its network had another name."""
        for network in (request.key.network, *request.formerly):
            identity = self._identity(request, settings, name, mac, network)
            if (address := self._had(network, identity)) is not None:
                return address
        return None

    def _at_its_address(
        self, request: AttachRequest, wish: LeaseRequest, folded: LeaseRequest
    ) -> LeaseRequest:
        """A plugin that gave it another identity, and no address, means the address of that one."""
        if folded.client_id == wish.client_id or folded.requested_address != wish.requested_address:
            return folded
        address = request.requested_address or self._had(request.key.network, folded.client_id)
        return replace(folded, requested_address=address)

    def _had(self, network: str, identity: bytes) -> IPv4Address | None:
        text = self._services.memory.get((network, identity))
        return IPv4Address(text) if text is not None else None

    async def _settle_identity(self, request: AttachRequest, asked: LeaseRequest) -> LeaseRequest:
        """Two live attachments never share an identity: the newcomer falls back to its own id."""
        holder = self._services.registry.holder(asked.client_id)
        if holder is None or holder.key == request.key:
            return asked
        if self._services.machine.identify(holder.record.attachment.netns) != holder.record.netns_id:
            await self._clear(holder)
            return asked
        return _under_own_id(request, asked, holder)

    def _record(
        self,
        request: AttachRequest,
        attachment: Attachment,
        netns: Netns,
        parent: Parent,
        asked: LeaseRequest,
        changed_by: Mapping[str, str],
    ) -> Record:
        return Record(
            attachment=attachment,
            phase=Phase.INTENT,
            boot_id=self._services.machine.boot_id,
            created=self._services.machine.wall(),
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
            changed_by=dict(changed_by),
        )


def _under_own_id(request: AttachRequest, asked: LeaseRequest, holder: Entry) -> LeaseRequest:
    log.warning(
        "%s: its identity is in use by %s: it leases under its container id instead", request.key, holder.key
    )
    own = fallback_client_id(request.key)
    return replace(asked, client_id=own, requested_address=request.requested_address)
