"""NDJSON lines out of a byte stream, bounded.

The rule: a peer that never ends its line must not eat the daemon's memory. A line longer than the limit is
thrown away up to its end and counted; the lines after it are read as if nothing had happened.
"""

from __future__ import annotations

LONGEST_LINE = 256 * 1024  # bytes; an event carries all labels of a container, and podman's own are a few KiB


class LineSplitter:
    """Feed it chunks, get whole lines without their newline; empty lines are left out.

    `discarded` counts the lines that were too long.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.discarded = 0
        self._longest = longest
        self._rest = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes."""
        *ends, rest = chunk.split(b"\n")
        whole = [line for end in ends if (line := self._complete(end)).strip()]
        self._keep(rest)
        return whole

    def _complete(self, end: bytes) -> bytes:
        self._keep(end)
        line = b"" if self._skipping else bytes(self._rest)
        self._rest.clear()
        self._skipping = False
        return line

    def _keep(self, part: bytes) -> None:
        if self._skipping:
            return
        if len(self._rest) + len(part) > self._longest:
            self.discarded += 1
            self._skipping = True
            self._rest.clear()
            return
        self._rest += part
