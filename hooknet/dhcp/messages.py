"""A DHCP message: the BOOTP fields and the options, from and to the payload of a UDP datagram (RFC 2131 section 2).

The rules.
1. What is not a BOOTP message for Ethernet (240 bytes at least, op 1 or 2, htype 1, hlen 6, the magic cookie)
   is refused with `BadMessage`. Nothing else ever leaves `decode`, whatever the bytes are.
2. Everything else is let through: bad options are absent options (see `options`), and whether a message is
   one that we wait for is `accept`'s question. A message without a valid option 53 has the type None.
3. The properties give values that are already validated (see `values`), or None where the option is absent or bad.
4. `sname` and `file` are strings only where option 52 does not use them for options; else they are empty.
5. Written: hops 0, htype 1, hlen 6, chaddr padded with zeros, flags without the bits that must be zero, END,
   and zeros up to 300 bytes, because old relays drop what is smaller than a BOOTP message (RFC 951, RFC 1542
   section 2.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum, unique
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hooknet.dhcp import options as opt
from hooknet.dhcp import values
from hooknet.dhcp.options import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE = bytes((99, 130, 83, 99))
"""RFC 2131 section 3: the first four bytes of the options field."""
HEADER = struct.Struct("!4BIHHIIII16s64s128s4s")
MIN_SIZE = 240
"""Up to and with the cookie. A decoder that wants more would refuse messages without options."""
PADDED_SIZE = 300
SNAME_SIZE = 64
FILE_SIZE = 128
BOOTREQUEST = 1
BOOTREPLY = 2
ETHERNET = 1
MAC_LENGTH = 6
BROADCAST_FLAG = 0x8000
UNSPECIFIED = IPv4Address(0)


class BadMessage(ValueError):  # noqa: N818 - it names what was refused
    """These bytes are no DHCP message that hooknet could use. The text says why."""


@unique
class MessageType(IntEnum):
    """Option 53 (RFC 2132 section 9.6). Later types (FORCERENEW, lease queries) are not for us and decode as None."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One DHCP message. `secs` is in seconds; `chaddr` is lower-case text with colons; `options` are joined
    by RFC 3396 and in wire order, each code to its raw bytes, without options 0, 52 and 255.
    """

    op: int = BOOTREQUEST
    xid: int
    secs: int = 0
    flags: int = 0
    ciaddr: IPv4Address = UNSPECIFIED
    yiaddr: IPv4Address = UNSPECIFIED
    siaddr: IPv4Address = UNSPECIFIED
    giaddr: IPv4Address = UNSPECIFIED
    chaddr: str
    sname: bytes = b""
    file: bytes = b""
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def type(self) -> MessageType | None:
        """Option 53, None when it is absent, not one byte, or a type that is not for a client and its servers."""
        raw = self.options.get(Code.MESSAGE_TYPE, b"")
        return MessageType(raw[0]) if len(raw) == 1 and 1 <= raw[0] <= MessageType.INFORM else None

    @property
    def server_id(self) -> IPv4Address | None:
        """Option 54: a host's address, never zero, broadcast, multicast or loopback."""
        return values.host_address(self.options.get(Code.SERVER_ID, b""))

    @property
    def requested_address(self) -> IPv4Address | None:
        """Option 50."""
        return values.host_address(self.options.get(Code.REQUESTED_ADDRESS, b""))

    @property
    def lease_time(self) -> int | None:
        """Option 51 in seconds as it is on the wire: 0xffffffff is infinite (RFC 2131 section 3.3)."""
        return values.seconds(self.options.get(Code.LEASE_TIME, b""))

    @property
    def client_id(self) -> bytes | None:
        """Option 61, raw."""
        return self.options.get(Code.CLIENT_ID)

    @property
    def text(self) -> str | None:
        """Option 56, what a server says about a NAK, without control characters: safe for a log."""
        return values.text(self.options.get(Code.TEXT, b""))

    @property
    def broadcast(self) -> bool:
        """Whether the BROADCAST flag is set."""
        return bool(self.flags & BROADCAST_FLAG)


def decode(payload: bytes) -> Message:
    """The message in the payload of a UDP datagram. Raises BadMessage and nothing else, whatever the bytes are."""
    if len(payload) < MIN_SIZE:
        raise BadMessage(f"{len(payload)} bytes are too few for a DHCP message ({MIN_SIZE} at least)")
    op, htype, hlen, _hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, cookie = (
        HEADER.unpack_from(payload)
    )
    if op not in {BOOTREQUEST, BOOTREPLY}:
        raise BadMessage(f"op {op} is neither a request (1) nor a reply (2)")
    if htype != ETHERNET or hlen != MAC_LENGTH:
        raise BadMessage(f"htype {htype}, hlen {hlen} is not Ethernet (1, 6)")
    if cookie != COOKIE:
        raise BadMessage(f"magic cookie {cookie.hex()} is not {COOKIE.hex()}: BOOTP without DHCP")
    parts, overloaded = opt.aggregate(payload[MIN_SIZE:], file, sname)
    return Message(
        op=op,
        xid=xid,
        secs=secs,
        flags=flags,
        ciaddr=IPv4Address(ciaddr),
        yiaddr=IPv4Address(yiaddr),
        siaddr=IPv4Address(siaddr),
        giaddr=IPv4Address(giaddr),
        chaddr=chaddr[:MAC_LENGTH].hex(":"),
        sname=b"" if overloaded in opt.OVERLOADS_SNAME else sname.rstrip(b"\0"),
        file=b"" if overloaded in opt.OVERLOADS_FILE else file.rstrip(b"\0"),
        options=parts,
    )


def encode(message: Message) -> bytes:
    """The message as the payload of a UDP datagram, 300 bytes at least.

    Raises ValueError for what no message can carry: a MAC that is none, a number or a code out of range.
    """
    chaddr = bytes.fromhex(message.chaddr.replace(":", ""))
    if len(chaddr) != MAC_LENGTH:
        raise ValueError(f"{message.chaddr!r} is not an Ethernet address")
    addresses = (int(one) for one in (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr))
    flags = message.flags & BROADCAST_FLAG
    if len(message.sname) > SNAME_SIZE or len(message.file) > FILE_SIZE:
        raise ValueError("sname has room for 64 bytes, file for 128")
    try:
        header = HEADER.pack(
            message.op,
            ETHERNET,
            MAC_LENGTH,
            0,
            message.xid,
            message.secs,
            flags,
            *addresses,
            chaddr,
            message.sname,
            message.file,
            COOKIE,
        )
    except struct.error as error:
        raise ValueError(f"a field of the message is out of range: {error}") from None
    return (header + opt.pack(message.options)).ljust(PADDED_SIZE, b"\0")
