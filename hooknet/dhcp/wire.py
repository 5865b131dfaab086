"""Ethernet, IPv4, UDP and ARP around a DHCP message. The only module that imports scapy.

What scapy is used for. It knows the formats, so it writes the template of every header here, and its checksum
is the one that is used both ways; the tests compare whole frames with those that scapy builds and dissects.
What it is not used for, and why:
- Building a frame per message: 0.5 ms for IP()/UDP() and 0.2 ms for ARP(), inside the ADD. The few fields
  that change are written into a copy of the template instead: 0.01 ms.
- Dissecting what arrives: 0.1 ms each, so a flood of 10 000 broadcasts would hold the daemon for a second,
  and before anything is known about the packet its bytes would be in a large library's hands. A received
  header has a handful of fields that decide; they are looked at directly, and nothing raises.

What a received packet must be: IPv4, whole (no fragment), UDP to port 68, lengths that agree with the bytes,
the header's checksum right, and the UDP checksum right unless it is 0 (none) or not yet computed: the kernel
leaves it to the hardware where both ends are on one host, and says so (PACKET_AUXDATA,
TP_STATUS_CSUMNOTREADY). The source port is not looked at.

How scapy is imported. Left to itself it reads a list of hardware vendors that nobody asks it for (29 MB),
keeps that as a pickle in root's home and reads it from there the next time, and reads the routes of the
network namespace it is in. The lists are replaced by empty ones, the cache and the routes switched off: 19 MB
and 0.1 s instead of 57 MB and 0.3 s (scapy 2.8; docs/decisions/scapy-at-arms-length.md). It still lists
interfaces when imported: the daemon imports this module when it starts, in its own netns.
"""

from __future__ import annotations

import logging
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import ModuleType

CLIENT_PORT = 68
SERVER_PORT = 67
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
ZERO_MAC = "00:00:00:00:00:00"
NOBODY = IPv4Address(0)


def restrain_scapy() -> None:
    """Keep scapy's import from the excess described above. A version without these switches is slower."""
    for unused in ("scapy.libs.manuf", "scapy.libs.bluetoothids"):
        empty = ModuleType(unused)
        vars(empty)["DATA"] = ""
        sys.modules.setdefault(unused, empty)
    logging.getLogger("scapy").setLevel(logging.ERROR)
    import scapy.main

    scapy.main.SCAPY_CACHE_FOLDER = None
    from scapy.config import conf

    conf.route_autoload = False
    conf.route6_autoload = False


restrain_scapy()

from scapy.layers.inet import IP  # noqa: E402 - only now
from scapy.layers.l2 import ARP, Ether  # noqa: E402
from scapy.utils import checksum  # noqa: E402

IP_HEADER = struct.Struct("!BBHHHBBHII")
UDP_HEADER = struct.Struct("!HHHH")
PSEUDO_HEADER = struct.Struct("!IIBBH")
"""Of the UDP checksum (RFC 768): source, destination, zero, protocol, length."""
ARP_HEADER = struct.Struct("!HHBBH6s4s6s4s")
IP_VERSION = 4
MIN_HEADER_WORDS = 5
UDP_PROTOCOL = 17
ETHERTYPE_IP, ETHERTYPE_ARP = 0x0800, 0x0806
ARP_SENDER = slice(8, 14)
"""Where an ARP packet has its sender's MAC (RFC 826)."""
FRAGMENT = 0x3FFF
"""More fragments, and the fragment offset; DF is left out."""
ONES = 0xFFFF
MAX_UDP = ONES - IP_HEADER.size
ETHERNET = 1
MAC_LENGTH = 6
ADDRESS_LENGTH = 4
ARP_REQUEST = 1
ARP_REPLY = 2

NONE = str(NOBODY)
IP_TEMPLATE = IP_HEADER.unpack(bytes(IP(src=NONE, dst=NONE, id=0, flags="DF", proto=UDP_PROTOCOL)))
ARP_TEMPLATE = ARP_HEADER.unpack(bytes(ARP(hwsrc=ZERO_MAC, psrc=NONE, hwdst=ZERO_MAC, pdst=NONE)))
ETHERNET_TYPE = bytes(Ether(src=ZERO_MAC, dst=ZERO_MAC, type=ETHERTYPE_IP))[2 * MAC_LENGTH :]


@dataclass(frozen=True, slots=True)
class UdpDatagram:
    """A datagram that reached port 68: the MAC it came from (the next hop), the IP source, the UDP data."""

    source_mac: str
    source: IPv4Address
    payload: bytes


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet for IPv4 over Ethernet (RFC 826). `operation` is 1 (request) or 2 (reply)."""

    operation: int
    sender_mac: str
    sender: IPv4Address
    target_mac: str
    target: IPv4Address


def udp_packet(payload: bytes, *, source: IPv4Address, destination: IPv4Address) -> bytes:
    """The IPv4 packet from port 68 to port 67, checksums right. ValueError above 65507 bytes of payload."""
    length = UDP_HEADER.size + len(payload)
    if length > MAX_UDP:
        raise ValueError(f"{len(payload)} bytes do not fit into one IPv4 packet")
    ends = int(source), int(destination)
    bare = UDP_HEADER.pack(CLIENT_PORT, SERVER_PORT, length, 0) + payload
    right = udp_checksum(*ends, bare) or ONES  # RFC 768: a sum of 0 is sent as all ones, 0 means "none"
    return ip_header(length, *ends) + UDP_HEADER.pack(CLIENT_PORT, SERVER_PORT, length, right) + payload


def ip_header(length: int, source: int, destination: int) -> bytes:
    """The header before `length` bytes of UDP: scapy's template with what differs, and its checksum."""
    first, tos, _, ident, fragment, ttl, protocol, *_ = IP_TEMPLATE
    before = first, tos, IP_HEADER.size + length, ident, fragment, ttl, protocol
    right = checksum(IP_HEADER.pack(*before, 0, source, destination))
    return IP_HEADER.pack(*before, right, source, destination)


def udp_checksum(source: int, destination: int, udp: bytes) -> int:
    """Of a UDP header and its data; 0 when the header holds the right one already."""
    return int(checksum(PSEUDO_HEADER.pack(source, destination, 0, UDP_PROTOCOL, len(udp)) + udp))


def ethernet_udp_frame(
    payload: bytes, *, source_mac: str, destination_mac: str, source: IPv4Address, destination: IPv4Address
) -> bytes:
    """`udp_packet` with the Ethernet header before it: for what leaves by the parent."""
    packet = udp_packet(payload, source=source, destination=destination)
    return mac_bytes(destination_mac) + mac_bytes(source_mac) + ETHERNET_TYPE + packet


def mac_bytes(mac: str) -> bytes:
    """Raises ValueError when `mac` is not six bytes as text."""
    raw = bytes.fromhex(mac.replace(":", ""))
    if len(raw) != MAC_LENGTH:
        raise ValueError(f"{mac!r} is not an Ethernet address")
    return raw


def parse_udp_packet(packet: bytes, *, checksum_ready: bool) -> tuple[IPv4Address, bytes] | None:
    """The IP source and the UDP data of an IPv4 packet to port 68; None when it is anything else. Never raises.

    `checksum_ready` False says that the kernel has not computed the UDP checksum yet.
    """
    if len(packet) < IP_HEADER.size:
        return None
    first, _tos, total, _id, fragment, _ttl, protocol, _sum, source, destination = IP_HEADER.unpack_from(
        packet
    )
    begin = (first & 0x0F) * 4
    whole = first >> 4 == IP_VERSION and not fragment & FRAGMENT and protocol == UDP_PROTOCOL
    if not whole or begin < MIN_HEADER_WORDS * 4 or not begin + UDP_HEADER.size <= total <= len(packet):
        return None
    _sport, dport, length, udp_sum = UDP_HEADER.unpack_from(packet, begin)
    if dport != CLIENT_PORT or not UDP_HEADER.size <= length <= total - begin or checksum(packet[:begin]):
        return None
    udp = packet[begin : begin + length]
    if udp_sum and checksum_ready and udp_checksum(source, destination, udp):
        return None
    return IPv4Address(source), udp[UDP_HEADER.size :]


def arp_probe(mac: str, address: IPv4Address) -> bytes:
    """Does anybody have `address`? (RFC 5227 section 2.1.1: the sender's address is 0.) Without Ethernet header."""
    return arp_packet(ARP_REQUEST, mac, NOBODY, address)


def arp_announcement(mac: str, address: IPv4Address) -> bytes:
    """`address` is ours (RFC 5227 section 2.3); also the defence of section 2.4. Without Ethernet header."""
    return arp_packet(ARP_REQUEST, mac, address, address)


def arp_packet(operation: int, mac: str, sender: IPv4Address, target: IPv4Address) -> bytes:
    """An ARP packet whose target MAC is not known. Without Ethernet header."""
    *kind, _operation, _mac, _sender, target_mac, _target = ARP_TEMPLATE
    return ARP_HEADER.pack(*kind, operation, mac_bytes(mac), sender.packed, target_mac, target.packed)


def ethernet_arp_frame(payload: bytes, destination_mac: str) -> bytes:
    """An ARP packet with the Ethernet header before it; it comes from its sender."""
    return mac_bytes(destination_mac) + payload[ARP_SENDER] + ETHERTYPE_ARP.to_bytes(2, "big") + payload


def parse_arp(payload: bytes) -> ArpPacket | None:
    """The ARP packet (without Ethernet header) for IPv4 over Ethernet; None for anything else. Never raises."""
    if len(payload) < ARP_HEADER.size:
        return None
    hardware, protocol, hlen, plen, operation, sender_mac, sender, target_mac, target = (
        ARP_HEADER.unpack_from(payload)
    )
    if (hardware, protocol, hlen, plen) != (ETHERNET, ETHERTYPE_IP, MAC_LENGTH, ADDRESS_LENGTH):
        return None
    if operation not in {ARP_REQUEST, ARP_REPLY}:
        return None
    return ArpPacket(
        operation, sender_mac.hex(":"), IPv4Address(sender), target_mac.hex(":"), IPv4Address(target)
    )
