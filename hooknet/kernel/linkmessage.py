"""What the kernel says of a link (rtnetlink(7), RTM_NEWLINK), read by hand.

pyroute2 decodes all of a link's attributes, some fifty of them, in 0.5 ms of processor time; a dozen are used, and
reading these takes 0.02 ms. Every ADD, DEL, CHECK and reconcile reads links, and so does every change of any link of
the host (docs/decisions/netlink-socket.md).
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass

from hooknet.kernel.attributes import attributes

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINKINFO, IFLA_LINK_NETNSID = 18, 37
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_MACVLAN_MODE = 1, 2, 1

LINK_BODY = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMessage:
    """A link as the kernel told it. `mtu`: bytes. `lower`: the index of the link below (a macvlan's, a VLAN's).

    family: AF_UNSPEC, or that of a bridge telling of its ports. type: ARPHRD_*. lower_elsewhere: `lower` is of
    another netns. kind: `macvlan`, `bridge`, …, None for hardware. mode: a macvlan's number.
    """

    family: int
    type: int
    index: int
    flags: int
    name: str
    mac: str
    mtu: int
    master: int | None
    lower: int | None
    lower_elsewhere: bool
    kind: str | None
    mode: int | None

    @property
    def up(self) -> bool:
        """Set up by the administrator."""
        return bool(self.flags & IFF_UP)

    @property
    def carrier(self) -> bool:
        """A cable, or what counts as one, is there."""
        return bool(self.flags & IFF_LOWER_UP)


def read_link(data: bytes, offset: int) -> LinkMessage:
    """The link of a message whose body begins at `offset`. Raises struct.error for what is too short for one."""
    family, type_, index, flags, _change = LINK_BODY.unpack_from(data, offset)
    found = attributes(data, offset + LINK_BODY.size)
    info = attributes(found.get(IFLA_LINKINFO, b""))
    kind = _text(info[IFLA_INFO_KIND]) if IFLA_INFO_KIND in info else None
    details = attributes(info.get(IFLA_INFO_DATA, b"")) if kind == "macvlan" else {}
    return LinkMessage(
        family=family,
        type=type_,
        index=index,
        flags=flags,
        name=_text(found.get(IFLA_IFNAME, b"")),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=_number(found.get(IFLA_MTU)) or 0,
        master=_number(found.get(IFLA_MASTER)),
        lower=_number(found.get(IFLA_LINK)),
        lower_elsewhere=IFLA_LINK_NETNSID in found,
        kind=kind,
        mode=_number(details.get(IFLA_MACVLAN_MODE)),
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _number(value: bytes | None) -> int | None:
    """An unsigned number in the machine's byte order; None where there is none."""
    return int.from_bytes(value[:4], sys.byteorder) if value else None
