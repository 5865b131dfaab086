"""Protocol Buffers, as much as five small messages need: varints, text, and everything else skipped.

The wire format (protobuf.dev, "Encoding"): each field is a varint tag, number times eight plus wire type, and a
value. Wire types: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes; 3 and 4 (groups) are refused.
The last of several values of a singular field counts, an absent field has its default, and a default is not sent.
A generated codec and its runtime would cost more memory than the whole of this door (docs/decisions/grpc-library.md).
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}
LONGEST_VARINT = 10
LARGEST_FIELD = (1 << 29) - 1


class BadProtobuf(ValueError):  # noqa: N818 - reads as what it is
    """These bytes are no message."""


def read_fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value, in wire order: an int for varints, bytes for the rest. Raises BadProtobuf."""
    at = 0
    while at < len(raw):
        tag, at = _read_varint(raw, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= LARGEST_FIELD:
            raise BadProtobuf(f"{number} is no field number")
        if kind == VARINT:
            value, at = _read_varint(raw, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _read_varint(raw, at)
        elif kind in WIDTHS:
            size = WIDTHS[kind]
        else:
            raise BadProtobuf(f"field {number} has the wire type {kind}")
        if size > len(raw) - at:
            raise BadProtobuf(f"field {number} is cut off")
        yield number, raw[at : at + size]
        at += size


def write_varint_field(number: int, value: int) -> bytes:
    """Nothing for zero, the default."""
    return _varint(number << 3 | VARINT) + _varint(value) if value else b""


def write_text_field(number: int, text: str) -> bytes:
    """Nothing for the empty text, the default."""
    raw = text.encode()
    return _varint(number << 3 | BYTES) + _varint(len(raw)) + raw if raw else b""


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(raw[at : at + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004 - no continuation bit
            return value & (1 << 64) - 1, at + index + 1
    raise BadProtobuf("a number is cut off or too long")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits each
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
