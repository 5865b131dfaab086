"""What travels on the simulated LAN, and how it reads in a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hooknet.dhcp.messages import BadMessage, decode
from hooknet.dhcp.wire import UdpDatagram, parse_arp

if TYPE_CHECKING:
    from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class Frame:
    """One Ethernet frame: a DHCP payload with its IP source, or an ARP packet. MACs as text."""

    source: str
    destination: str
    sender: IPv4Address
    payload: bytes
    arp: bool = False

    def datagram(self) -> UdpDatagram:
        """A DHCP frame as a socket hands it over."""
        return UdpDatagram(self.source, self.sender, self.payload)

    def __str__(self) -> str:
        return f"{self._arp() if self.arp else self._dhcp()} to {self.destination}"

    def _arp(self) -> str:
        packet = parse_arp(self.payload)
        return "no ARP" if packet is None else f"ARP {packet.sender} asks for or tells {packet.target}"

    def _dhcp(self) -> str:
        try:
            message = decode(self.payload)
        except BadMessage as error:
            return f"no DHCP: {error}"
        kind = message.type.name if message.type else "no type"
        about = message.requested_address or (message.yiaddr if int(message.yiaddr) else message.ciaddr)
        return f"{kind} {about} xid {message.xid:08x}"
