"""Addresses and routes that another IPAM plugin decided: IPv4 and IPv6, set once, never renewed.

They have no lease behind them, so they have no end, and no metric is chosen for them: what the plugin says is what
the container gets. IPv6 addresses skip duplicate address detection, since the plugin vouches for them and an ADD
can't wait a second for it.

With arp_notify the kernel announces the IPv4 addresses that are there when the interface comes up, or gets another
MAC. It is up before it has any, so the first announcement is the caller's.

A route is looked for in every table: a later plugin of the chain (sbr) moves routes to one of its own, rightly.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.kernel.messages import MAIN_TABLE, SCOPE_LINK, SCOPE_UNIVERSE, UNICAST, set_switches
from hooknet.kernel.netlink import (
    CREATE,
    EXCL,
    REPLACE,
    RTM_GETADDR,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWROUTE,
    Netlink,
    Request,
)
from hooknet.kernel.refusals import index_of, refused
from hooknet.model import FixedPlan, FixedRoute

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ANYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - the default route's destination
NO_DAD = 0x02
PROTO_STATIC = 4
RTAX_MTU, RTAX_ADVMSS = "RTAX_MTU", "RTAX_ADVMSS"


def apply_fixed(ifname: str, plan: FixedPlan) -> None:
    """Put all of `plan` on `ifname` of this netns. Raises IO naming what the kernel refused."""
    index = index_of(ifname)
    words = [f"the address {address}" for address in plan.addresses]
    words += [f"the route to {route.destination}" for route in plan.routes]
    requests = [_address(index, address) for address in plan.addresses]
    requests += [_route(index, route) for route in plan.routes]
    with Netlink() as netlink:
        _, *answers = netlink.attempt([set_switches(index), *requests])
    for what, refusal in zip(words, answers, strict=True):
        if refusal is not None:
            raise refused(f"set {what} on {ifname}", refusal)


def missing_fixed(ifname: str, plan: FixedPlan) -> list[str]:
    """Which addresses and routes of `plan` are not on `ifname`, in words (CNI's CHECK)."""
    try:
        index = socket.if_nametoindex(ifname)
    except OSError:
        return [f"the interface {ifname} is gone"]
    with Netlink() as netlink:
        addresses = _addresses_on(index, netlink)
        routes = _routes_on(index, netlink)
    lost = [route for route in plan.routes if not any(_is(route, present) for present in routes)]
    return [
        *(f"{ifname} has not the address {one}" for one in plan.addresses if one not in addresses),
        *(f"the route to {route.destination} through {ifname} is missing" for route in lost),
    ]


def _addresses_on(index: int, netlink: Netlink) -> frozenset[IPv4Interface | IPv6Interface]:
    message = ifaddrmsg()
    message["index"] = index
    return frozenset(
        ip_interface((one.get_attr("IFA_LOCAL") or one.get_attr("IFA_ADDRESS"), one["prefixlen"]))
        for one in netlink.dump(Request(message, RTM_GETADDR))
        if one["index"] == index
    )


def _routes_on(index: int, netlink: Netlink) -> list[FixedRoute]:
    """The unicast routes of both families through an interface, in whatever table."""
    found = []
    for version, family in FAMILIES.items():
        message = rtmsg()
        message["family"] = family
        found += [
            _route_of(one, version)
            for one in netlink.dump(Request(message, RTM_GETROUTE))
            if one["type"] == UNICAST and one.get_attr("RTA_OIF") == index
        ]
    return found


def _route_of(message: Any, version: int) -> FixedRoute:
    destination = message.get_attr("RTA_DST") or ANYWHERE[version]
    gateway = message.get_attr("RTA_GATEWAY")
    return FixedRoute(
        destination=ip_network((destination, message["dst_len"])),
        gateway=ip_address(gateway) if gateway else None,
        table=message.get_attr("RTA_TABLE"),
    )


def _is(wanted: FixedRoute, present: FixedRoute) -> bool:
    same_table = wanted.table in {None, present.table}
    return same_table and (wanted.destination, wanted.gateway) == (present.destination, present.gateway)


def _address(index: int, address: IPv4Interface | IPv6Interface) -> Request:
    message = ifaddrmsg()
    message["family"], message["index"] = FAMILIES[address.version], index
    message["prefixlen"] = address.network.prefixlen
    message["attrs"] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if isinstance(address, IPv6Interface):
        message["flags"] = NO_DAD
    elif address.network.prefixlen < 31:  # noqa: PLR2004 - RFC 3021: no broadcast address from there on
        message["attrs"].append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    return Request(message, RTM_NEWADDR, CREATE | REPLACE)


def _route(index: int, route: FixedRoute) -> Request:
    message = rtmsg()
    message["family"], message["dst_len"] = FAMILIES[route.destination.version], route.destination.prefixlen
    message["table"] = route.table if route.table is not None and route.table < 256 else MAIN_TABLE  # noqa: PLR2004 - a byte
    message["proto"], message["type"] = PROTO_STATIC, UNICAST
    fallback = SCOPE_UNIVERSE if route.gateway is not None or route.destination.version == 6 else SCOPE_LINK  # noqa: PLR2004
    message["scope"] = route.scope if route.scope is not None else fallback
    metrics = [(name, value) for name, value in ((RTAX_MTU, route.mtu), (RTAX_ADVMSS, route.advmss)) if value]
    attributes: list[tuple[str, Any]] = [
        ("RTA_DST", str(route.destination.network_address) if route.destination.prefixlen else None),
        ("RTA_GATEWAY", str(route.gateway) if route.gateway is not None else None),
        ("RTA_OIF", index),
        ("RTA_PRIORITY", route.priority),
        ("RTA_TABLE", route.table),
        ("RTA_METRICS", {"attrs": metrics} if metrics else None),
    ]
    message["attrs"] = [(name, value) for name, value in attributes if value is not None]
    return Request(message, RTM_NEWROUTE, CREATE | EXCL)
