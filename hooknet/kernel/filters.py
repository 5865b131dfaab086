"""Which packets wake the daemon: classic BPF programs, pure data.

A LAN is noisy, and a burst of containers is noisier: every broadcast reaches every macvlan on its parent. So the
kernel drops what can't be for this client: what is not a whole UDP datagram to port 68 that holds a BOOTREPLY
(length, op, cookie) for our own hardware address; VLAN-tagged frames, which belong to a VLAN device; and ARP that
does not concern the address in question. RFC 5227 section 2.1.1 names what does: any ARP packet whose sender
address is the one that is being probed, and probes of others for it (sender 0, target ours).

Filters see a packet from its network header on (SOCK_DGRAM). A program is a list of instructions; jumps name
labels and are resolved by `assemble`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from ipaddress import IPv4Address

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
PROTOCOL, VLAN_TAG_PRESENT = 0xFFFFF000, 0xFFFFF030  # SKF_AD_OFF + SKF_AD_PROTOCOL / SKF_AD_VLAN_TAG_PRESENT
COOKIE = 0x63825363
ARP_REQUEST, ARP_REPLY = 0x06040001, 0x06040002  # lengths of MAC and address, and the operation

LD_WORD, LD_HALF, LD_BYTE, LD_LENGTH = 0x20, 0x28, 0x30, 0x80
LD_WORD_X, LD_HALF_X, LD_BYTE_X = 0x40, 0x48, 0x50
LDX_HEADER_LENGTH = 0xB1  # X = 4 * (byte & 15): the length of an IPv4 header
SUB_X = 0x1C
JEQ, JGE, JSET = 0x15, 0x35, 0x45
RET = 0x06

WHOLE = 0xFFFFFFFF
UDP, BOOT_REPLY, CLIENT_PORT = 17, 2, 68
FRAGMENT = 0x3FFF  # more fragments, or an offset
UDP_HEADER, LEAST_MESSAGE = 8, 240
OP, CHADDR, MAGIC = UDP_HEADER, UDP_HEADER + 28, UDP_HEADER + 236
MOST_ADDRESSES = 1000  # a program has at most 4096 instructions, and old kernels allow half of that


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction. `yes` and `no` are labels to go to; empty means the next instruction."""

    code: int
    k: int = 0
    yes: str = ""
    no: str = ""


Line = Op | str
Instruction = tuple[int, int, int, int]

DROP: tuple[Line, ...] = ("drop", Op(RET, 0))
ACCEPT: tuple[Line, ...] = ("accept", Op(RET, WHOLE))


def exchange(mac: bytes, address: IPv4Address | None) -> list[Instruction]:
    """DHCP replies for `mac` and, while `address` is in question, what ARP says about it."""
    return assemble(
        [
            Op(LD_WORD, VLAN_TAG_PRESENT),
            Op(JEQ, 0, no="drop"),
            Op(LD_WORD, PROTOCOL),
            Op(JEQ, ETH_P_IP, yes="ip"),
            Op(JEQ, ETH_P_ARP, yes="arp", no="drop"),
            "ip",
            *_dhcp_reply(mac),
            "arp",
            *_conflict(() if address is None else (address,)),
            *DROP,
            *ACCEPT,
        ]
    )


def conflicts(addresses: Collection[IPv4Address] | None) -> list[Instruction]:
    """ARP packets that come from one of `addresses` or probe for it; None (or too many) for all ARP packets."""
    if addresses is None or len(addresses) > MOST_ADDRESSES:
        return assemble(list(ACCEPT))
    return assemble([*_conflict(addresses), *DROP, *ACCEPT])


def nothing() -> list[Instruction]:
    """No packet: for a socket that only sends, or is not ready yet."""
    return assemble(list(DROP))


def assemble(lines: Sequence[Line]) -> list[Instruction]:
    """Resolve the labels. ValueError for a label that is unknown, behind, or too far away (255 instructions)."""
    places: dict[str, int] = {}
    ops: list[Op] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(ops)
        else:
            ops.append(line)
    return [(op.code, _jump(op.yes, at, places), _jump(op.no, at, places), op.k) for at, op in enumerate(ops)]


def _jump(label: str, at: int, places: dict[str, int]) -> int:
    if not label:
        return 0
    distance = places.get(label, -1) - at - 1
    if not 0 <= distance <= 255:  # noqa: PLR2004 - a byte
        raise ValueError(f"no jump from instruction {at} to {label!r}")
    return distance


def _dhcp_reply(mac: bytes) -> list[Line]:
    """An IPv4 packet: UDP, unfragmented, to port 68, long enough, BOOTREPLY, for our chaddr, with the cookie."""
    return [
        Op(LD_BYTE, 9),
        Op(JEQ, UDP, no="drop"),
        Op(LD_HALF, 6),
        Op(JSET, FRAGMENT, yes="drop"),
        Op(LDX_HEADER_LENGTH, 0),
        Op(LD_HALF_X, 2),
        Op(JEQ, CLIENT_PORT, no="drop"),
        Op(LD_LENGTH),
        Op(SUB_X),
        Op(JGE, UDP_HEADER + LEAST_MESSAGE, no="drop"),
        Op(LD_BYTE_X, OP),
        Op(JEQ, BOOT_REPLY, no="drop"),
        Op(LD_WORD_X, MAGIC),
        Op(JEQ, COOKIE, no="drop"),
        Op(LD_WORD_X, CHADDR),
        Op(JEQ, int.from_bytes(mac[:4]), no="drop"),
        Op(LD_HALF_X, CHADDR + 4),
        Op(JEQ, int.from_bytes(mac[4:6]), yes="accept", no="drop"),
    ]


def _conflict(addresses: Collection[IPv4Address]) -> list[Line]:
    """An ARP packet: its sender is one of the addresses, or it is a probe for one."""
    if not addresses:
        return [Op(RET, 0)]
    known: list[Line] = [
        Op(LD_WORD, 4),
        Op(JEQ, ARP_REQUEST, yes="sender"),
        Op(JEQ, ARP_REPLY, yes="sender"),
        Op(RET, 0),
        "sender",
        Op(LD_WORD, 14),
        Op(JEQ, 0, no="known"),
        Op(LD_WORD, 24),  # a probe: what counts is what it asks for
        "known",
    ]
    for number, address in enumerate(addresses):
        known += [Op(JEQ, int(address), no=f"not {number}"), Op(RET, WHOLE), f"not {number}"]
    return [*known, Op(RET, 0)]
