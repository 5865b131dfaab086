"""Sockets: one for an exchange in a container's netns, one per parent for ARP, one for a renewal, one for the host.

Order matters. The link is up before the socket is bound, or the first send fails with ENETDOWN. The socket is
made without a protocol and bound once its filter is on: it hears nothing before it filters, and binding costs
0.04 ms instead of 12 (changing the protocol of a socket that receives waits for the kernel's readers).

DHCP and ARP come through one socket (ETH_P_ALL behind a filter): closing one takes as long as the other, 16
ms each, so two would double what a burst has to close (docs/decisions/one-socket-per-exchange.md). Close
them in the kernel pool, never on the event loop.

Replies that never left this host have no UDP checksum yet (veth, macvlan); the kernel says so for each packet
(packet(7), PACKET_AUXDATA). Receiving never raises for what a packet holds, nor for a link that goes down:
either is no reason to end an exchange.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeVar

from hooknet.dhcp.wire import (
    ARP_SENDER,
    BROADCAST_MAC,
    CLIENT_PORT,
    SERVER_PORT,
    ArpPacket,
    UdpDatagram,
    arp_announcement,
    mac_bytes,
    parse_arp,
    parse_udp_packet,
)
from hooknet.kernel import filters
from hooknet.kernel.filters import ETH_P_ARP, ETH_P_IP, Instruction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SO_ATTACH_FILTER = 26
IP_PKTINFO, PKTINFO = 8, struct.Struct("=i4s4s")  # ip(7): interface, source, destination
CHECKSUM_NOT_READY = 1 << 3  # TP_STATUS_CSUMNOTREADY
AUXDATA = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata
INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter
MAC_LENGTH = 6
ARP_TARGET = slice(24, 28)

LARGEST = 1 << 16
AT_ONCE = 64  # packets per wake-up: a flood must not hold the event loop

UNKNOWN_MAC = ""

T = TypeVar("T")
Packet = UdpDatagram | ArpPacket


@dataclass(frozen=True, slots=True)
class _Received:
    data: bytes
    protocol: int
    mac: str
    checksum_ready: bool


class _PacketSocket:
    """AF_PACKET, SOCK_DGRAM: packets without their Ethernet header. Non-blocking; `close` blocks about 16 ms."""

    def __init__(self, ifname: str, protocol: int, program: Callable[[bytes], Sequence[Instruction]]) -> None:
        """`program` is asked for the filter once the interface's MAC is known. Raises OSError."""
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self.ifname = ifname
        self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        try:
            self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self._socket.bind((ifname, 0))
            self.mac_bytes: bytes = self._socket.getsockname()[4]
            attach(self._socket, program(self.mac_bytes))
            if protocol:
                self._socket.bind((ifname, protocol))
        except BaseException:
            self._socket.close()
            raise

    @property
    def mac(self) -> str:
        """The interface's MAC address when the socket was opened."""
        return self.mac_bytes.hex(":")

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Blocks about 16 ms; harmless when it is closed already."""
        self._socket.close()

    def _send(self, data: bytes, protocol: int, mac: str) -> None:
        self._socket.sendto(data, (self.ifname, protocol, 0, 0, mac_bytes(mac)))

    def _received(self) -> Iterator[_Received]:
        for _ in range(AT_ONCE):
            try:
                data, control, _flags, source = self._socket.recvmsg(LARGEST, socket.CMSG_SPACE(AUXDATA.size))
            except OSError:  # nothing more (EAGAIN), or the link went down, which is said once
                return
            status = next((AUXDATA.unpack(c)[0] for _, kind, c in control if kind == PACKET_AUXDATA), 0)
            yield _Received(data, source[1], source[4].hex(":"), not status & CHECKSUM_NOT_READY)


class ExchangeSocket(_PacketSocket):
    """DHCP replies to one client and, once an address is in question, ARP about it."""

    _watched: IPv4Address | None = None

    def __init__(self, ifname: str, client: bytes | None) -> None:
        """`client`: the hardware address that replies are for; None for the interface's own. Raises OSError."""
        self._client = client
        super().__init__(ifname, ETH_P_ALL, lambda own: filters.exchange(client or own, None))

    def recv(self) -> list[Packet]:
        """What has come, oldest first, at most 64 packets; empty when nothing has. Never raises."""
        return [packet for one in self._received() if (packet := _parsed(one)) is not None]

    def send(self, packet: bytes, mac: str) -> None:
        """Send an IPv4 packet to the next hop `mac`. Raises OSError when the kernel refuses."""
        self._send(packet, ETH_P_IP, mac)

    def send_arp(self, payload: bytes, mac: str) -> None:
        """Send an ARP packet; from now on what others say about its target address is heard. OSError.

        It comes from the MAC that the interface has now: one that was changed under the lease (`tuning`) is where the
        answer goes, and what neighbours are to know.
        """
        self.watch_target(payload)
        now: bytes = self._socket.getsockname()[4]
        self._send(payload[: ARP_SENDER.start] + now + payload[ARP_SENDER.stop :], ETH_P_ARP, mac)

    def watch_target(self, payload: bytes) -> None:
        """Hear what others say about the target address of this ARP packet. Raises OSError."""
        if self._watched != (target := IPv4Address(payload[ARP_TARGET])):
            self.watch(target)

    def watch(self, address: IPv4Address | None) -> None:
        """Hear ARP about this address only; None for no ARP at all."""
        attach(self._socket, filters.exchange(self._client or self.mac_bytes, address))
        self._watched = address


class ArpSocket(_PacketSocket):
    """ARP about the addresses that are watched: on a parent, for all of its containers."""

    def recv(self) -> list[ArpPacket]:
        """What has come, oldest first, at most 64 packets; empty when nothing has. Never raises."""
        return [arp for one in self._received() if (arp := parse_arp(one.data)) is not None]

    def send(self, payload: bytes, mac: str) -> None:
        """Send an ARP packet from the interface itself (its own MAC). Raises OSError."""
        self._send(payload, ETH_P_ARP, mac)

    def watch(self, addresses: Collection[IPv4Address]) -> None:
        """Hear about these addresses only. Too many for a filter (1000), and all ARP packets are heard."""
        try:
            attach(self._socket, filters.conflicts(addresses))
        except OSError:  # ENOMEM: the host allows only small filters (net.core.optmem_max)
            attach(self._socket, filters.conflicts(None))


class Sender(_PacketSocket):
    """Sends from a container's interface and hears nothing."""

    def send(self, packet: bytes, mac: str) -> None:
        """Send an IPv4 packet to the next hop `mac`. Raises OSError when the kernel refuses."""
        self._send(packet, ETH_P_IP, mac)


class Outlet:
    """Sends whole Ethernet frames, with whatever source MAC they have, on the host's interfaces, and hears nothing.

    One for the daemon, because its end takes as long as that of any packet socket. It opens with the first frame.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def send(self, ifname: str, frame: bytes) -> None:
        """Raises OSError when the kernel refuses: no such interface, it is down, no room."""
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
        self._socket.sendto(frame, (ifname, int.from_bytes(frame[2 * MAC_LENGTH :][:2])))

    def close(self) -> None:
        """Blocks about 16 ms; harmless when it is closed already."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpSocket:
    """A UDP socket for renewals: the kernel routes and asks ARP, and closing it is cheap.

    It sends from the lease's address and is bound to none, because a server that refuses a renewal broadcasts
    its NAK (RFC 2131 section 4.3.2).
    """

    def __init__(self, ifname: str, address: IPv4Address) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._from = [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, address.packed, bytes(4)))]
        self._socket = socket.socket(socket.AF_INET, kind)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
            self._socket.bind(("", CLIENT_PORT))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def recv(self) -> list[UdpDatagram]:
        """What has come, oldest first, at most 64; `source_mac` is empty, UDP does not tell it. Never raises."""
        found: list[UdpDatagram] = []
        while len(found) < AT_ONCE:
            try:
                data, (host, _port) = self._socket.recvfrom(LARGEST)
            except BlockingIOError:
                break
            except OSError:  # ICMP said that nobody listens: no reason to end the exchange
                break
            found.append(UdpDatagram(UNKNOWN_MAC, IPv4Address(host), data))
        return found

    def send(self, payload: bytes, destination: IPv4Address) -> None:
        """Send a DHCP message to port 67 of a server. Raises OSError (no such address, no route, no buffer)."""
        self._socket.sendmsg([payload], self._from, 0, (str(destination), SERVER_PORT))


def open_exchange(ifname: str, client: bytes | None = None) -> ExchangeSocket:
    """The socket of an ADD, in the netns of the calling thread; the link must be up. Raises OSError.

    client: the chaddr of what will be sent. It is the interface's own MAC, unless that was changed under the lease.
    """
    return ExchangeSocket(ifname, client)


def open_arp(ifname: str) -> ArpSocket:
    """ARP on `ifname`, of nobody yet: see `ArpSocket.watch`. Raises OSError.

    On a parent, broadcasts are heard, and so every announcement and probe of the LAN; what macvlans on the
    same parent say to each other is not.
    """
    return ArpSocket(ifname, ETH_P_ARP, lambda _mac: filters.nothing())


def announce(ifname: str, addresses: Iterable[IPv4Address]) -> None:
    """Tell the LAN, once, that `addresses` are on `ifname` of the calling thread's netns (RFC 5227 section 2.3).

    Raises OSError. Blocks about 16 ms for the socket's end.
    """
    with contextlib.closing(open_arp(ifname)) as line:
        for address in addresses:
            line.send(arp_announcement(line.mac, address), BROADCAST_MAC)


def open_sender(ifname: str) -> Sender:
    """For a RELEASE before the link goes, in the netns of the calling thread. Raises OSError."""
    return Sender(ifname, 0, lambda _mac: filters.nothing())


def open_unicast(ifname: str, address: IPv4Address) -> UdpSocket:
    """A UDP socket on port 68 that sends from `address`, in the netns of the calling thread.

    Raises OSError: EADDRINUSE when a DHCP client of the container's own sits there.
    """
    return UdpSocket(ifname, address)


def attach(target: socket.socket, program: Sequence[Instruction]) -> None:
    """Put a filter on a socket in the place of the one it had (socket(7), SO_ATTACH_FILTER). Raises OSError."""
    code = ctypes.create_string_buffer(b"".join(INSTRUCTION.pack(*one) for one in program))
    target.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code))
    )


def _parsed(one: _Received) -> Packet | None:
    if one.protocol == ETH_P_ARP:
        return parse_arp(one.data)
    found = parse_udp_packet(one.data, checksum_ready=one.checksum_ready)
    return None if found is None else UdpDatagram(one.mac, *found)
