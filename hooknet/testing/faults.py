"""What a network does to frames: loses, duplicates, delays and so reorders them. Seeded, so that it does so again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(slots=True, kw_only=True)
class Faults:
    """Probabilities from 0 to 1, delays in seconds. A LAN without faults delays every frame by 0.1 to 0.3 ms.

    reorder: how often a frame waits `late` seconds longer than the others.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: tuple[float, float] = (0.0001, 0.0003)
    late: float = 1.5

    def arrivals(self, random: Random) -> list[tuple[float, bool]]:
        """After how many seconds the copies of one frame arrive, and whether out of order; none when lost."""
        if random.random() < self.loss:
            return []
        copies = 2 if random.random() < self.duplicate else 1
        return [self._arrival(random) for _ in range(copies)]

    def _arrival(self, random: Random) -> tuple[float, bool]:
        late = random.random() < self.reorder
        return random.uniform(*self.delay) + (self.late if late else 0.0), late
