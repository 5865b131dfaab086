"""netavark's verbs, each carried out by the lifecycle. The shim brings them over cni.sock, like CNI's.

- create: nothing is made. What can't work is refused: a parent that is not there, an MTU that it does not carry.
- setup: the link and the lease. An answer that did not reach the caller is undone, as an ADD's.
- teardown: never fails for what the network or the kernel did. What netavark's proxy had served, before its network
  became one of the driver's, is given back as well: it is held under the name that the proxy gave it.
- info: which driver this is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from hooknet import __version__
from hooknet.cni.compose import default_gateway, lease_dns
from hooknet.cni.envelope import Envelope, Tombstone
from hooknet.errors import HooknetError, unexpected
from hooknet.frontends.cni_verbs import Answer, as_json, nothing
from hooknet.lifecycle.requests import Attached, AttachRequest, DetachRequest, LinkWanted
from hooknet.lifecycle.timing import Timing
from hooknet.model import AttachmentKey, Runtime
from hooknet.netavark import proxied_network
from hooknet.netavark.driver import (
    DriverVerb,
    Interface,
    Setup,
    netns_of,
    read_create,
    read_setup,
    read_teardown,
    render_error,
    render_info,
    render_setup,
    verb_of,
)

log = logging.getLogger(__name__)


class LifecycleApi(Protocol):
    """The part of the lifecycle that this front end uses."""

    async def attach(self, request: AttachRequest) -> Attached: ...
    async def detach(self, request: DetachRequest) -> None: ...
    async def require_parent(self, name: str, mtu: int | None) -> None: ...
    def find(self, netns: str, mac: str, ifname: str) -> AttachmentKey | None: ...


class DriverVerbs:
    """Answers what netavark asks its driver. `before_setup`: awaited before each; it does what was left for later."""

    def __init__(
        self, lifecycle: LifecycleApi, *, before_setup: Callable[[], Awaitable[object]] = nothing
    ) -> None:
        self._lifecycle = lifecycle
        self._before_setup = before_setup

    async def answer(self, envelope: Envelope, timing: Timing | None = None) -> Answer:
        """Carry out one call. Never raises but when cancelled, and then a setup is undone."""
        try:
            return await self._carry_out(envelope, timing or Timing())
        except HooknetError as error:
            return failed(error, fields=about(envelope))
        except Exception as error:
            log.exception("%s failed", envelope.args[1])
            return failed(unexpected(error), fields=about(envelope))

    async def remove(self, envelope: Envelope, tombstone: Tombstone | None = None) -> AttachmentKey:
        """Teardown, from netavark or from a tombstone. Raises HooknetError when it can't be understood."""
        key, netns = read_teardown(envelope.stdin), netns_of(envelope.args)
        wanted = DetachRequest(
            key=key,
            netns=netns,
            netns_id=tombstone.netns if tombstone is not None else None,
            at=tombstone.at if tombstone is not None else None,
        )
        held = self._lifecycle.find(netns, "", key.ifname)
        if held is not None and held != key:
            await self._lifecycle.detach(replace(wanted, key=held, delete_link=False))
        await self._lifecycle.detach(wanted)
        return key

    async def _carry_out(self, envelope: Envelope, timing: Timing) -> Answer:
        match verb_of(envelope.args):
            case DriverVerb.CREATE:
                document, options = read_create(envelope.stdin)
                if options.parent is not None:
                    await self._lifecycle.require_parent(options.parent, options.mtu)
                return Answer(stdout=as_json(document), fields={"network": document.get("name")})
            case DriverVerb.SETUP:
                setup = read_setup(envelope.stdin, netns_of(envelope.args))
                timing.mark("parsed")
                return await self._setup(setup, timing)
            case DriverVerb.TEARDOWN:
                return Answer(fields=fields_of(await self.remove(envelope)))
            case DriverVerb.INFO:
                return Answer(stdout=as_json(render_info(__version__)))

    async def _setup(self, setup: Setup, timing: Timing) -> Answer:
        await self._before_setup()
        try:
            attached = await self._lifecycle.attach(attach_request(setup, timing))
        except HooknetError as error:
            return failed(error, fields=fields_of(setup.key) | {"container": setup.container_name})
        return Answer(
            stdout=as_json(render_setup(interface_of(setup, attached))),
            attached=attached,
            fields=fields_of(setup.key) | {"container": setup.container_name},
        )


def attach_request(setup: Setup, timing: Timing) -> AttachRequest:
    """What a setup asks of the lifecycle."""
    options, parent = setup.options, setup.options.parent
    return AttachRequest(
        key=setup.key,
        netns=setup.netns,
        runtime=Runtime.NETAVARK,
        container_name=setup.container_name,
        aliases=setup.aliases,
        parent=parent,
        mac=setup.mac,
        link=LinkWanted(mode=options.mode, mtu=options.mtu, bcqueuelen=options.bcqueuelen),
        l2_only=setup.l2_only,
        given=options.settings,
        hostname=setup.hostname,
        formerly=() if parent is None else (proxied_network(parent, setup.key.ifname),),
        requested_address=setup.address,
        timing=timing,
    )


def interface_of(setup: Setup, attached: Attached) -> Interface:
    """The answer to a setup. The network's own DNS servers (`--dns`) go before the lease's."""
    if attached.lease is None:
        return Interface(name=setup.key.ifname, mac=attached.mac, dns=setup.dns)
    lease, settings = attached.lease, attached.settings
    gateway = default_gateway(lease, settings)
    dns = lease_dns(lease, settings)
    return Interface(
        name=setup.key.ifname,
        mac=attached.mac,
        address=str(lease.address),
        gateway=None if gateway is None else str(gateway),
        dns=setup.dns or dns.nameservers,
        search=dns.search,
    )


def failed(error: HooknetError, *, fields: dict[str, Any] | None = None) -> Answer:
    """As netavark wants an error: exit code 1 and `{"error": …}`."""
    return Answer(exit_code=1, stdout=as_json(render_error(error)), error=error, fields=fields or {})


def fields_of(key: AttachmentKey) -> dict[str, Any]:
    return {"container_id": key.container_id, "ifname": key.ifname, "network": key.network}


def about(envelope: Envelope) -> dict[str, Any]:
    """What the log can say of a call that was not understood."""
    return {"netns": envelope.args[2]} if len(envelope.args) > 2 else {}  # noqa: PLR2004 - the shim's argv
