"""DHCID: the mark by which an updater knows its own records (RFC 4701).

The mark is a hash of who the DHCP client is and of the name, so a zone does not tell who is in it. The client is
known by its option 61, of which only the DUID counts where it is RFC 4361's (type 255), and by its hardware
address where it has none.
"""

from __future__ import annotations

import hashlib

import hooknet

HARDWARE = 0
CLIENT_ID = 1
DUID = 2
SHA256 = b"\x01"
RFC4361_TYPE = 255
IAID_LENGTH = 4
ETHERNET = b"\x01"


def dhcid(lease: hooknet.Lease, name: str) -> bytes:
    """The RDATA of the DHCID record for `name`, of a lease's client (RFC 4701 sections 3.3 to 3.5)."""
    kind, identifier = identify(lease.client_id, lease.mac)
    return kind.to_bytes(2, "big") + SHA256 + hashlib.sha256(identifier + canonical(name)).digest()


def identify(client_id: bytes, mac: str) -> tuple[int, bytes]:
    """RFC 4701 section 3.3: the identifier's type and its bytes."""
    if not client_id:
        return HARDWARE, ETHERNET + bytes.fromhex(mac.replace(":", ""))
    if client_id[0] == RFC4361_TYPE and len(client_id) > 1 + IAID_LENGTH:
        return DUID, client_id[1 + IAID_LENGTH :]
    return CLIENT_ID, client_id


def canonical(name: str) -> bytes:
    """The name in DNS's canonical wire format (RFC 4034 section 6.2)."""
    labels = [label.encode("ascii") for label in name.lower().rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
