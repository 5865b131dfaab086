"""The rtnetlink messages that hooknet sends, spelled for pyroute2, or by hand where each renewal does (rtnetlink(7)).

pyroute2 has no name for two things that are needed: setting an interface's IPv4 switches by netlink
(IFLA_AF_SPEC, which works where a hardened unit sees /proc/sys read-only) and macvlan's broadcast queue
length. So the link message is declared here, with only the attributes that are used.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Any

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.kernel.attributes import attribute
from hooknet.kernel.linkmessage import IFF_UP
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

# struct ifaddrmsg: family, prefix length, flags, scope, index
ADDRESS_BODY = struct.Struct("=BBBBI")
# struct ifa_cacheinfo: preferred, valid, and two times that are the kernel's
CACHEINFO = struct.Struct("=IIII")
NUMBER = struct.Struct("=I")
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_CACHEINFO, IFA_RT_PRIORITY = 1, 2, 4, 6, 9

SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: halves what has to be decoded
MAIN_TABLE, PROTO_DHCP, UNICAST, SCOPE_UNIVERSE, SCOPE_LINK = 254, 16, 1, 0, 253
FOREVER = 0xFFFFFFFF


def _nested(*rows: tuple[int, str, str], **types: Any) -> Any:
    """A netlink attribute that holds others: their numbers, names and pyroute2 types."""
    return type("nested", (nla,), {"prefix": "", "nla_map": rows, **types})


_switches = _nested(
    (18, "arp_announce", "uint32"),
    (19, "arp_ignore", "uint32"),
    (20, "promote_secondaries", "uint32"),
    (22, "arp_notify", "uint32"),
)
_inet = _nested((1, "conf", "switches"), switches=_switches)
_families = _nested((socket.AF_INET, "inet", "ipv4"), ipv4=_inet)
_macvlan = _nested((1, "mode", "uint32"), (7, "bcqueuelen", "uint32"))
_kind = _nested((1, "kind", "asciiz"), (2, "details", "macvlan"), macvlan=_macvlan)
_link = type(
    "link",
    (nlmsg,),
    {
        "prefix": "",
        "fields": ifinfmsg.fields,
        "nla_map": (
            (1, "address", "l2addr"),
            (3, "ifname", "asciiz"),
            (4, "mtu", "uint32"),
            (5, "link", "uint32"),
            (18, "linkinfo", "of_kind"),
            (26, "af_spec", "of_family"),
            (28, "netns", "uint32"),
            (29, "ext_mask", "uint32"),
        ),
        "of_kind": _kind,
        "of_family": _families,
    },
)


def get_link(ifname: str) -> Request:
    """Ask for one link by name."""
    return Request(_link_message(0, ifname=ifname, ext_mask=SKIP_STATS), RTM_GETLINK)


def get_links() -> Request:
    """Ask for every link."""
    return Request(_link_message(0, ext_mask=SKIP_STATS), RTM_GETLINK)


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
    details = [("mode", mode)] + ([("bcqueuelen", bcqueuelen)] if bcqueuelen is not None else [])
    kind = {"attrs": [("kind", "macvlan"), ("details", {"attrs": details})]}
    message = _link_message(
        0, up=up, link=parent, netns=netns_fd, ifname=ifname, address=mac, mtu=mtu, linkinfo=kind
    )
    return Request(message, RTM_NEWLINK, CREATE | EXCL)


def set_link(index: int, **attributes: Any) -> Request:
    """Change a link: `ifname`, `mtu` (bytes), `address` (MAC), `up`."""
    return Request(_link_message(index, **attributes), RTM_SETLINK)


def set_switches(index: int) -> Request:
    """promote_secondaries (an address may follow another without a gap) and arp_notify, on; and ARP about each
    address on its own interface only: a container with two interfaces on one LAN would else answer the probes of
    the one from the other, which looks like a conflict.
    """
    values = (("arp_announce", 2), ("arp_ignore", 1), ("promote_secondaries", 1), ("arp_notify", 1))
    switches = {"attrs": list(values)}
    families = {"attrs": [("inet", {"attrs": [("conf", switches)]})]}
    return Request(_link_message(index, af_spec=families), RTM_SETLINK)


def del_link(index: int) -> Request:
    return Request(_link_message(index), RTM_DELLINK)


def get_addresses(index: int) -> Request:
    """Ask for the IPv4 addresses of one link (the kernel filters: NETLINK_GET_STRICT_CHK)."""
    return Request(_address_message(index, 0), RTM_GETADDR)


def new_address(
    index: int, address: IPv4Interface, broadcast: IPv4Address | None, metric: int | None, lifetime: int
) -> Request:
    """Set an address, or renew the lifetime (seconds, FOREVER) of one that is there. By hand: each renewal does."""
    ours = address.ip.packed
    body = ADDRESS_BODY.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index)
    body += attribute(IFA_LOCAL, ours) + attribute(IFA_ADDRESS, ours)
    if broadcast is not None:
        body += attribute(IFA_BROADCAST, broadcast.packed)
    if metric is not None:
        body += attribute(IFA_RT_PRIORITY, NUMBER.pack(metric))
    body += attribute(IFA_CACHEINFO, CACHEINFO.pack(lifetime, lifetime, 0, 0))
    return Request(body, RTM_NEWADDR, CREATE | REPLACE)


def del_address(index: int, address: IPv4Interface) -> Request:
    message = _address_message(
        index, address.network.prefixlen, IFA_LOCAL=str(address.ip), IFA_ADDRESS=str(address.ip)
    )
    return Request(message, RTM_DELADDR)


def get_routes() -> Request:
    """Ask for the IPv4 routes of the main table (the kernel filters: NETLINK_GET_STRICT_CHK)."""
    message = _message(rtmsg, RTA_TABLE=MAIN_TABLE)
    message["family"] = socket.AF_INET
    return Request(message, RTM_GETROUTE)


def new_route(
    index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int, *, replace: bool
) -> Request:
    """Add a route, or (`replace`) put it in the place of the one with the same destination and metric."""
    flags = CREATE | (REPLACE if replace else EXCL)
    return Request(_route_message(index, destination, gateway, metric), RTM_NEWROUTE, flags)


def del_route(index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int) -> Request:
    return Request(_route_message(index, destination, gateway, metric), RTM_DELROUTE)


def _link_message(index: int, *, up: bool | None = None, **attributes: Any) -> Any:
    message = _message(_link, **attributes)
    message["index"] = index
    if up is not None:
        message["flags"], message["change"] = (IFF_UP if up else 0), IFF_UP
    return message


def _address_message(index: int, prefixlen: int, **attributes: Any) -> Any:
    message = _message(ifaddrmsg, **attributes)
    message["family"], message["index"], message["prefixlen"] = socket.AF_INET, index, prefixlen
    return message


def _route_message(index: int, destination: IPv4Network, gateway: IPv4Address | None, metric: int) -> Any:
    message = _message(
        rtmsg,
        RTA_DST=str(destination.network_address) if destination.prefixlen else None,
        RTA_GATEWAY=str(gateway) if gateway else None,
        RTA_OIF=index,
        RTA_PRIORITY=metric or None,
    )
    message["family"], message["dst_len"] = socket.AF_INET, destination.prefixlen
    message["table"], message["proto"], message["type"] = MAIN_TABLE, PROTO_DHCP, UNICAST
    message["scope"] = SCOPE_UNIVERSE if gateway else SCOPE_LINK
    return message


def _message(shape: Any, **attributes: Any) -> Any:
    message = shape()
    message["attrs"] = [(name, value) for name, value in attributes.items() if value is not None]
    return message
