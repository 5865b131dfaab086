"""netavark's dhcp-proxy, taken over: the lifecycle behind three gRPC calls.

- Setup: netavark has made the interface; the lease, and address and routes in the container's netns, are ours. The
  container's name, which nobody tells, is looked up once and bounded. A failure is ABORTED with its text: the user
  of podman sees that.
- Teardown: always succeeds. A failure here would make `podman stop` fail, and what is left is found by reconcile.
- Clean: nothing is dropped by it; what is gone is noticed a little earlier.

Imported only where this door is open.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

from hooknet.errors import HooknetError
from hooknet.frontends.netavark.grpc import CallFailed, GrpcServer, Limits, Reply, Status
from hooknet.lifecycle.requests import Attached, AttachRequest, DetachRequest
from hooknet.lifecycle.timing import Timing
from hooknet.lifecycle.to_the_end import to_the_end
from hooknet.logids import LogId
from hooknet.model import AttachmentKey, Container, MacOrigin, Runtime
from hooknet.netavark import proxied_network
from hooknet.netavark.proxy import (
    SERVICE,
    Method,
    ProxySetup,
    decode_config,
    encode_lease,
    encode_operation,
    lease_message,
    understand,
)

log = logging.getLogger(__name__)

Lookup = Callable[[str], Awaitable[Container | None]]


class LifecycleApi(Protocol):
    """The part of the lifecycle that this front end uses."""

    async def attach(self, request: AttachRequest) -> Attached: ...
    async def replied(self, attached: Attached) -> None: ...
    async def undo(self, attached: Attached) -> None: ...
    async def detach(self, request: DetachRequest) -> None: ...
    async def parent_below(self, netns: str, ifname: str) -> str: ...
    def find(self, netns: str, mac: str, ifname: str) -> AttachmentKey | None: ...


class ProxyServer:
    """Serves netavark. `lookup`: the container of an id; `clean`: what a Clean sets off."""

    def __init__(
        self,
        lifecycle: LifecycleApi,
        lookup: Lookup,
        clean: Callable[[], None],
        *,
        owner: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._lifecycle = lifecycle
        self._lookup = lookup
        self._clean = clean
        methods = {Method.SETUP: self.setup, Method.TEARDOWN: self.teardown, Method.CLEAN: self.clean}
        self._server = GrpcServer(
            {SERVICE + name.value: method for name, method in methods.items()}, owner=owner, limits=limits
        )

    async def start(self, listening: socket.socket) -> None:
        await self._server.start(listening)

    async def stop(self, patience: float) -> None:
        """Let running calls end for `patience` seconds, then undo them."""
        await self._server.stop(patience)

    async def setup(self, message: bytes, timing: Timing) -> Reply:
        """Lease an address for an interface. Raises CallFailed."""
        try:
            wanted = understand(decode_config(message))
            timing.mark("parsed")
            attached = await self._lifecycle.attach(await self._asked(wanted, timing))
        except HooknetError as error:
            note(Method.SETUP, error)
            raise CallFailed(Status.ABORTED, f"hooknet: {error}") from None
        except Exception:
            log.exception("%s failed", Method.SETUP.value)
            raise CallFailed(Status.INTERNAL, "hooknet failed at this; the daemon's log says more") from None
        assert attached.lease is not None, "the proxy leases"
        return Reply(
            encode_lease(lease_message(attached.lease, attached.settings)),
            delivered=lambda: self._lifecycle.replied(attached),
            undelivered=lambda: self._lifecycle.undo(attached),
        )

    async def teardown(self, message: bytes, _timing: Timing) -> Reply:
        """Give back what was leased for a MAC in a netns. Never fails."""
        try:
            config = decode_config(message)
            key = self._lifecycle.find(
                config.ns_path, config.container_mac_addr.lower(), config.container_iface
            )
            if key is not None:
                wanted = DetachRequest(key=key, netns=config.ns_path, delete_link=False)
                await to_the_end(self._lifecycle.detach(wanted))
        except HooknetError as error:
            note(Method.TEARDOWN, error)
        except Exception:
            log.exception("%s failed", Method.TEARDOWN.value)
        return Reply(b"")

    async def clean(self, _message: bytes, _timing: Timing) -> Reply:
        """Compare what is held with what is, soon."""
        self._clean()
        return Reply(encode_operation(success=True))

    async def _asked(self, wanted: ProxySetup, timing: Timing) -> AttachRequest:
        """The request, with what netavark leaves to be found out: the container's name, and perhaps the parent."""
        parent = wanted.parent or await self._lifecycle.parent_below(wanted.netns, wanted.ifname)
        name = await self._name_of(wanted)
        timing.mark("name")
        return attach_request(wanted, parent, name, timing)

    async def _name_of(self, wanted: ProxySetup) -> str | None:
        if not wanted.has_id:
            return None
        container = await self._lookup(wanted.container_id)
        return container.name if container is not None else None


def attach_request(wanted: ProxySetup, parent: str, name: str | None, timing: Timing) -> AttachRequest:
    """What a Setup asks of the lifecycle."""
    return AttachRequest(
        key=AttachmentKey(wanted.container_id, wanted.ifname, proxied_network(parent, wanted.ifname)),
        netns=wanted.netns,
        runtime=Runtime.NETAVARK_PROXY,
        container_name=name,
        parent=parent,
        mac=wanted.mac,
        mac_origin=MacOrigin.INTERFACE,
        sets_address=True,
        hostname=wanted.hostname,
        timing=timing,
    )


def note(method: Method, error: HooknetError) -> None:
    fields = {"verb": method.value, "code": error.code, "error": str(error)}
    log_id = LogId.NETAVARK_FAILED
    level = logging.DEBUG if error.is_published else log_id.level
    log.log(level, "%s %s", method.value, log_id.what, extra={"log_id": log_id, "fields": fields})
