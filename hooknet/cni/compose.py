"""From what was attached to the result that the runtime gets.

The rules. The gateway of an address is the next hop of the lease's default route (RFC 3442: where option
121 is, option 3 counts for nothing), so a server that sends option 121 without a default route gives no
gateway. A gateway outside the address's own network is reached by an on-link route to it, which comes
first. What `suppress` names is left out. DNS: what the runtime says (runtimeConfig) goes before the
configuration, and that before the lease; where the lease has no search list, its domain is one, because
podman reads `search` only. A chained plugin passes on what came before it, with its own part behind.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING

from hooknet.cni.result import Address, Dns, Interface, Ip, Result, Route
from hooknet.model import Lease
from hooknet.model import Route as LeaseRoute

if TYPE_CHECKING:
    from hooknet.config import NetworkSettings

UNSPECIFIED = IPv4Address(0)
ON_LINK: dict[int, Address] = {4: UNSPECIFIED, 6: IPv6Address(0)}


def from_lease(lease: Lease, settings: NetworkSettings, dns: Dns, interface: Interface) -> Result:
    """The result for a lease on this interface."""
    ip = Ip(
        address=lease.address,
        gateway=default_gateway(lease, settings),
        interface=0,
    )
    return Result(
        interfaces=(interface,),
        ips=(ip,),
        routes=tuple(
            Route(destination=route.destination, gateway=route.gateway, priority=settings.metric)
            for route in lease_routes(lease, settings)
        ),
        dns=dns.over(lease_dns(lease, settings)),
    )


def without_lease(interface: Interface, dns: Dns) -> Result:
    """The result of an L2-only attachment: an interface that has no address of ours."""
    return Result(interfaces=(interface,), dns=dns)


def from_delegate(delegate: Result, interface: Interface, dns: Dns) -> Result:
    """The result with another IPAM plugin's addresses: all of them are on our interface."""
    return Result(
        interfaces=(interface,),
        ips=tuple(replace(ip, interface=0) for ip in delegate.ips),
        routes=delegate.routes,
        dns=dns.over(delegate.dns),
    )


def for_main_plugin(result: Result) -> Result:
    """The result as an IPAM plugin tells it: without interfaces, which are the main plugin's.

    That one puts the address's gateway where a route has none, so an on-link route says 0.0.0.0 or ::.
    """
    return Result(
        ips=tuple(replace(ip, interface=None) for ip in result.ips),
        routes=tuple(
            replace(route, gateway=route.gateway or ON_LINK[route.destination.version])
            for route in result.routes
        ),
        dns=result.dns,
    )


def after(previous: Result | None, ours: Result) -> Result:
    """Our result behind the one of the plugins before us in the chain."""
    if previous is None:
        return ours
    shift = len(previous.interfaces)
    moved = tuple(
        ip if ip.interface is None else replace(ip, interface=ip.interface + shift) for ip in ours.ips
    )
    return Result(
        interfaces=previous.interfaces + ours.interfaces,
        ips=previous.ips + moved,
        routes=previous.routes + ours.routes,
        dns=ours.dns.over(previous.dns),
    )


def lease_routes(lease: Lease, settings: NetworkSettings) -> tuple[LeaseRoute, ...]:
    """The routes of a lease that are wanted, one per destination, each gateway reachable when its turn comes.

    The interface is configured from the same lease by the same rules (`hooknet.kernel.plan`): a test holds
    the two to each other.
    """
    wanted: dict[IPv4Network, LeaseRoute] = {}
    links = [lease.address.network]
    for route in lease.routes:
        suppressed = ("routes" if route.destination.prefixlen else "gateway") in settings.suppress
        if suppressed or route.destination in {lease.address.network, *wanted}:
            continue
        gateway = None if route.gateway in {UNSPECIFIED, lease.address.ip} else route.gateway
        if gateway is not None and not any(gateway in link for link in links):
            links.append(IPv4Network(gateway))
            wanted[links[-1]] = LeaseRoute(links[-1])
        if gateway is None:
            links.append(route.destination)
        wanted.setdefault(route.destination, LeaseRoute(route.destination, gateway))
    return tuple(wanted.values())


def default_gateway(lease: Lease, settings: NetworkSettings) -> IPv4Address | None:
    """The next hop of the lease's default route; None without one, and where everything is on the link."""
    routes = lease_routes(lease, settings)
    return next((route.gateway for route in routes if not route.destination.prefixlen), None)


def lease_dns(lease: Lease, settings: NetworkSettings) -> Dns:
    """What the lease says of DNS and was not suppressed."""
    domain = "" if "domain" in settings.suppress else lease.domain or ""
    search = () if "search" in settings.suppress else lease.search or ((domain,) if domain else ())
    servers = () if "dns" in settings.suppress else tuple(str(server) for server in lease.dns)
    return Dns(nameservers=servers, domain=domain, search=search)
