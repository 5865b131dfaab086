"""The next hop on the way to an address: which MAC the kernel's frames to it go to (rtnetlink(7)).

A UDP socket does not tell from which MAC a datagram came. The kernel knows: to send the datagram that was answered it
has just resolved the next hop, the server itself or the router before it. So it is asked for its route and then for
its neighbour, by the interface that the socket was bound to.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.kernel.netlink import RTM_GETNEIGH, RTM_GETROUTE, NetlinkRefusal, Request

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from hooknet.kernel.netlink import Netlink

HOST = 32
RESOLVED = 0x02 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, DELAY, PROBE, PERMANENT: in use just now, or set by hand. What is STALE has not been used lately:
the server was asked by other means, and may be another one."""


def next_hop(netlink: Netlink, index: int, address: IPv4Address) -> str | None:
    """The MAC, lower-case text, that frames to `address` through interface `index` go to.

    None when the kernel has not resolved it, or knows no way. Raises OSError only for broken sockets.
    """
    try:
        route = netlink.get(_route_to(index, address))
        found = netlink.get(_neighbour(index, route.get_attr("RTA_GATEWAY") or str(address)))
    except NetlinkRefusal:
        return None
    mac = found.get_attr("NDA_LLADDR") if found["state"] & RESOLVED else None
    return mac.lower() if mac else None


def _route_to(index: int, address: IPv4Address) -> Request:
    message = rtmsg()
    message["family"], message["dst_len"] = socket.AF_INET, HOST
    message["attrs"] = [("RTA_DST", str(address)), ("RTA_OIF", index)]
    return Request(message, RTM_GETROUTE)


def _neighbour(index: int, address: str) -> Request:
    message = ndmsg()
    message["family"], message["ifindex"] = socket.AF_INET, index
    message["attrs"] = [("NDA_DST", address)]
    return Request(message, RTM_GETNEIGH)
