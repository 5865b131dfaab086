"""The messages of a client, and how each of them leaves (RFC 2131 sections 4.1, 4.4 and table 5).

| message                       | from             | to                | as                          |
|-------------------------------|------------------|-------------------|-----------------------------|
| DISCOVER, REQUEST, DECLINE    | 0.0.0.0          | 255.255.255.255   | broadcast frame             |
| REQUEST in RENEWING           | the address      | the server        | UDP socket in the netns     |
| REQUEST in REBINDING          | the address      | 255.255.255.255   | broadcast frame             |
| RELEASE                       | the address      | the server        | frame to the known next hop |
| INFORM as a probe             | the asker's own  | 255.255.255.255   | broadcast frame             |

A RELEASE is followed by the end of the link, and an ARP question for the server would be lost with it: so it
goes to the MAC from which the ACK came. Why a DECLINE is broadcast: the address is not ours to send from.

The two probes ask whether a server is there, and take no lease: a server keeps no state for an INFORM, and an
OFFER that nobody requests is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from hooknet.dhcp import accept, compose
from hooknet.dhcp.effects import Delivery, Send
from hooknet.dhcp.messages import BadMessage, Message, MessageType, decode, encode

if TYPE_CHECKING:
    from hooknet.dhcp.effects import Binding, Offer
    from hooknet.model import Lease, LeaseRequest

NOBODY = IPv4Address(0)
EVERYBODY = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Sender:
    """What every message of one client has in common. `max_size`: option 57, bytes."""

    request: LeaseRequest
    max_size: int

    def discover(
        self, xid: int, secs: float, *, wanted: IPv4Address | None, broadcast: bool, rapid_commit: bool
    ) -> Send:
        """DISCOVER; `wanted` is the address to ask for."""
        request = replace(self.request, requested_address=wanted)
        return broadcast_frame(
            compose.discover(
                request,
                xid=xid,
                secs=secs,
                broadcast=broadcast,
                max_size=self.max_size,
                rapid_commit=rapid_commit,
            )
        )

    def select(self, offer: Offer, secs: float, *, broadcast: bool) -> Send:
        """REQUEST for what was offered, with the xid of the OFFER."""
        return broadcast_frame(
            compose.select(
                self.request,
                xid=offer.xid,
                secs=secs,
                broadcast=broadcast,
                max_size=self.max_size,
                address=offer.address,
                server=offer.server,
            )
        )

    def reboot(self, xid: int, secs: float, *, address: IPv4Address, broadcast: bool) -> Send:
        """REQUEST in INIT-REBOOT."""
        return broadcast_frame(
            compose.reboot(
                self.request, xid=xid, secs=secs, broadcast=broadcast, max_size=self.max_size, address=address
            )
        )

    def renew(self, xid: int, secs: float, lease: Lease) -> Send:
        """REQUEST in RENEWING: to the server that granted the lease, and to nobody else."""
        return Send(
            payload=encode(self._extend(xid, secs, lease)),
            type=MessageType.REQUEST,
            delivery=Delivery.UNICAST_SOCKET,
            source=lease.address.ip,
            destination=lease.server,
            next_hop_mac=lease.server_mac,
        )

    def rebind(self, xid: int, secs: float, lease: Lease) -> Send:
        """REQUEST in REBINDING: to every server."""
        return broadcast_frame(self._extend(xid, secs, lease), source=lease.address.ip)

    def decline(self, xid: int, offer: Offer, why: str) -> Send:
        """DECLINE of an address that somebody else uses."""
        return broadcast_frame(
            compose.decline(
                mac=self.request.mac,
                client_id=self.request.client_id,
                xid=xid,
                address=offer.address,
                server=offer.server,
                why=why,
            )
        )

    def _extend(self, xid: int, secs: float, lease: Lease) -> Message:
        return compose.extend(
            self.request, xid=xid, secs=secs, max_size=self.max_size, address=lease.address.ip
        )


def broadcast_frame(message: Message, source: IPv4Address = NOBODY) -> Send:
    assert message.type is not None
    return Send(
        payload=encode(message),
        type=message.type,
        delivery=Delivery.BROADCAST_FRAME,
        source=source,
        destination=EVERYBODY,
    )


def release_message(binding: Binding, xid: int, message: str = "") -> Send:
    """RELEASE of a lease, also for a container whose netns is gone. `message`: option 56."""
    lease = binding.lease
    return _release(
        mac=lease.mac,
        client_id=lease.client_id,
        xid=xid,
        address=lease.address.ip,
        server=lease.server,
        next_hop_mac=lease.server_mac,
        why=message,
    )


def release_offer(offer: Offer, request: LeaseRequest, xid: int, message: str = "") -> Send:
    """RELEASE of what may have been granted: the REQUEST had left, and no ACK was heard."""
    return _release(
        mac=request.mac,
        client_id=request.client_id,
        xid=xid,
        address=offer.address,
        server=offer.server,
        next_hop_mac=offer.server_mac,
        why=message,
    )


def _release(
    *,
    mac: str,
    client_id: bytes,
    xid: int,
    address: IPv4Address,
    server: IPv4Address,
    next_hop_mac: str | None,
    why: str,
) -> Send:
    message = compose.release(mac=mac, client_id=client_id, xid=xid, address=address, server=server, why=why)
    return Send(
        payload=encode(message),
        type=MessageType.RELEASE,
        delivery=Delivery.UNICAST_FRAME,
        source=address,
        destination=server,
        next_hop_mac=next_hop_mac,
    )


def inform_probe(request: LeaseRequest, address: IPv4Address, xid: int, max_size: int = 576) -> Send:
    """Is a server there? For an asker that has `address` already, such as the host itself on the parent."""
    message = compose.inform(request, xid=xid, secs=1, max_size=max_size, address=address)
    return broadcast_frame(message, source=address)


def discover_probe(request: LeaseRequest, xid: int, max_size: int = 576) -> Send:
    """Would a server offer something? Nobody requests what is offered, so nothing is granted."""
    message = compose.discover(request, xid=xid, secs=1, broadcast=True, max_size=max_size)
    return broadcast_frame(message)


def probe_answer(payload: bytes, request: LeaseRequest, xid: int) -> IPv4Address | None:
    """The server that answered a probe with this payload; None when it is no answer. Never raises."""
    try:
        message = decode(payload)
    except BadMessage:
        return None
    answers = {MessageType.OFFER, MessageType.ACK}
    refused = accept.refusal(message, xid=xid, mac=request.mac, client_id=request.client_id, types=answers)
    return message.server_id if refused is None else None
