"""The one deadline of an ADD: whatever is waited for on its way has what is left of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at`: the event loop's time, seconds. `allowed`: how many there were at the beginning."""

    at: float
    allowed: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Counted from now."""
        return cls(asyncio.get_running_loop().time() + seconds, seconds)

    @property
    def left(self) -> float:
        """Seconds; 0 when it has passed."""
        return max(self.at - asyncio.get_running_loop().time(), 0.0)
