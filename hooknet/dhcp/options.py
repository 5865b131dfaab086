"""The options of a DHCP message as bytes: found on the wire, joined, and written (RFC 2131 4.1, RFC 3396).

The rules.
1. An option field is a run of (code, length, value); PAD (0) stands alone between them, END (255) ends the
   field, and so does the end of the field: a missing END is accepted, what follows an END is ignored.
2. A value that is longer than what is left of its field ends that field. What was found before it is kept (as
   Kea and n-dhcp4 do): one bad option must not cost a container its address.
3. Where option 52 in the main field says so, the `file` field and then the `sname` field are option fields too (RFC
   3396 section 5). An option 52 inside these is ignored; so is one that is not one byte of 1, 2 or 3. Option 52 is
   how options travel and no information of its own: it is not among the options that come out.
4. All instances of one code over that whole aggregate are one value, joined in the order in which they were
   found (RFC 3396 section 7), before anybody decodes it.
5. Written, a value of more than 255 bytes is split into several instances (RFC 3396 section 6).

What the bytes mean is `values`' business: here every byte sequence is welcome and nothing raises.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PART = 255
"""How many bytes one instance of an option can carry."""


@unique
class Code(IntEnum):
    """The options that hooknet itself reads or writes, by the names of RFC 2132 and its successors."""

    PAD = 0
    SUBNET_MASK = 1
    ROUTER = 3
    DNS = 6
    HOSTNAME = 12
    DOMAIN = 15
    MTU = 26
    BROADCAST = 28
    STATIC_ROUTE = 33
    NTP = 42
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE_TYPE = 53
    SERVER_ID = 54
    PARAMETERS = 55
    TEXT = 56
    MAX_SIZE = 57
    T1 = 58
    T2 = 59
    VENDOR_CLASS = 60
    CLIENT_ID = 61
    USER_CLASS = 77
    RAPID_COMMIT = 80
    FQDN = 81
    RELAY_AGENT = 82
    V6ONLY = 108
    SEARCH = 119
    CLASSLESS_ROUTE = 121
    MICROSOFT_ROUTE = 249
    END = 255


FRAMING = frozenset({Code.PAD, Code.OVERLOAD, Code.END})
"""Codes that say how options travel: never among the options of a message."""

OVERLOADS_FILE = (1, 3)
OVERLOADS_SNAME = (2, 3)


def walk(field: bytes) -> Iterator[tuple[int, bytes]]:
    """The (code, value) pairs of one option field, in wire order, up to END or to what does not fit."""
    at, end = 0, len(field)
    while at < end:
        code = field[at]
        at += 1
        if code == Code.PAD:
            continue
        if code == Code.END or at == end:
            return
        stop = at + 1 + field[at]
        if stop > end:
            return
        yield code, field[at + 1 : stop]
        at = stop


def overload(main: bytes) -> int:
    """What option 52 of the main field says: 0 (nothing to be trusted), 1 (file), 2 (sname) or 3 (both)."""
    value = b"".join(value for code, value in walk(main) if code == Code.OVERLOAD)
    return value[0] if len(value) == 1 and value[0] in {1, 2, 3} else 0


def aggregate(main: bytes, file: bytes, sname: bytes) -> tuple[dict[int, bytes], int]:
    """Every option of a message, each code once, in order of first appearance; and what option 52 said."""
    parts: dict[int, bytes] = {}
    collect(main, parts)
    overloaded = overload(main) if Code.OVERLOAD in parts else 0
    if overloaded in OVERLOADS_FILE:
        collect(file, parts)
    if overloaded in OVERLOADS_SNAME:
        collect(sname, parts)
    parts.pop(Code.OVERLOAD, None)
    return parts, overloaded


def collect(field: bytes, parts: dict[int, bytes]) -> None:
    """Add the options of one field to `parts`, joining the instances of a code (RFC 3396 section 7)."""
    again: dict[int, list[bytes]] = {}
    for code, value in walk(field):
        if code not in parts:
            parts[code] = value
        else:
            again.setdefault(code, []).append(value)
    for code, values in again.items():  # joined once: a flood of tiny instances stays linear
        parts[code] = b"".join((parts[code], *values))


def pack(options: Mapping[int, bytes]) -> bytes:
    """The options as one field, END included, in the order given. ValueError for a code that can't be an option."""
    out = bytearray()
    for code, value in options.items():
        if not 0 < code < Code.END or code in FRAMING:
            raise ValueError(
                f"{int(code)} is not the code of an option that a message can carry (1 to 254, not 52)"
            )
        for at in range(0, max(len(value), 1), MAX_PART):
            part = value[at : at + MAX_PART]
            out += bytes((code, len(part))) + part
    out.append(Code.END)
    return bytes(out)
