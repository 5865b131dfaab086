"""From a lease to what the interface gets: the part of configuring that is pure.

- What the administrator suppresses is left away, the rest is taken from the lease.
- The connected route is the kernel's. A gateway outside of the subnet (a /32 lease, RFC 3442's examples) is
  reachable only through a route to itself on the link, which therefore comes first.
- The MTU (option 26) is ignored below 68 (RFC 2132 section 5.1), and never above the parent's: the parent
  would drop what the container sends.
- An address carries the lease's end, so that the kernel drops it when nobody is left to do it: the daemon may be
  dead when the lease runs out. Each renewal moves the end; the kernel's own clock stands still while the machine
  sleeps, and then the daemon, which runs on CLOCK_BOOTTIME, is the one who notices. A lease's remaining time is an
  absolute boot time here, so that two plans with different ends are never equal by accident.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from hooknet.model import Lease, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hooknet.config import NetworkSettings

LEAST_MTU = 68
POINT_TO_POINT = 31  # RFC 3021: from this prefix length on there is no broadcast address
UNSPECIFIED = IPv4Address(0)
LIMITED_BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an interface is to have. `mtu`: bytes, None leaves it; `metric`: None leaves the choice to us.

    valid_until: seconds of CLOCK_BOOTTIME, None for ever.
    """

    address: IPv4Interface | None
    broadcast: IPv4Address | None = None
    routes: tuple[Route, ...] = ()
    mtu: int | None = None
    metric: int | None = None
    valid_until: float | None = None


def plan_for(
    lease: Lease, settings: NetworkSettings, parent_mtu: int | None, valid_until: float | None = None
) -> Plan:
    """What `lease` means for the interface under these settings.

    parent_mtu: bytes, the most that the interface may have. valid_until: when the lease ends, seconds of
    CLOCK_BOOTTIME (`Binding.expires_at`); None or infinity for never.
    """
    suppressed = frozenset(settings.suppress)
    return Plan(
        address=lease.address,
        broadcast=_broadcast(lease, None if "broadcast" in suppressed else lease.broadcast),
        routes=_reachable(lease.address, _unsuppressed(lease.routes, suppressed)),
        mtu=None if "mtu" in suppressed else _mtu(lease.mtu, parent_mtu),
        metric=settings.metric,
        valid_until=None if valid_until is None or math.isinf(valid_until) else valid_until,
    )


def _unsuppressed(routes: Iterable[Route], suppressed: frozenset[str]) -> Iterator[Route]:
    for route in routes:
        if ("gateway" if route.destination.prefixlen == 0 else "routes") not in suppressed:
            yield route


def _reachable(address: IPv4Interface, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes in an order in which each gateway can be reached when its turn comes; one per destination.

    A gateway must be on the link: where the server has a route to it by another one, the on-link route counts.
    """
    on_link = [address.network]
    wanted: dict[IPv4Network, Route] = {}
    for route in routes:
        if route.destination in {address.network, *wanted}:
            continue
        gateway = None if route.gateway in {UNSPECIFIED, address.ip} else route.gateway
        if gateway is not None and not any(gateway in network for network in on_link):
            host = IPv4Network(gateway)
            on_link.append(host)
            wanted[host] = Route(host)
        if gateway is None:
            on_link.append(route.destination)
        wanted.setdefault(route.destination, Route(route.destination, gateway))  # it may be the gateway's own
    return tuple(wanted.values())


def _broadcast(lease: Lease, given: IPv4Address | None) -> IPv4Address | None:
    """The server's broadcast address where it can be one, else the subnet's."""
    network = lease.address.network
    if network.prefixlen >= POINT_TO_POINT:
        return None
    if given is not None and (given in network or given == LIMITED_BROADCAST) and given != lease.address.ip:
        return given
    return network.broadcast_address


def _mtu(given: int | None, most: int | None) -> int | None:
    if given is None or given < LEAST_MTU:
        return None
    return given if most is None else min(given, most)
