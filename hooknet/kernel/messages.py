"""The rtnetlink messages that hooknet sends all day, each the bytes behind its header (rtnetlink(7)).

By hand, because pyroute2 takes longer to write some of them than the kernel to carry them out
(docs/decisions/netlink-socket.md), and has no name for two things that are needed: setting an interface's IPv4
switches by netlink (IFLA_AF_SPEC, which works where a hardened unit sees /proc/sys read-only) and macvlan's
broadcast queue length.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

from hooknet.dhcp.wire import mac_bytes
from hooknet.kernel.attributes import attribute
from hooknet.kernel.linkmessage import (
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINKINFO,
    IFLA_MACVLAN_MODE,
    IFLA_MTU,
    LINK_BODY,
)
from hooknet.kernel.netlink import (
    CREATE,
    EXCL,
    REPLACE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTM_SETLINK,
    Request,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv4Network

IFLA_AF_SPEC, IFLA_NET_NS_FD, IFLA_EXT_MASK = 26, 28, 29
IFLA_MACVLAN_BC_QUEUE_LEN = 7
SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: halves what has to be read
IFLA_INET_CONF = 1
ARP_ANNOUNCE, ARP_IGNORE, PROMOTE_SECONDARIES, ARP_NOTIFY = 18, 19, 20, 22  # IPV4_DEVCONF_

# struct ifaddrmsg: family, prefix length, flags, scope, index
ADDRESS_BODY = struct.Struct("=BBBBI")
# struct ifa_cacheinfo: preferred, valid, and two times that are the kernel's
CACHEINFO = struct.Struct("=IIII")
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_CACHEINFO, IFA_RT_PRIORITY = 1, 2, 4, 6, 9
FOREVER = 0xFFFFFFFF

# struct rtmsg: family, prefix lengths of destination and source, TOS, table, protocol, scope, type, flags
ROUTE_BODY = struct.Struct("=BBBBBBBBI")
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_TABLE = 1, 4, 5, 6, 15
MAIN_TABLE, PROTO_DHCP, UNICAST, SCOPE_UNIVERSE, SCOPE_LINK = 254, 16, 1, 0, 253

NUMBER = struct.Struct("=I")


def get_link(ifname: str) -> Request:
    """Ask for one link by name."""
    return Request(_link(0) + _text(IFLA_IFNAME, ifname) + _number(IFLA_EXT_MASK, SKIP_STATS), RTM_GETLINK)


def get_links() -> Request:
    """Ask for every link."""
    return Request(_link(0) + _number(IFLA_EXT_MASK, SKIP_STATS), RTM_GETLINK)


def new_macvlan(
    *,
    parent: int,
    netns_fd: int,
    ifname: str,
    mac: str,
    mode: int,
    mtu: int | None,
    bcqueuelen: int | None,
    up: bool,
) -> Request:
    """A macvlan on link `parent`, made in the namespace `netns_fd` under its final name, up in the same step."""
    details = _number(IFLA_MACVLAN_MODE, mode)
    if bcqueuelen is not None:
        details += _number(IFLA_MACVLAN_BC_QUEUE_LEN, bcqueuelen)
    kind = _text(IFLA_INFO_KIND, "macvlan") + attribute(IFLA_INFO_DATA, details)
    message = _link(0, up=up) + _number(IFLA_LINK, parent) + _number(IFLA_NET_NS_FD, netns_fd)
    message += _changes(ifname, mtu, mac) + attribute(IFLA_LINKINFO, kind)
    return Request(message, RTM_NEWLINK, CREATE | EXCL)


def set_link(
    index: int,
    *,
    up: bool | None = None,
    ifname: str | None = None,
    mtu: int | None = None,
    mac: str | None = None,
) -> Request:
    """Change a link. mtu: bytes. None: as it is."""
    return Request(_link(index, up=up) + _changes(ifname, mtu, mac), RTM_SETLINK)


def set_switches(index: int) -> Request:
    """promote_secondaries (an address may follow another without a gap) and arp_notify, on; and ARP about each
    address on its own interface only: a container with two interfaces on one LAN would else answer the probes of
    the one from the other, which looks like a conflict.
    """
    switches = (
        _number(ARP_ANNOUNCE, 2)
        + _number(ARP_IGNORE, 1)
        + _number(PROMOTE_SECONDARIES, 1)
        + _number(ARP_NOTIFY, 1)
    )
    inet = attribute(socket.AF_INET, attribute(IFLA_INET_CONF, switches))
    return Request(_link(index) + attribute(IFLA_AF_SPEC, inet), RTM_SETLINK)


def del_link(index: int) -> Request:
    return Request(_link(index), RTM_DELLINK)


def get_addresses(index: int) -> Request:
    """Ask for the IPv4 addresses of one link (the kernel filters: NETLINK_GET_STRICT_CHK)."""
    return Request(_address(index, 0), RTM_GETADDR)


def new_address(
    index: int, address: IPv4Interface, broadcast: IPv4Address | None, metric: int | None, lifetime: int
) -> Request:
    """Set an address, or renew the lifetime (seconds, FOREVER) of one that is there."""
    message = _address(index, address.network.prefixlen, address.ip.packed)
    if broadcast is not None:
        message += attribute(IFA_BROADCAST, broadcast.packed)
    if metric is not None:
        message += _number(IFA_RT_PRIORITY, metric)
    message += attribute(IFA_CACHEINFO, CACHEINFO.pack(lifetime, lifetime, 0, 0))
    return Request(message, RTM_NEWADDR, CREATE | REPLACE)


def del_address(index: int, address: IPv4Interface) -> Request:
    return Request(_address(index, address.network.prefixlen, address.ip.packed), RTM_DELADDR)


def get_routes() -> Request:
    """Ask for the IPv4 routes of the main table (the kernel filters: NETLINK_GET_STRICT_CHK)."""
    message = ROUTE_BODY.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0) + _number(RTA_TABLE, MAIN_TABLE)
    return Request(message, RTM_GETROUTE)


def new_route(
    index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int, *, replace: bool
) -> Request:
    """Add a route, or (`replace`) put it in the place of the one with the same destination and metric."""
    flags = CREATE | (REPLACE if replace else EXCL)
    return Request(_route(index, destination, gateway, metric), RTM_NEWROUTE, flags)


def del_route(index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int) -> Request:
    return Request(_route(index, destination, gateway, metric), RTM_DELROUTE)


def _link(index: int, *, up: bool | None = None) -> bytes:
    flags, change = (IFF_UP if up else 0, IFF_UP) if up is not None else (0, 0)
    return LINK_BODY.pack(socket.AF_UNSPEC, 0, index, flags, change)


def _changes(ifname: str | None, mtu: int | None, mac: str | None) -> bytes:
    """What is None is left away."""
    return b"".join(
        (
            _text(IFLA_IFNAME, ifname) if ifname is not None else b"",
            _number(IFLA_MTU, mtu) if mtu is not None else b"",
            attribute(IFLA_ADDRESS, mac_bytes(mac)) if mac is not None else b"",
        )
    )


def _address(index: int, prefixlen: int, ours: bytes = b"") -> bytes:
    body = ADDRESS_BODY.pack(socket.AF_INET, prefixlen, 0, 0, index)
    return body + attribute(IFA_LOCAL, ours) + attribute(IFA_ADDRESS, ours) if ours else body


def _route(index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int) -> bytes:
    scope = SCOPE_UNIVERSE if gateway is not None else SCOPE_LINK
    message = ROUTE_BODY.pack(
        socket.AF_INET, destination.prefixlen, 0, 0, MAIN_TABLE, PROTO_DHCP, scope, UNICAST, 0
    )
    if destination.prefixlen:
        message += attribute(RTA_DST, destination.network_address.packed)
    if gateway is not None:
        message += attribute(RTA_GATEWAY, gateway.packed)
    message += _number(RTA_OIF, index)
    return message + _number(RTA_PRIORITY, metric) if metric else message


def _number(type_: int, value: int) -> bytes:
    return attribute(type_, NUMBER.pack(value))


def _text(type_: int, value: str) -> bytes:
    return attribute(type_, os.fsencode(value) + b"\0")
