"""The next hop on the way to an address: which MAC the kernel's frames to it go to (rtnetlink(7)).

A UDP socket does not tell from which MAC a datagram came. The kernel knows: to send the datagram that was answered it
has just resolved the next hop, the server itself or the router before it. So it is asked for its route and then for
its neighbour, by the interface that the socket was bound to.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from hooknet.kernel.attributes import attribute, attributes
from hooknet.kernel.messages import NUMBER, ROUTE_BODY, RTA_DST, RTA_GATEWAY, RTA_OIF
from hooknet.kernel.netlink import RTM_GETNEIGH, RTM_GETROUTE, NetlinkRefusal, Request

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from hooknet.kernel.netlink import Netlink

NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
NDA_DST, NDA_LLADDR = 1, 2
HOST = 32
RESOLVED = 0x02 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, DELAY, PROBE, PERMANENT: in use just now, or set by hand. What is STALE has not been used lately:
the server was asked by other means, and may be another one."""


def next_hop(netlink: Netlink, index: int, address: IPv4Address) -> str | None:
    """The MAC, lower-case text, that frames to `address` through interface `index` go to.

    None when the kernel has not resolved it, or knows no way. Raises OSError only for broken sockets.
    """
    try:
        route = netlink.get_raw(_route_to(index, address))
        gateway = attributes(route, ROUTE_BODY.size).get(RTA_GATEWAY, address.packed)
        found = netlink.get_raw(_neighbour(index, gateway))
    except NetlinkRefusal:
        return None
    _family, _index, state, _flags, _type = NEIGHBOUR.unpack_from(found)
    mac = attributes(found, NEIGHBOUR.size).get(NDA_LLADDR, b"") if state & RESOLVED else b""
    return mac.hex(":") or None


def _route_to(index: int, address: IPv4Address) -> Request:
    body = ROUTE_BODY.pack(socket.AF_INET, HOST, 0, 0, 0, 0, 0, 0, 0)
    body += attribute(RTA_DST, address.packed) + attribute(RTA_OIF, NUMBER.pack(index))
    return Request(body, RTM_GETROUTE)


def _neighbour(index: int, address: bytes) -> Request:
    body = NEIGHBOUR.pack(socket.AF_INET, index, 0, 0, 0) + attribute(NDA_DST, address)
    return Request(body, RTM_GETNEIGH)
