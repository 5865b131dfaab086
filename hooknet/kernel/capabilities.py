"""Which of the capabilities that the daemon needs it does not have (capabilities(7)).

Each was proven by leaving it out: links, addresses and routes need NET_ADMIN, packet sockets NET_RAW,
entering a network namespace SYS_ADMIN, and binding UDP port 68 NET_BIND_SERVICE. Nothing else is needed.
"""

from __future__ import annotations

from pathlib import Path

NEEDED = {"NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_ADMIN": 21}

STATUS = Path("/proc/self/status")


def missing_capabilities(status: Path = STATUS) -> list[str]:
    """The needed capabilities that are not effective in this process, by name; empty when all are there."""
    held = 0
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            held = int(value, 16)
    return [name for name, bit in NEEDED.items() if not held >> bit & 1]
