"""A clock that a test turns: CLOCK_BOOTTIME and the wall clock, apart from each other as on a real host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
DAY = 86400.0
YEAR = 365 * DAY


class FakeClock:
    """`now`: seconds since boot; they grow even while the host is suspended. The wall clock may jump."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._offset = EPOCH - timedelta(seconds=now)

    def advance(self, to: float) -> None:
        """It is `to` seconds after boot now. ValueError when that is in the past."""
        if to < self.now:
            raise ValueError(f"the boot clock never goes back: {to} is before {self.now}")
        self.now = to

    def set_wall_clock(self, by: float) -> None:
        """Somebody sets the wall clock by `by` seconds, forward or (negative) back."""
        self._offset += timedelta(seconds=by)

    def utc(self, now: float) -> datetime:
        """The wall clock at a boot time, as far as anybody can know it now."""
        return self._offset + timedelta(seconds=now)
