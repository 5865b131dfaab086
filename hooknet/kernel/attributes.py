"""Netlink attributes, read and written by hand: type, length and value (netlink(7)).

For the messages that are read or written all day (docs/decisions/netlink-socket.md). pyroute2 does the others.
"""

from __future__ import annotations

import struct

ATTRIBUTE = struct.Struct("=HH")
TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The netlink attributes from `offset` on, by their type. Ends at the first that can't be one."""
    found: dict[int, bytes] = {}
    last = len(data) - ATTRIBUTE.size
    while offset <= last:
        length, type_ = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size:
            break
        found[type_ & TYPE_MASK] = data[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def attribute(type_: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), type_) + value + bytes(-len(value) % 4)
