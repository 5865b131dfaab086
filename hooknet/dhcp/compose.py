"""The messages that a client sends: which field and which option goes into which (RFC 2131, table 5).

| message         | ciaddr | 50        | 54          | 51, 55, 57, 60, 77, 12 or 81, further | 56     |
|-----------------|--------|-----------|-------------|---------------------------------------|--------|
| DISCOVER        | 0      | if wanted | never       | yes                                   | never  |
| REQUEST, select | 0      | offered   | the offer's | yes                                   | never  |
| REQUEST, reboot | 0      | held      | never       | yes                                   | never  |
| REQUEST, extend | held   | never     | never       | yes                                   | never  |
| INFORM          | held   | never     | never       | without 51                            | never  |
| DECLINE         | 0      | declined  | the offer's | never                                 | if any |
| RELEASE         | held   | never     | the lease's | never                                 | if any |

The rules.
1. The client-id (61) is in every message, always the same bytes (RFC 2131 section 4.2, RFC 6842).
2. The parameter request list (55) is in every DISCOVER, REQUEST and INFORM, and the same in all of them.
   Option 121 stands before 3 and 33 in it, whatever order was configured (RFC 3442).
3. Option 12 or option 81, never both (RFC 4702 section 3.1).
4. What a plugin or an administrator adds in `LeaseRequest.options` replaces what a field would have said; the
   options that make the protocol work can't be replaced: `check` refuses them.
5. `secs` is 1 at least: some relays drop messages with 0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hooknet.dhcp import names
from hooknet.dhcp.messages import BROADCAST_FLAG, Message, MessageType
from hooknet.dhcp.options import Code
from hooknet.errors import HooknetError, Kind
from hooknet.model import INFINITE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address

    from hooknet.model import LeaseRequest

DEFAULT_PARAMETERS: tuple[int, ...] = (1, 121, 3, 33, 6, 15, 119, 12, 26, 28, 42)
"""Asked for when a lease request names nothing: what hooknet uses. 108 is not: giving up IPv4 leaves nothing.
"""
MIN_MAX_SIZE = 576
"""RFC 2132 section 9.10: the smallest option 57."""
MAX_SECS = 0xFFFF
MAX_OPTION = 255
MAX_ADDED = 1024
"""Bytes of options in one message: it leaves in one Ethernet frame."""
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
PROTOCOL = frozenset(
    {
        Code.PAD,
        Code.REQUESTED_ADDRESS,
        Code.LEASE_TIME,
        Code.OVERLOAD,
        Code.MESSAGE_TYPE,
        Code.SERVER_ID,
        Code.PARAMETERS,
        Code.MAX_SIZE,
        Code.CLIENT_ID,
        Code.RAPID_COMMIT,
        Code.RELAY_AGENT,
        Code.END,
    }
)
"""Options that nobody may add: each has a field in LeaseRequest, or belongs to the protocol or to relays."""


def check(request: LeaseRequest) -> None:
    """Refuse a lease request that can't be sent. Raises BAD_CONFIG with the field, its value and the remedy.

    To be called once, when all plugins have had their say.
    """
    for wrong in complaints(request):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"the lease request can't be sent: {wrong}",
            hint="the network's settings (`hooknet config show --origin`) or a plugin (`hooknet plugins`) say so",
        )


def complaints(request: LeaseRequest) -> Iterable[str]:
    if not MAC.fullmatch(request.mac) or int(request.mac[:2], 16) & 1:
        yield f"mac {request.mac!r} is no unicast address such as 02:00:00:00:00:01"
    if not 2 <= len(request.client_id) <= MAX_OPTION:  # noqa: PLR2004 - RFC 2132 section 9.14
        yield f"a client-id has 2 to 255 bytes (RFC 2132 section 9.14), not {len(request.client_id)}"
    for what, given in (("hostname", request.hostname), ("fqdn", request.fqdn)):
        if given is not None and names.name(given) is None:
            yield f"{what} {given!r} is no host name: letters, digits and hyphens, labels of 1 to 63"
    if request.lease_time is not None and not 1 <= request.lease_time <= INFINITE:
        yield f"lease time {request.lease_time} is not 1 to 4294967295 seconds"
    yield from wrong_classes(request)
    yield from wrong_options(request)


def wrong_classes(request: LeaseRequest) -> Iterable[str]:
    vendor = request.vendor_class
    if vendor is not None and not (vendor.isprintable() and 1 <= len(vendor.encode()) <= MAX_OPTION):
        yield f"vendor class {vendor!r} is not 1 to 255 printable characters"
    for user in request.user_class:
        if not 1 <= len(user.encode()) <= MAX_OPTION:
            yield f"user class {user!r} is not 1 to 255 bytes (RFC 3004)"


def wrong_options(request: LeaseRequest) -> Iterable[str]:
    for code in request.parameters:
        if not Code.PAD < code < Code.END:
            yield f"parameter {code} is no option code (1 to 254)"
    for code in request.options:
        if code in PROTOCOL or not Code.PAD < code < Code.END:
            yield f"option {int(code)} is the protocol's own, or has a field in the lease request"
    if sum(2 + len(value) for value in described(request).values()) > MAX_ADDED:
        yield f"its options take more than {MAX_ADDED} bytes"


def discover(
    request: LeaseRequest,
    *,
    xid: int,
    secs: float,
    broadcast: bool,
    max_size: int,
    rapid_commit: bool = False,
) -> Message:
    """DHCPDISCOVER. `max_size`: bytes of the IP datagram that we can take. `rapid_commit`: RFC 4039."""
    wanted = request.requested_address
    options = opening(MessageType.DISCOVER, request.client_id)
    options |= {Code.REQUESTED_ADDRESS: wanted.packed} if wanted is not None else {}
    options |= lease_time(request) | {Code.MAX_SIZE: size(max_size)} | described(request)
    options |= {Code.RAPID_COMMIT: b""} if rapid_commit else {}
    return Message(xid=xid, secs=clamp(secs), flags=flags(broadcast), chaddr=request.mac, options=options)


def select(
    request: LeaseRequest,
    *,
    xid: int,
    secs: float,
    broadcast: bool,
    max_size: int,
    address: IPv4Address,
    server: IPv4Address,
) -> Message:
    """DHCPREQUEST for an offer. `xid` is the OFFER's, `secs` the DISCOVER's (RFC 2131 section 4.4.1)."""
    options = opening(MessageType.REQUEST, request.client_id)
    options |= {Code.REQUESTED_ADDRESS: address.packed, Code.SERVER_ID: server.packed}
    options |= lease_time(request) | {Code.MAX_SIZE: size(max_size)} | described(request)
    return Message(xid=xid, secs=clamp(secs), flags=flags(broadcast), chaddr=request.mac, options=options)


def reboot(
    request: LeaseRequest, *, xid: int, secs: float, broadcast: bool, max_size: int, address: IPv4Address
) -> Message:
    """DHCPREQUEST in INIT-REBOOT: is `address` still ours? (RFC 2131 section 4.3.2)"""
    options = opening(MessageType.REQUEST, request.client_id)
    options |= {Code.REQUESTED_ADDRESS: address.packed}
    options |= lease_time(request) | {Code.MAX_SIZE: size(max_size)} | described(request)
    return Message(xid=xid, secs=clamp(secs), flags=flags(broadcast), chaddr=request.mac, options=options)


def extend(request: LeaseRequest, *, xid: int, secs: float, max_size: int, address: IPv4Address) -> Message:
    """DHCPREQUEST in RENEWING and REBINDING: `address` goes into ciaddr, where the server answers to."""
    options = opening(MessageType.REQUEST, request.client_id)
    options |= lease_time(request) | {Code.MAX_SIZE: size(max_size)} | described(request)
    return Message(xid=xid, secs=clamp(secs), ciaddr=address, chaddr=request.mac, options=options)


def inform(request: LeaseRequest, *, xid: int, secs: float, max_size: int, address: IPv4Address) -> Message:
    """DHCPINFORM: parameters only, no lease (RFC 2131 section 4.4.3)."""
    options = opening(MessageType.INFORM, request.client_id)
    options |= {Code.MAX_SIZE: size(max_size)} | described(request)
    return Message(xid=xid, secs=clamp(secs), ciaddr=address, chaddr=request.mac, options=options)


def decline(
    *, mac: str, client_id: bytes, xid: int, address: IPv4Address, server: IPv4Address, why: str = ""
) -> Message:
    """DHCPDECLINE: `address` is in use by somebody else (RFC 2131 section 4.4.4). It is in option 50 only."""
    options = opening(MessageType.DECLINE, client_id)
    options |= {Code.REQUESTED_ADDRESS: address.packed, Code.SERVER_ID: server.packed} | explained(why)
    return Message(xid=xid, chaddr=mac, options=options)


def release(
    *, mac: str, client_id: bytes, xid: int, address: IPv4Address, server: IPv4Address, why: str = ""
) -> Message:
    """DHCPRELEASE: `address` goes back (RFC 2131 section 4.4.6). It is in ciaddr only."""
    options = opening(MessageType.RELEASE, client_id)
    options |= {Code.SERVER_ID: server.packed} | explained(why)
    return Message(xid=xid, ciaddr=address, chaddr=mac, options=options)


def opening(kind: MessageType, client_id: bytes) -> dict[int, bytes]:
    """What every message begins with: servers that read options in order learn first what it is and whose."""
    return {Code.MESSAGE_TYPE: bytes((kind,)), Code.CLIENT_ID: client_id}


def lease_time(request: LeaseRequest) -> dict[int, bytes]:
    """Option 51, where a time is asked for: 0xffffffff asks for an infinite lease."""
    wanted = request.lease_time
    return {} if wanted is None else {Code.LEASE_TIME: wanted.to_bytes(4, "big")}


def described(request: LeaseRequest) -> dict[int, bytes]:
    """Who asks, and for what: the options that are the same in DISCOVER, REQUEST and INFORM."""
    options: dict[int, bytes] = {Code.PARAMETERS: bytes(parameters(request.parameters))}
    if request.vendor_class is not None:
        options[Code.VENDOR_CLASS] = request.vendor_class.encode()
    if request.user_class:
        options[Code.USER_CLASS] = user_class(request.user_class)
    if request.fqdn is not None:
        options[Code.FQDN] = fqdn(request.fqdn)
    elif request.hostname is not None:
        options[Code.HOSTNAME] = request.hostname.removesuffix(".").encode("ascii")
    options |= request.options
    if Code.FQDN in options:
        options.pop(Code.HOSTNAME, None)
    return options


def parameters(wanted: Iterable[int]) -> list[int]:
    """Option 55: each code once, in the order given but with 121 before 3 and 33 (RFC 3442)."""
    codes = list(dict.fromkeys(wanted)) or list(DEFAULT_PARAMETERS)
    routes = [code for code in codes if code in {Code.ROUTER, Code.STATIC_ROUTE}]
    if Code.CLASSLESS_ROUTE in codes and routes:
        codes.remove(Code.CLASSLESS_ROUTE)
        codes.insert(min(codes.index(code) for code in routes), Code.CLASSLESS_ROUTE)
    return codes


def user_class(classes: Iterable[str]) -> bytes:
    """Option 77 (RFC 3004): each class with its length before it."""
    encoded = (one.encode() for one in classes)
    return b"".join(bytes((len(one),)) + one for one in encoded)


def fqdn(name: str) -> bytes:
    """Option 81 (RFC 4702): canonical wire format, RCODEs 0, and the server is asked to keep the A record."""
    return bytes((names.FQDN_CANONICAL | names.FQDN_SERVER_UPDATES, 0, 0)) + names.wire_name(name)


def explained(why: str) -> dict[int, bytes]:
    """Option 56, the reason for a DECLINE or RELEASE: SHOULD by table 5. One instance of it."""
    return {Code.TEXT: why.encode("ascii", "replace")[:MAX_OPTION]} if why else {}


def size(wanted: int) -> bytes:
    """Option 57, bytes of an IP datagram: never below the 576 that every host takes."""
    return max(MIN_MAX_SIZE, min(wanted, MAX_SECS)).to_bytes(2, "big")


def flags(broadcast: bool) -> int:
    return BROADCAST_FLAG if broadcast else 0


def clamp(secs: float) -> int:
    """`secs` as it goes into a message: 1 to 65535, rule 5."""
    return max(1, min(int(secs), MAX_SECS))
