"""The floor: what the kernel, the wire and the server take when nobody stands between, by hand.

One thread, raw messages that are written before the clock starts, no process start, no daemon, no journal, no
hooks, no checks: create the macvlan in the namespace, up; DISCOVER and REQUEST by the parent, OFFER and ACK through a
packet socket; address and default route. A DEL: the RELEASE as a frame, the link deleted. Closing the packet socket
(16 ms) comes after the clock has stopped.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ground import setns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ground import Box

RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_NEWROUTE = 16, 17, 20, 24
REQUEST_ACK, CREATE_EXCL = 0x5, 0x600
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 5, 18, 28
IFA_ADDRESS, IFA_LOCAL, RTA_OIF, RTA_GATEWAY = 1, 2, 4, 5
KIND, DATA, MODE, BRIDGE = 1, 2, 1, 4
ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
BROADCAST = b"\xff" * 6
COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK, RELEASE = 1, 2, 3, 5, 7
END = 255
PATIENCE = 5.0
UDP_TO_68 = (
    (0x30, 0, 0, 9),
    (0x15, 0, 3, 17),
    (0x28, 0, 0, 22),
    (0x15, 0, 1, 68),
    (0x6, 0, 0, 65535),
    (0x6, 0, 0, 0),
)


@dataclass(slots=True)
class Held:
    """What the floor has got."""

    index: int
    mac: bytes
    address: bytes
    server: bytes
    server_mac: bytes


class Floor:
    """Attaches and detaches boxes by hand, on `parent`."""

    name = "floor"

    def __init__(self, parent: str) -> None:
        self._parent = socket.if_nametoindex(parent)
        self._outlet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._way_out = (parent, ETH_P_IP)
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def add(self, box: Box) -> tuple[float, Held]:
        """Milliseconds, and what is held now."""
        mac = b"\x02" + os.urandom(5)
        there = os.open(box.path, os.O_RDONLY | os.O_CLOEXEC)
        xid = os.urandom(4)
        create = new_macvlan(self._parent, there, mac)
        ethernet = BROADCAST + mac + struct.pack("!H", ETH_P_IP)
        discover = ethernet + dhcp(DISCOVER, xid, mac)
        wire = None
        began = time.perf_counter()
        try:
            tell_kernel(create)
            setns(there)
            index = socket.if_nametoindex("eth0")
            wire = open_wire()
            self._outlet.sendto(discover, self._way_out)
            offer, _ = hear(wire, xid, OFFER)
            self._outlet.sendto(ethernet + dhcp(REQUEST, xid, mac, requested(offer)), self._way_out)
            ack, server_mac = hear(wire, xid, ACK)
            options = dict(options_of(ack))
            address, router = ack[16:20], options[3][:4]
            tell_kernel(new_address(index, address, options[1]), new_route(index, router))
            ms = (time.perf_counter() - began) * 1000
        finally:
            setns(self._home)
            os.close(there)
            if wire is not None:
                wire.close()
        return ms, Held(index, mac, address, options[54], server_mac)

    def delete(self, box: Box, held: Held) -> float:
        """Milliseconds."""
        there = os.open(box.path, os.O_RDONLY | os.O_CLOEXEC)
        release = dhcp(
            RELEASE,
            os.urandom(4),
            held.mac,
            b"\x36\x04" + held.server,
            source=held.address,
            destination=held.server,
        )
        began = time.perf_counter()
        setns(there)
        try:
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
            wire.sendto(release, ("eth0", ETH_P_IP, 0, 0, held.server_mac))
            tell_kernel(message(RTM_DELLINK, 0, struct.pack("=BxHiII", 0, 0, held.index, 0, 0)))
            ms = (time.perf_counter() - began) * 1000
        finally:
            setns(self._home)
            os.close(there)
        wire.close()
        return ms


# the kernel


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, REQUEST_ACK | flags, 1, 0) + body


def new_macvlan(parent: int, netns: int, mac: bytes) -> bytes:
    info = attribute(KIND, b"macvlan") + attribute(DATA, attribute(MODE, struct.pack("=I", BRIDGE)))
    attributes = (
        attribute(IFLA_IFNAME, b"eth0\0")
        + attribute(IFLA_ADDRESS, mac)
        + attribute(IFLA_LINK, struct.pack("=I", parent))
        + attribute(IFLA_NET_NS_FD, struct.pack("=I", netns))
        + attribute(IFLA_LINKINFO, info)
    )
    return message(RTM_NEWLINK, CREATE_EXCL, struct.pack("=BxHiII", 0, 0, 0, 1, 1) + attributes)


def new_address(index: int, address: bytes, mask: bytes) -> bytes:
    prefix = int.from_bytes(mask, "big").bit_count()
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
    return message(
        RTM_NEWADDR, CREATE_EXCL, body + attribute(IFA_LOCAL, address) + attribute(IFA_ADDRESS, address)
    )


def new_route(index: int, router: bytes) -> bytes:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 16, 0, 1, 0)
    return message(
        RTM_NEWROUTE,
        CREATE_EXCL,
        body + attribute(RTA_GATEWAY, router) + attribute(RTA_OIF, struct.pack("=I", index)),
    )


def tell_kernel(*messages: bytes) -> None:
    """Send all in one datagram; raises the first refusal."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.send(b"".join(messages))
        for _ in messages:
            (code,) = struct.unpack_from("=i", netlink.recv(65536), 16)
            if code:
                raise OSError(-code, os.strerror(-code))


# the wire


def open_wire() -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    code = b"".join(struct.pack("=HBBI", *one) for one in UDP_TO_68)
    buffer = bytearray(code)
    import ctypes  # only here: the address of a buffer has no other name in Python

    address = ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
    wire.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(UDP_TO_68), address))
    wire.bind(("eth0", ETH_P_IP))
    return wire


def dhcp(
    kind: int,
    xid: bytes,
    mac: bytes,
    extra: bytes = b"",
    *,
    source: bytes = bytes(4),
    destination: bytes = b"\xff" * 4,
) -> bytes:
    """An IPv4 packet from port 68 to port 67 with a DHCP message in it."""
    head = struct.pack("!BBBB4sHH4s12s", 1, 1, 6, 0, xid, 0, 0, source, bytes(12))
    asked = b"" if kind == RELEASE else b"\x37\x06\x01\x03\x06\x0f\x33\x36"
    options = COOKIE + bytes((53, 1, kind, 61, 7, 1)) + mac + extra + asked + b"\xff"
    payload = (head + mac + bytes(202) + options).ljust(300, b"\0")
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, source, destination)
    return ip[:10] + checksum(ip) + ip[12:] + udp + payload


def checksum(header: bytes) -> bytes:
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def hear(wire: socket.socket, xid: bytes, kind: int) -> tuple[bytes, bytes]:
    """The message of this kind and transaction, and the MAC that it came from."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([wire], [], [], PATIENCE)[0]:
            break
        packet, source = wire.recvfrom(65536)
        payload = packet[(packet[0] & 15) * 4 + 8 :]
        if payload[4:8] == xid and dict(options_of(payload)).get(53) == bytes((kind,)):
            return payload, source[4]
    raise TimeoutError("the lab's DHCP server does not answer")


def options_of(payload: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 240
    while offset < len(payload) and payload[offset] != END:
        if payload[offset] == 0:
            offset += 1
            continue
        length = payload[offset + 1]
        yield payload[offset], payload[offset + 2 : offset + 2 + length]
        offset += 2 + length


def requested(offer: bytes) -> bytes:
    return b"\x32\x04" + offer[16:20] + b"\x36\x04" + dict(options_of(offer))[54]
