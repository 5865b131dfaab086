"""The JSON of the control API: a stable shape, kept apart from the model so that the model may change.

The promise. A key that is here stays, with its type and its meaning, as long as the path begins with /v1;
keys may be added. Times are RFC 3339 in UTC, durations are seconds unless said otherwise (`p50_ms`,
`timing`: milliseconds), addresses and MACs are text, and a value that is not known is null, never missing.
`hooknet/frontends/control/schemas.py` says the same in OpenAPI, and the tests hold one to the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hooknet.frontends.control.sources import PluginView, StatusView
    from hooknet.lifecycle.requests import AttachmentView
    from hooknet.model import Lease, Route

SHORTEST_ID = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteShape:
    destination: str
    gateway: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseShape:
    """One attachment as `/v1/leases` shows it. The lease's own fields are null on an L2-only network."""

    container: str | None
    container_id: str
    network: str
    ifname: str
    parent: str
    runtime: str
    netns: str
    generation: int
    phase: str
    state: str
    mac: str
    client_id: str
    hostname: str | None
    address: str | None
    server: str | None
    obtained: datetime | None
    expires: datetime | None
    lease_time: int | None
    t1: int | None
    t2: int | None
    routers: Sequence[str]
    routes: Sequence[RouteShape]
    dns: Sequence[str]
    domain: str | None
    search: Sequence[str]
    ntp: Sequence[str]
    mtu: int | None
    changed_by: Mapping[str, str]
    timing: Mapping[str, float]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginShape:
    """One plugin as `/v1/plugins` shows it."""

    name: str
    version: str
    distribution: str
    hooks: Sequence[str]
    state: str
    reason: str
    on_failure: str
    calls: int
    failures: int
    strikes: int
    p50_ms: float | None
    p95_ms: float | None
    last_error: str | None
    pending: int
    dropped: int
    quarantine_s: float


def route_shape(route: Route) -> RouteShape:
    gateway = None if route.gateway is None else str(route.gateway)
    return RouteShape(destination=str(route.destination), gateway=gateway)


def lease_shape(view: AttachmentView) -> LeaseShape:
    """The whole of one attachment."""
    attachment = view.attachment
    return LeaseShape(
        container=attachment.container_name,
        container_id=attachment.container_id,
        network=attachment.network,
        ifname=attachment.ifname,
        parent=attachment.parent,
        runtime=attachment.runtime.value,
        netns=attachment.netns,
        generation=attachment.generation,
        phase=view.phase,
        state=view.state,
        mac=view.mac,
        client_id=view.client_id,
        hostname=view.hostname,
        changed_by=dict(view.changed_by),
        timing=dict(view.timing),
        note=view.note,
        **granted(view.lease),
    )


def granted(lease: Lease | None) -> dict[str, Any]:
    """What the server granted: nulls and empty lists without a lease."""
    if lease is None:
        empty: dict[str, Any] = dict.fromkeys(("routers", "routes", "dns", "search", "ntp"), ())
        single = ("address", "server", "obtained", "expires", "lease_time", "t1", "t2", "domain", "mtu")
        return empty | dict.fromkeys(single)
    return {
        "address": str(lease.address),
        "server": str(lease.server),
        "obtained": lease.obtained,
        "expires": lease.expires,
        "lease_time": lease.lease_time,
        "t1": lease.t1,
        "t2": lease.t2,
        "routers": [str(router) for router in lease.routers],
        "routes": [route_shape(route) for route in lease.routes],
        "dns": [str(server) for server in lease.dns],
        "domain": lease.domain,
        "search": list(lease.search),
        "ntp": [str(server) for server in lease.ntp],
        "mtu": lease.mtu,
    }


def plugin_shape(report: PluginView) -> PluginShape:
    return PluginShape(
        name=report.name,
        version=report.version,
        distribution=report.distribution,
        hooks=list(report.hooks),
        state=str(report.state),
        reason=report.reason,
        on_failure=report.on_failure,
        calls=report.calls,
        failures=report.failures,
        strikes=report.strikes,
        p50_ms=report.p50_ms,
        p95_ms=report.p95_ms,
        last_error=report.last_error or None,
        pending=report.pending,
        dropped=report.dropped,
        quarantine_s=report.quarantine_s,
    )


def status_shape(status: StatusView) -> dict[str, Any]:
    """`StatusView` is made for this API: its fields are the shape."""
    return asdict(status)


def matches(view: AttachmentView, name: str) -> bool:
    """Whether a person who says `name` means this attachment.

    By container name, by container id or its first 6 characters or more, or by the leased address.
    """
    attachment, lease = view.attachment, view.lease
    if name in {attachment.container_name, attachment.container_id}:
        return True
    if lease is not None and name == str(lease.address.ip):
        return True
    return len(name) >= SHORTEST_ID and attachment.container_id.startswith(name)


def as_json(data: object) -> bytes:
    """JSON text. What JSON lacks (addresses, enums of other types, paths) becomes its text."""
    return msgspec.json.encode(data, enc_hook=str)
