"""Which reply the state that a client is in acts upon. Every other one is ignored, and the client goes on waiting.

`accept` has what holds in every state: a reply to us, with our xid, chaddr and client-id, that grants
something a host could use. The rules here are about who says it when (RFC 2131 sections 4.4.1 and 4.4.5).
1. SELECTING waits for an OFFER. The first one is as good as any: no window in which others are collected
   (section 4.4.1, MAY). An ACK counts only where rapid commit was asked for and is in it (RFC 4039); an OFFER
   with option 80 from a confused server is an OFFER.
2. REQUESTING waits for the selected server (option 54), ACK or NAK.
3. RENEWING: the ACK may come from any server that is allowed (the message went to one only), the NAK from the
   one that granted the lease.
4. REBINDING and REBOOTING ask everybody: any server that is allowed may say yes. A NAK that comes not from
   the server of a lease in use is doubtful: two servers with a pool each may share a LAN, and one knows
   nothing of the other's leases. It counts if no ACK arrives within two seconds (`client`).
5. An OFFER with option 108, where it was requested, asks a host to do without IPv4, for 300 s at least,
   whatever else is in it (RFC 8925 section 3.2); nobody gets that who has not asked for it.
6. An OFFER without an address but with option 116 (RFC 2563) says that there is none, and whether a host may
   pick a link-local one. We never do: it is ignored like any other OFFER without an address.
7. Servers that are denied, or not among the allowed ones where there is such a list, are not heard at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hooknet.dhcp import accept, values
from hooknet.dhcp.messages import BadMessage, Message, MessageType, decode
from hooknet.dhcp.options import Code
from hooknet.dhcp.states import State

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from hooknet.dhcp.settings import ClientSettings
    from hooknet.model import LeaseRequest

MIN_V6ONLY_WAIT = 300
"""RFC 8925 section 3.4, seconds."""

YES_OR_NO = frozenset({MessageType.ACK, MessageType.NAK})
OFFERS = frozenset({MessageType.OFFER})
OFFERS_OR_ACKS = frozenset({MessageType.OFFER, MessageType.ACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a state waits for. `server`: that was asked or has granted, None where nobody was chosen."""

    state: State
    xid: int
    server: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to act upon. `server` is its server-id."""

    message: Message
    server: IPv4Address
    type: MessageType
    v6only_wait: int | None = None


def judge(payload: bytes, expected: Expected, request: LeaseRequest, settings: ClientSettings) -> Reply | str:
    """The reply in a datagram, or why it is none for us, in words for a log. Never raises."""
    try:
        message = decode(payload)
    except BadMessage as error:
        return str(error)
    refused = accept.refusal(
        message,
        xid=expected.xid,
        mac=request.mac,
        client_id=request.client_id,
        types=waited_for(expected.state, settings),
    )
    if refused is not None:
        return refused
    server = message.server_id
    if server is None or message.type is None:
        return "no server-id (option 54) that could be written to"
    if not settings.allows(server):
        return f"server {server} is not one of those that may answer (allow_servers, deny_servers)"
    wait = v6only_wait(message, request)
    if wait is not None:
        return Reply(message, server, message.type, wait)
    refused = wrong_for_state(message, server, expected)
    return refused if refused is not None else Reply(message, server, message.type)


def waited_for(state: State, settings: ClientSettings) -> frozenset[MessageType]:
    """The types of rules 1 to 4."""
    if state is State.SELECTING:
        return OFFERS_OR_ACKS if settings.rapid_commit else OFFERS
    return YES_OR_NO


def wrong_for_state(message: Message, server: IPv4Address, expected: Expected) -> str | None:
    """Why rules 1 to 3 say no."""
    if message.type is not MessageType.NAK and (refused := accept.refusal_of_grant(message)) is not None:
        return refused
    match expected.state:
        case State.SELECTING if message.type is MessageType.ACK:
            return None if Code.RAPID_COMMIT in message.options else "an ACK to a DISCOVER without option 80"
        case State.REQUESTING if server != expected.server:
            return f"server {server} was not selected ({expected.server} was)"
        case State.RENEWING if message.type is MessageType.NAK and server != expected.server:
            return f"a NAK of {server}, which did not grant this lease"
        case _:
            return None


def v6only_wait(message: Message, request: LeaseRequest) -> int | None:
    """Rule 5: for how many seconds an OFFER asks us to do without IPv4."""
    if message.type is not MessageType.OFFER or Code.V6ONLY not in request.parameters:
        return None
    wait = values.seconds(message.options.get(Code.V6ONLY, b""))
    return None if wait is None else max(wait, MIN_V6ONLY_WAIT)
