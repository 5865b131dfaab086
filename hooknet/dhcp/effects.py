"""What the client wants done, and what it tells: every input of `Client` returns a tuple of these effects.

The rules for whoever drives a client.
1. Effects are performed in order, one after the other.
2. `Offered` is durable before what follows it is performed: after the REQUEST a server may have granted an
   address, and somebody must know it after a crash (`release_offer`).
3. `Lost` means now: the address leaves the interface before anything else happens.
4. A `Send` that the kernel refuses is a lost packet. The client repeats what needs repeating.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, unique
from ipaddress import IPv4Address

from hooknet.dhcp.messages import MessageType
from hooknet.errors import Kind
from hooknet.model import Lease, PostLeaseReason, ReleaseReason


@unique
class Delivery(Enum):
    """How a message leaves (RFC 2131 section 4.1 and 4.4).

    BROADCAST_FRAME: to ff:ff:ff:ff:ff:ff and 255.255.255.255, through a packet socket.
    UNICAST_SOCKET: through a UDP socket in the container's netns, bound to the leased address and port 68, so
    routes and ARP are the kernel's; as a frame to `next_hop_mac` where that port is taken.
    UNICAST_FRAME: as a frame to `next_hop_mac`, because the link goes right after it and ARP would lose it.
    """

    BROADCAST_FRAME = "broadcast-frame"
    UNICAST_SOCKET = "unicast-socket"
    UNICAST_FRAME = "unicast-frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An address that a server has offered, and that it may have granted once the REQUEST has left.

    server_mac: the next hop from which the OFFER came, lower-case text, None when unknown.
    """

    address: IPv4Address
    server: IPv4Address
    server_mac: str | None
    xid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A lease and where it is in its life.

    since: boot time in seconds when the REQUEST that was granted left; the lease runs from there (RFC 2131
    section 4.4.1). The properties are boot times in seconds, `math.inf` when the lease is infinite.
    """

    lease: Lease
    since: float

    @property
    def is_in_doubt(self) -> bool:
        """Only the address is known, and no server has confirmed it yet (a journal that was rebuilt)."""
        return self.lease.server.is_unspecified

    @property
    def t1_at(self) -> float:
        return min(self._at(self.lease.t1), self.t2_at)

    @property
    def t2_at(self) -> float:
        return min(self._at(self.lease.t2), self.expires_at)

    @property
    def expires_at(self) -> float:
        return self._at(self.lease.lease_time)

    def by_way_of(self, next_hop: str) -> Binding:
        """The same, with the MAC of another next hop to the server."""
        return replace(self, lease=replace(self.lease, server_mac=next_hop))

    def _at(self, seconds: int | None) -> float:
        return math.inf if seconds is None else self.since + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send this DHCP message, port 68 to 67. `next_hop_mac` None: not known, broadcast the frame."""

    payload: bytes
    type: MessageType
    delivery: Delivery
    source: IPv4Address
    destination: IPv4Address
    next_hop_mac: str | None = None


@dataclass(frozen=True, slots=True)
class SendArp:
    """Send this ARP packet (without Ethernet header): a probe, an announcement or a defence (RFC 5227)."""

    payload: bytes
    destination_mac: str


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer was taken. It must be durable before the effects after it are performed."""

    offer: Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Use this lease. `previous`: the one before it, also where that was lost in the meantime."""

    binding: Binding
    reason: PostLeaseReason
    previous: Lease | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Stop using the address at once."""

    lease: Lease
    reason: ReleaseReason


@dataclass(frozen=True, slots=True)
class Declined:
    """Somebody else uses the offered address. The server was told; nothing had been handed to the caller."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Inside an ADD: there will be no lease, and waiting for the deadline would not help."""

    reason: str
    kind: Kind


Effect = Send | SendArp | Offered | Bound | Lost | Declined | GaveUp
