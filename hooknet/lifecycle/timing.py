"""Where an ADD's time went: a mark per step, always kept, shown by `hooknet leases NAME --timing`.

The clock starts when the caller is accepted. The marks, in the order of an ADD: `read` (the whole request is here),
`parsed`, `name` (netavark's proxy has asked podman whose id it is), `parent` (its locks are held, netns open,
parent known), `hooks`, `intent` (on disk), `link`, `discover` (a packet socket is open, and it has left), `offer`,
`request`, `ack`, `address`, `journal` (on disk), `sent`, `answered` (the caller has hung up).
"""

from __future__ import annotations

import time
from collections.abc import Mapping


class Timing:
    """Milliseconds since the start, step by step, in order."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._marks: dict[str, float] = {}
        self._over = False

    def mark(self, step: str) -> None:
        """The step is done. A step that happens again (a second OFFER) keeps its last time."""
        if self._over:
            return
        self._marks.pop(step, None)
        self._marks[step] = self.elapsed

    def finish(self, step: str) -> None:
        """The last step is done: what comes later (a renewal) is not part of the ADD."""
        self.mark(step)
        self._over = True

    @property
    def elapsed(self) -> float:
        """Milliseconds since the start."""
        return round((time.perf_counter() - self._start) * 1000, 3)

    def view(self) -> Mapping[str, float]:
        return dict(self._marks)
