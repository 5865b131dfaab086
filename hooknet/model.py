"""The words of hooknet as types: frozen, slotted, no I/O.

Plugins, the journal, the DHCP client and every front end speak in these. Times are seconds (`float` or `int`);
a lease time of `None` is an infinite lease (RFC 2131 section 3.3). MAC addresses are lower-case text with colons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[Any, Any] = MappingProxyType({})
INFINITE = 0xFFFFFFFF
"""A lease time without an end, in the seconds of options 51, 58 and 59 (RFC 2131 section 3.3)."""
SHORT_ID = 12
"""Characters of a container id in podman's short form, which podman also uses as a name."""


@unique
class Runtime(StrEnum):
    """Who calls us."""

    CNI = "cni"
    NETAVARK = "netavark"
    NETAVARK_PROXY = "netavark-proxy"

    @property
    def names_networks(self) -> bool:
        """Whether an attachment's network has podman's name: the proxy is not told it."""
        return self is not Runtime.NETAVARK_PROXY


@unique
class MacvlanMode(StrEnum):
    """How macvlans on one parent see each other (ip-link(8))."""

    BRIDGE = "bridge"
    PRIVATE = "private"
    VEPA = "vepa"
    PASSTHRU = "passthru"


@unique
class MacOrigin(StrEnum):
    """Where the MAC of a lease request comes from.

    `GENERATED`: hooknet made it up, so another one is as good. `RUNTIME`: the user asked for exactly this one
    (podman's `--mac-address`, or `mac` in the network's configuration). `INTERFACE`: the interface had it when
    hooknet was asked (IPAM only, netavark's proxy, passthru). `PLUGIN`: a plugin before this one chose it.
    """

    GENERATED = "generated"
    RUNTIME = "runtime"
    INTERFACE = "interface"
    PLUGIN = "plugin"


@unique
class PostLeaseReason(StrEnum):
    """Why `post_lease` fires (the only reasons)."""

    BOUND = "BOUND"
    RENEWED = "RENEWED"
    REBOUND = "REBOUND"
    CHANGED = "CHANGED"
    RESTORED = "RESTORED"


@unique
class ReleaseReason(StrEnum):
    """Why `release` fires (the only reasons)."""

    DETACHED = "DETACHED"
    VANISHED = "VANISHED"
    EXPIRED = "EXPIRED"
    NAK = "NAK"
    DECLINED = "DECLINED"


@unique
class Phase(StrEnum):
    """The journal's phases of an attachment (the only ones); docs/explanation/recovery.md names each recovery."""

    INTENT = "INTENT"
    LINKED = "LINKED"
    REQUESTED = "REQUESTED"
    BOUND = "BOUND"
    CONFIGURED = "CONFIGURED"
    REPLIED = "REPLIED"
    RELEASING = "RELEASING"


@dataclass(frozen=True, slots=True, order=True)
class AttachmentKey:
    """CNI's own identity of one interface of one container on one network."""

    container_id: str
    ifname: str
    network: str

    def __str__(self) -> str:
        return f"{self.container_id[:SHORT_ID]}/{self.ifname}@{self.network}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One interface of one container on one network.

    `container_name` is the container's (or its pod's) name, None where the runtime does not tell. `parent` is the
    host interface below the container's. `generation` grows each time the same key is attached again. `aliases` are
    the container's further names on this network (`--network-alias`), as the user typed them: nothing is done with
    them but to tell them. CNI runtimes tell them only to a plugin with `"capabilities": {"aliases": true}`.
    """

    container_id: str
    ifname: str
    network: str
    netns: str
    parent: str
    container_name: str | None = None
    generation: int = 0
    runtime: Runtime = Runtime.CNI
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> AttachmentKey:
        return AttachmentKey(self.container_id, self.ifname, self.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What podman knows of a container. `pod` is the pod's name where the container belongs to one."""

    id: str
    name: str
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    pod: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """One event of podman's stream. `type` is podman's (`container`, `network`, `pod`), `action` its status."""

    type: str
    action: str
    container: Container
    time: datetime
    network: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """What hooknet is about to ask the server for. `pre_lease` may return a changed copy (`dataclasses.replace`).

    mac: the interface's hardware address. mac_origin: who chose it; hooknet keeps it, plugins only read it.
    client_id: option 61's bytes. hostname: option 12, or None to send none. fqdn: option 81 (RFC 4702) instead of
    option 12. requested_address: option 50. lease_time: option 51, seconds; None asks for the server's default.
    vendor_class: option 60. user_class: option 77 (RFC 3004), one or more. parameters: the codes of option 55, in
    order. options: further options to send, code to raw bytes.
    """

    mac: str
    client_id: bytes
    hostname: str | None = None
    fqdn: str | None = None
    requested_address: IPv4Address | None = None
    lease_time: int | None = None
    vendor_class: str | None = None
    user_class: tuple[str, ...] = ()
    parameters: tuple[int, ...] = ()
    options: Mapping[int, bytes] = field(default_factory=dict)
    mac_origin: MacOrigin = MacOrigin.GENERATED


@dataclass(frozen=True, slots=True)
class Route:
    """A route from the server. `gateway` None means on-link (RFC 3442: router 0.0.0.0)."""

    destination: IPv4Network
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What the server granted, validated. Times are seconds; `lease_time`, `t1`, `t2` are None when infinite.

    obtained: when the REQUEST that was granted left, UTC (RFC 2131 section 4.4.1: the lease runs from there).
    routes: RFC 3442's (option 121, else 249), else option 33's with a default route for the first of `routers`
    (option 3). domain: option 15. search: option 119. mtu: option 26 as the server said it. options: every option
    of the reply, code to raw bytes, concatenated by RFC 3396. server_mac: the next hop that answered.
    """

    address: IPv4Interface
    server: IPv4Address
    mac: str
    client_id: bytes
    obtained: datetime
    lease_time: int | None
    t1: int | None = None
    t2: int | None = None
    hostname: str | None = None
    routers: tuple[IPv4Address, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: tuple[IPv4Address, ...] = ()
    domain: str | None = None
    search: tuple[str, ...] = ()
    ntp: tuple[IPv4Address, ...] = ()
    mtu: int | None = None
    broadcast: IPv4Address | None = None
    server_mac: str | None = None
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def expires(self) -> datetime | None:
        """When the lease runs out (UTC), None for an infinite one."""
        return None if self.lease_time is None else self.obtained + timedelta(seconds=self.lease_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRoute:
    """A route of another IPAM plugin, as CNI spec 1.1.0 has it. mtu, advmss: bytes. `scope`: rtnetlink's number."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPlan:
    """What another IPAM plugin decided that an interface gets, for as long as it lives."""

    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    routes: tuple[FixedRoute, ...] = ()
