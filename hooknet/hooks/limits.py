"""Every bound of the dispatcher in one place, and the clock it waits on.

A plugin may be slow, wrong or hostile to the event loop; none of that may cost the daemon more than these numbers.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All times are seconds. Each bound is per plugin.

    strikes: failures of one hook in a row until the quarantine. cool_off: how long the first quarantine
    lasts; each further one lasts twice as long, up to cool_off_most. threads: worker threads for `pre_lease`,
    and as many for the observers; also observer calls at once. loops: event loops that a plugin blocked and
    that still run. heartbeat: how long a cancelled coroutine may take to end before its loop counts as
    blocked. attempts: calls of an observer that raises, until the delivery is given up (`Retry` does not
    count). backoff: the first pause before another attempt, doubled up to backoff_most. retry_most: the
    longest `Retry(after=…)`. pending: deliveries that wait; events: `container_event`s that wait; beyond
    either, the oldest are dropped. load: importing and constructing a plugin.
    """

    strikes: int = 3
    cool_off: float = 300.0
    cool_off_most: float = 3600.0
    threads: int = 8
    loops: int = 3
    heartbeat: float = 0.5
    attempts: int = 5
    backoff: float = 1.0
    backoff_most: float = 300.0
    retry_most: float = 3600.0
    pending: int = 10_000
    events: int = 1_000
    load: float = 10.0

    def pause(self, attempts: int) -> float:
        """How long to wait after `attempts` calls that failed or asked for another."""
        return min(self.backoff * 2.0 ** min(attempts - 1, 32), self.backoff_most)


class Clock(Protocol):
    """Time, as the dispatcher sees it. Tests bring their own."""

    def now(self) -> float:
        """CLOCK_BOOTTIME, seconds."""

    def wall(self) -> float:
        """Wall clock, seconds since the epoch: what the outbox keeps."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The host's clock."""

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
