"""From a granted reply to the lease that hooknet keeps, configures and hands to plugins (RFC 2132, 3397, 3442).

The rules.
1. What the reply must have (an address for a host, a server, a lease time, a mask that is one if there is
   one) is `accept`'s; without it there is no lease and `to_lease` raises BadMessage. Everything else may be
   absent, and what is malformed is absent.
2. Without a mask the class of the address gives it.
3. Routes: option 121 if it is there; else 249, Microsoft's twin; else 33, and a default route over the first
   router of option 3. With 121 (or 249) options 3 and 33 MUST be ignored (RFC 3442): `routers` is empty then.
4. T1 and T2 count when 0 < T1 < T2 < lease time; what does not is computed, T2 first (7/8 of the lease), then
   T1 (half of the lease, or 4/7 of T2 when that is not before T2). An infinite lease has neither. Times are
   never clamped upwards: an address is not used longer than it was granted.
5. The broadcast address counts when it lies in the network and is not our own.
6. Several names in option 15: the first is the domain; all of them are the search list when there is no option 119.
7. The host name is the server's when it gives a valid one (option 12, or the name in option 81), else the one
   that we sent.
8. A route over our own address is left out: the kernel refuses it, and one such route must not cost the lease.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING

from hooknet.dhcp import names, values
from hooknet.dhcp.accept import granted_network, refusal_of_grant
from hooknet.dhcp.messages import BadMessage, Message
from hooknet.dhcp.options import Code
from hooknet.model import INFINITE, Lease, Route

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DEFAULT_DESTINATION = IPv4Network("0.0.0.0/0")


def to_lease(
    message: Message,
    *,
    obtained: datetime,
    hostname: str | None,
    mac: str,
    client_id: bytes,
    server_mac: str | None,
) -> Lease:
    """What `message` (an ACK; an OFFER for a look ahead) grants. Raises BadMessage when it is nothing usable.

    `obtained`: when the REQUEST that is answered first left, UTC. `hostname`: what we sent. `server_mac`:
    where the frame came from, the next hop for a RELEASE.
    """
    why_not = refusal_of_grant(message)
    network = granted_network(message)
    if why_not is not None or message.server_id is None or message.lease_time is None or network is None:
        raise BadMessage(why_not or "nothing was granted")
    options = message.options
    t1, t2 = renewal_times(options, message.lease_time)
    domains = names.domain_names(options.get(Code.DOMAIN, b""))
    return Lease(
        address=IPv4Interface((int(message.yiaddr), network.prefixlen)),
        server=message.server_id,
        mac=mac,
        client_id=client_id,
        obtained=obtained,
        lease_time=None if message.lease_time == INFINITE else message.lease_time,
        t1=t1,
        t2=t2,
        hostname=given_name(options) or hostname,
        routers=routers(options, message.yiaddr),
        routes=routes(options, message.yiaddr),
        dns=values.host_addresses(options.get(Code.DNS, b"")),
        domain=domains[0] if domains else None,
        search=names.search_list(options.get(Code.SEARCH, b"")) or several(domains),
        ntp=values.host_addresses(options.get(Code.NTP, b"")),
        mtu=values.mtu(options.get(Code.MTU, b"")),
        broadcast=broadcast(options, message.yiaddr, network),
        server_mac=server_mac,
        options=options,
    )


def renewal_times(options: Mapping[int, bytes], lease_time: int) -> tuple[int | None, int | None]:
    """T1 and T2 in seconds (RFC 2131 section 4.4.5), None and None for an infinite lease.

    A lease of one second has no room for either: both are its end.
    """
    if lease_time == INFINITE:
        return None, None
    t2 = values.seconds(options.get(Code.T2, b"")) or 0
    if not 1 < t2 < lease_time:  # 1 leaves no room for T1
        t2 = max(1, lease_time * 7 // 8)
    t1 = values.seconds(options.get(Code.T1, b"")) or 0
    if not 0 < t1 < t2:
        t1 = lease_time // 2 if lease_time // 2 < t2 else t2 * 4 // 7
    return max(1, t1), t2


def classless(options: Mapping[int, bytes]) -> tuple[Route, ...] | None:
    """RFC 3442's routes, from 121 or else 249; None when there are none of either."""
    given = values.classless_routes(options.get(Code.CLASSLESS_ROUTE, b""))
    return values.classless_routes(options.get(Code.MICROSOFT_ROUTE, b"")) if given is None else given


def routers(options: Mapping[int, bytes], ours: IPv4Address) -> tuple[IPv4Address, ...]:
    """Option 3, unless rule 3 says that it is to be ignored."""
    if classless(options) is not None:
        return ()
    return tuple(one for one in values.host_addresses(options.get(Code.ROUTER, b"")) if one != ours)


def routes(options: Mapping[int, bytes], ours: IPv4Address) -> tuple[Route, ...]:
    """Every route that is to be set, the default route among them (rule 3)."""
    given = classless(options)
    if given is None:
        default = tuple(Route(DEFAULT_DESTINATION, router) for router in routers(options, ours)[:1])
        given = values.static_routes(options.get(Code.STATIC_ROUTE, b"")) + default
    return tuple(route for route in given if route.gateway != ours)


def given_name(options: Mapping[int, bytes]) -> str | None:
    """What the server calls us, if it says so (rule 7)."""
    long = names.fqdn(options.get(Code.FQDN, b""))
    return names.host_name(options.get(Code.HOSTNAME, b"")) or (long.name if long else None)


def several(domains: tuple[str, ...]) -> tuple[str, ...]:
    return domains if len(domains) > 1 else ()


def broadcast(options: Mapping[int, bytes], address: IPv4Address, network: IPv4Network) -> IPv4Address | None:
    """Option 28 when it can be true (rule 5), else None: then the network's own broadcast address holds."""
    given = values.address(options.get(Code.BROADCAST, b""))
    return given if given is not None and given in network and given != address else None
