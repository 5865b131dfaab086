"""Where chance comes from: what strangers must not guess from the kernel, the rest from a generator of our own.

Jitter is no secret, and a system call for each would be a tenth of what a renewal costs.
"""

from __future__ import annotations

import random


class HostRandomness:
    """`Randomness` for a daemon: transaction ids and MACs can't be guessed, waits may be."""

    def __init__(self) -> None:
        self._secret = random.SystemRandom()
        self._jitter = random.Random()  # noqa: S311 - seeded by the kernel, and no secret

    def getrandbits(self, k: int, /) -> int:
        """A number of `k` bits that nobody can guess."""
        return self._secret.getrandbits(k)

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
        return self._jitter.uniform(a, b)
