"""Which MAC addresses an interface may have, and which one follows from a name.

A derived MAC is the first six bytes of SHA-256 over machine, network and name, with the two bits set as a locally
administered unicast address has them (IEEE 802-2014 section 8.4). The same name has the same MAC for ever: changing
this module changes the MACs of everybody who derives.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import socket
import struct

MULTICAST, LOCAL = 0x01, 0x02
SIOCGIFHWADDR = 0x8927
DOMAIN = "hooknet static-mac 1"


def normal(text: object) -> str:
    """A MAC as hooknet writes it: lower case, colons. Raises ValueError for what is no MAC at all."""
    digits = re.sub(r"[:-]", "", text).lower() if isinstance(text, str) else ""
    if not isinstance(text, str) or not re.fullmatch(r"([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}", text):
        raise ValueError(f'mac = {text!r} is no MAC address: write it as "02:00:00:00:00:01"')
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def why_unusable(mac: str) -> str:
    """Why no interface can have this MAC; empty when one can."""
    if int(mac[:2], 16) & MULTICAST:
        return "it has the multicast bit (the lowest of its first byte), so no interface can have it"
    return "no interface can have it" if set(mac) <= {"0", ":"} else ""


def derived(machine: str, network: str, name: str) -> str:
    """The MAC of `name` on `network`. machine: empty for a whole fleet of hosts."""
    digest = hashlib.sha256(f"{DOMAIN}\0{machine}\0{network}\0{name}".encode()).digest()
    first = digest[0] & ~MULTICAST | LOCAL
    return ":".join(f"{byte:02x}" for byte in (first, *digest[1:6]))


def of_interface(name: str) -> str | None:
    """The MAC of an interface of this host; None when there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        try:
            answer = fcntl.ioctl(asking, SIOCGIFHWADDR, struct.pack("16s24x", name.encode()[:15]))
        except OSError:
            return None
    return answer[18:24].hex(":")
