"""Names of hosts and domains, from the wire and to it (RFC 1035, RFC 1123 section 2.1, RFC 3397, RFC 4702).

The rules.
1. A name is labels of letters, digits and inner hyphens, 1 to 63 each, 253 characters in all. Whatever else a
   server says is no name: names reach resolv.conf, DNS updates, logs, and the environment of programs.
2. In a search list (RFC 3397) compression is undone after the parts of the option are joined. A pointer leads
   strictly backwards within the option, so no chain of pointers can be a loop. A list that breaks this, or that is
   cut off, is an absent option; a well-formed entry that is no name by rule 1 is left out and the others stay.
3. Option 81 is never compressed (RFC 4702 section 3.3): a name without the closing empty label is a partial one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hooknet.dhcp import values

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
NAME = re.compile(rf"{LABEL.pattern}(?:\.{LABEL.pattern})*")
MAX_LABEL = 63
MAX_NAME = 253
"""Characters: the 255 bytes of RFC 1035 section 2.3.4 less the first length and the root."""
MAX_NAMES = 32
POINTER = 0xC0

FQDN_SERVER_UPDATES = 0x01
FQDN_CANONICAL = 0x04
FQDN_NO_UPDATES = 0x08
FQDN_HEADER = 3
"""Flags and two RCODEs, which are 0 when a client sends (RFC 4702 section 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fqdn:
    """Option 81 from a server: whether it keeps the A record, whether it keeps none, and the name."""

    server_updates: bool
    no_updates: bool
    name: str | None


def name(text: str) -> str | None:
    """`text` when it is the name of a host or a domain, a closing dot cut off; else None."""
    bare = text.removesuffix(".")
    return bare if 0 < len(bare) <= MAX_NAME and NAME.fullmatch(bare) else None


def host_label(text: str) -> str | None:
    """The label nearest to a container's name: hyphens for what no label may hold, 63 characters at most."""
    kept = re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-")[:MAX_LABEL].rstrip("-")
    return kept or None


def asked_host_name(text: str) -> str | None:
    """What a person calls a host, domain and all where it is a name; else the label nearest to it."""
    return name(text) or host_label(text)


def host_name(raw: bytes) -> str | None:
    """Option 12: one name."""
    found = values.text(raw)
    return name(found) if found else None


@values.remembered
def domain_names(raw: bytes) -> tuple[str, ...]:
    """Option 15. The RFC says one name; servers put several into it, with spaces or commas between."""
    found = values.text(raw) or ""
    valid = (name(one) for one in re.split(r"[ ,]+", found) if one)
    return tuple(dict.fromkeys(one for one in valid if one))[:MAX_NAMES]


@values.remembered
def search_list(raw: bytes) -> tuple[str, ...]:
    """Option 119 (RFC 3397), joined: each name once, 32 at most. A broken encoding gives no names."""
    found: dict[str, None] = {}
    at = 0
    for _ in range(MAX_NAMES):
        if at == len(raw):
            break
        read = read_name(raw, at)
        if read is None:
            return ()
        labels, at = read
        if (valid := name(as_text(labels))) is not None:
            found[valid] = None
    return tuple(found)


def read_name(raw: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The labels of the name at `at` and where the next begins; None when malformed (RFC 1035, 4.1.4)."""
    labels: list[bytes] = []
    after, begin, size = 0, at, 0
    while at < len(raw):
        length = raw[at]
        if length >= POINTER:
            if at + 1 >= len(raw):
                return None
            after = after or at + 2
            at = (length - POINTER) << 8 | raw[at + 1]
            if at >= begin:
                return None
            begin = at
            continue
        size += 1 + length
        if length > MAX_LABEL or size > MAX_NAME + 2 or at + 1 + length > len(raw):
            return None
        if not length:
            return labels, after or at + 1
        labels.append(raw[at + 1 : at + 1 + length])
        at += 1 + length
    return None


def as_text(labels: list[bytes]) -> str:
    """The labels with dots between. A dot inside a label must not make two of it: no name may hold a NUL."""
    return ".".join(label.decode("latin-1").replace(".", "\0") for label in labels)


def fqdn(raw: bytes) -> Fqdn | None:
    """Option 81 from a server (RFC 4702 section 2): None when it is shorter than its fixed part."""
    if len(raw) < FQDN_HEADER:
        return None
    flags, rest = raw[0], raw[FQDN_HEADER:]
    found = canonical_name(rest) if flags & FQDN_CANONICAL else host_name(rest)
    return Fqdn(
        server_updates=bool(flags & FQDN_SERVER_UPDATES), no_updates=bool(flags & FQDN_NO_UPDATES), name=found
    )


def canonical_name(raw: bytes) -> str | None:
    """The name in DNS wire format without compression, partial or complete; None when it is neither."""
    complete = raw if raw.endswith(b"\0") else raw + b"\0"
    read = read_name(complete, 0)
    return name(as_text(read[0])) if read is not None and read[1] == len(complete) else None


def wire_name(text: str) -> bytes:
    """A valid `name` in DNS wire format: complete, with the empty label, when it has a dot; else partial."""
    labels = text.removesuffix(".").split(".")
    wire = b"".join(bytes((len(label),)) + label.encode("ascii") for label in labels)
    return wire + b"\0" if "." in text else wire
