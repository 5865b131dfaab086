"""Which replies a client heeds (RFC 2131 section 4.4.1, RFC 6842). The others are ignored silently.

A reply that is not for us is daily business on a LAN: siblings on the same parent, other clients' broadcasts, rogue
servers, fuzzers. None of them may end a transaction. So a refusal is a text (for a debug log) and no exception, and
the client goes on waiting. The source port is not looked at: relays and some servers do not use 67.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.dhcp import values
from hooknet.dhcp.messages import BOOTREPLY, Message, MessageType
from hooknet.dhcp.options import Code

if TYPE_CHECKING:
    from collections.abc import Container
    from ipaddress import IPv4Address, IPv4Network


def refusal(
    message: Message, *, xid: int, mac: str, client_id: bytes, types: Container[MessageType]
) -> str | None:
    """Why a reply is not an answer to what we sent; None when it is.

    `xid` is that of the transaction under way, `types` what the present state waits for. The cookie, htype
    and hlen were `decode`'s.
    """
    if message.op != BOOTREPLY:
        return "not a reply"
    if message.xid != xid:
        return f"xid {message.xid:08x} is not ours ({xid:08x})"
    if message.chaddr != mac:
        return f"chaddr {message.chaddr} is not ours ({mac})"
    if message.type is None or message.type not in types:
        return f"type {message.type.name if message.type else 'unknown'} is not waited for"
    if message.client_id is not None and message.client_id != client_id:
        return "the client-id is not ours (RFC 6842)"
    return None


def refusal_of_grant(message: Message) -> str | None:
    """Why an OFFER, or an ACK to a REQUEST, grants nothing that a host could use; None when it does.

    An address of a host in its network, a server that can be written to, and a lease time. There is no guess for a
    missing lease time (some clients assume an hour): nobody would know when the address is given to another host.
    """
    if not values.is_host(message.yiaddr):
        return f"{message.yiaddr} is not an address for a host"
    if message.server_id is None:
        return "no server-id (option 54) that could be written to"
    if not message.lease_time:
        return "no lease time (option 51), or 0"
    network = granted_network(message)
    if network is None:
        return f"the subnet mask {message.options[Code.SUBNET_MASK].hex()} is none"
    if not is_host_of(message.yiaddr, network):
        return f"{message.yiaddr} is the network's or the broadcast address of {network}"
    return None


def granted_network(message: Message) -> IPv4Network | None:
    """The network of yiaddr: by option 1, by the address's class without it; None when that is no mask."""
    raw = message.options.get(Code.SUBNET_MASK)
    if raw is None:
        return values.network(message.yiaddr, values.classful_prefix(message.yiaddr))
    prefix = values.prefix_length(raw)
    return None if prefix is None else values.network(message.yiaddr, prefix)


def is_host_of(address: IPv4Address, network: IPv4Network) -> bool:
    """Whether `address` is not the network's own nor its broadcast address; /31 and /32 have neither (RFC 3021)."""
    if network.prefixlen >= values.POINT_TO_POINT:
        return True
    return address not in {network.network_address, network.broadcast_address}
