"""What the bytes of an option mean: one small function per shape, bytes in, a validated value or nothing out.

The rules.
1. A value of the wrong length or shape is an absent option (RFC 3396 section 7 has joined it before): None or
   (). Nothing here raises, whatever the bytes are.
2. An address that hooknet would send to or route over must be a host's: not 0.0.0.0/8, loopback, multicast or
   broadcast. In a list the others are kept.
3. Text reaches resolv.conf, logs, and the environment of programs: trailing NULs are cut off (RFC 2132
   section 2 asks for that), and any other control character makes the whole option absent.
4. Names are checked by `names`: letters, digits and hyphens only.
5. Lists are bounded. A 64 KiB message must not become 13 000 routes in a container.
6. What takes some work to read is remembered for a while, where it is short: a server says the same to each client,
   and to each of them again at each renewal.
"""

from __future__ import annotations

import struct
from functools import lru_cache, wraps
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, TypeVar

from hooknet.model import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

ADDRESS_LENGTH = 4
MAX_ADDRESSES = 64
MAX_ROUTES = 256
MAX_TEXT = 1024
MIN_MTU = 68
"""RFC 791: every link carries 68 bytes; RFC 2132 section 5.1: the smallest legal value."""
ALL_ONES = 0xFFFFFFFF
"""RFC 2131 section 3.3."""

POINT_TO_POINT = 31
"""RFC 3021: a /31 has two hosts and no broadcast address, and a /32 is one host."""
LOOPBACK = 127
REMEMBERED, LONGEST_REMEMBERED = 256, 512
"""Values of each kind, and bytes of each: what a hostile server says must not fill the memory."""
FIRST_MULTICAST = 224
LAST_MULTICAST = 239
LIMITED_BROADCAST = IPv4Address("255.255.255.255")


def remembered(read: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Rule 6, for what reads an option."""
    known = lru_cache(REMEMBERED)(read)

    @wraps(read)
    def short_is_known(raw: bytes) -> T:
        return known(raw) if len(raw) <= LONGEST_REMEMBERED else read(raw)

    return short_is_known


def is_host(address: IPv4Address) -> bool:
    """Whether a host may have this address. 240.0.0.0/4 is reserved, but the kernel takes it and networks use it."""
    first = int(address) >> 24
    multicast = FIRST_MULTICAST <= first <= LAST_MULTICAST
    return first not in {0, LOOPBACK} and not multicast and address != LIMITED_BROADCAST


def address(raw: bytes) -> IPv4Address | None:
    """Exactly four bytes: any address (options 1, 28, 50, 54)."""
    return IPv4Address(raw) if len(raw) == ADDRESS_LENGTH else None


@remembered
def host_address(raw: bytes) -> IPv4Address | None:
    """Exactly four bytes: an address that a host may have."""
    found = address(raw)
    return found if found is not None and is_host(found) else None


@remembered
def host_addresses(raw: bytes) -> tuple[IPv4Address, ...]:
    """A list of hosts (options 3, 6, 42, 44), each once, at most 64. A length that is no multiple of 4: nothing."""
    if len(raw) % ADDRESS_LENGTH:
        return ()
    found = (IPv4Address(raw[at : at + ADDRESS_LENGTH]) for at in range(0, len(raw), ADDRESS_LENGTH))
    return tuple(dict.fromkeys(one for one in found if is_host(one)))[:MAX_ADDRESSES]


def seconds(raw: bytes) -> int | None:
    """Exactly four bytes, unsigned (options 51, 58, 59, 108)."""
    return int.from_bytes(raw, "big") if len(raw) == 4 else None  # noqa: PLR2004 - RFC 2132 section 9.2


def mtu(raw: bytes) -> int | None:
    """Exactly two bytes, 68 at least (option 26)."""
    found = int.from_bytes(raw, "big") if len(raw) == 2 else 0  # noqa: PLR2004 - RFC 2132 section 5.1
    return found if found >= MIN_MTU else None


def prefix_length(raw: bytes) -> int | None:
    """The prefix length of a subnet mask (option 1); None when it is no mask: holes in it, or all zeros."""
    if len(raw) != ADDRESS_LENGTH:
        return None
    mask = int.from_bytes(raw, "big")
    host_bits = mask ^ ALL_ONES
    return 32 - host_bits.bit_length() if mask and not host_bits & (host_bits + 1) else None


@lru_cache(REMEMBERED)
def network(of: IPv4Address, prefix: int) -> IPv4Network:
    """The network of that prefix length that the address lies in."""
    return IPv4Network((int(of), prefix), strict=False)  # from an address it would go by way of text


def text(raw: bytes) -> str | None:
    """Printable text (options 12, 15, 56, 60, 66, 67, 114), without trailing NULs; None when that is nothing."""
    try:
        found = raw.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return None
    return found if found and len(found) <= MAX_TEXT and found.isprintable() else None


@remembered
def classless_routes(raw: bytes) -> tuple[Route, ...] | None:
    """RFC 3442 (options 121 and 249): width, the bytes of the destination that matter, router.

    Router 0.0.0.0 is on-link. Host bits in a destination are cleared. A route over something that is no host
    is left out. None when the bytes are no list of routes: then the option is as good as absent.
    """
    routes: dict[IPv4Network, Route] = {}
    at = 0
    while at < len(raw):
        width = raw[at]
        significant = (width + 7) // 8
        stop = at + 1 + significant + ADDRESS_LENGTH
        if width > 32 or stop > len(raw):  # noqa: PLR2004 - the bits of an address
            return None
        if len(routes) < MAX_ROUTES:
            network = raw[at + 1 : at + 1 + significant].ljust(ADDRESS_LENGTH, b"\0")
            router = IPv4Address(raw[stop - ADDRESS_LENGTH : stop])
            add_route(routes, IPv4Network((network, width), strict=False), router)
        at = stop
    return tuple(routes.values()) if raw else None


def add_route(routes: dict[IPv4Network, Route], destination: IPv4Network, router: IPv4Address) -> None:
    """The first route to a destination counts; those to loopback or over something that is no host don't."""
    usable = is_host(router) or not int(router)
    if usable and not destination.network_address.is_loopback:
        routes.setdefault(destination, Route(destination, router if int(router) else None))


@remembered
def static_routes(raw: bytes) -> tuple[Route, ...]:
    """RFC 2132 section 5.8 (option 33): pairs of destination and router. The destination 0.0.0.0 is illegal.

    The option has no masks: a destination without host bits in its class is that network, another is one host.
    """
    routes: dict[IPv4Network, Route] = {}
    for destination, router in pairs(raw):
        if int(destination) and is_host(router):
            add_route(routes, classful(destination), router)
    return tuple(routes.values())[:MAX_ROUTES]


def pairs(raw: bytes) -> Iterator[tuple[IPv4Address, IPv4Address]]:
    if len(raw) % (2 * ADDRESS_LENGTH):
        return
    for first, second in struct.iter_unpack("!II", raw):
        yield IPv4Address(first), IPv4Address(second)


def classful_prefix(of: IPv4Address) -> int:
    """The prefix length of the address's class (RFC 791): 8, 16 or 24; 32 where the class has no networks."""
    first = int(of) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 32  # noqa: PLR2004


def classful(destination: IPv4Address) -> IPv4Network:
    network = IPv4Network((destination, classful_prefix(destination)), strict=False)
    return network if network.network_address == destination else IPv4Network((destination, 32))


def vendor_identifying(raw: bytes) -> dict[int, bytes]:
    """RFC 3925 (option 125): enterprise number to its bytes, joined. A length beyond the option ends it."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 5 <= len(raw):
        enterprise, length = struct.unpack_from("!IB", raw, at)
        at += 5
        if at + length > len(raw):
            break
        found[enterprise] = found.get(enterprise, b"") + raw[at : at + length]
        at += length
    return found
