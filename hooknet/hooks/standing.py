"""A plugin's standing: three strikes and it is quarantined, until a cool-off is over or somebody enables it.

Rules.
- A strike is a failure that is the plugin's own: an exception, an overrun, a result that makes no sense, a
  blocked loop. `Refused` and `Retry` are not failures.
- Strikes count in a row and per hook: a plugin whose `pre_lease` always hangs is not saved by its other
  hooks.
- After the cool-off the plugin is on probation: the next strike quarantines it again, for twice as long; a
  success gives it its three strikes back.

Pure: time is an argument, seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

from hooknet.hooks.limits import Limits


class Standing:
    """Strikes and quarantine of one plugin."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strikes: dict[str, int] = {}
        self._until: float | None = None
        self._times = 0

    @property
    def strikes(self) -> int:
        """The most strikes in a row of any hook."""
        return max(self._strikes.values(), default=0)

    def succeeded(self, hook: str) -> None:
        self._strikes.pop(hook, None)
        if not self._strikes:
            self._times = 0

    def struck(self, hook: str, now: float) -> float | None:
        """Count a strike. Returns the seconds of quarantine when this was one too many."""
        if self.quarantined(now):
            return None  # a call that began before
        self._strikes[hook] = self._strikes.get(hook, 0) + 1
        if self._strikes[hook] < self._limits.strikes:
            return None
        seconds = min(self._limits.cool_off * 2.0 ** min(self._times, 16), self._limits.cool_off_most)
        self._times += 1
        self._until = now + seconds
        return seconds

    def quarantined(self, now: float) -> bool:
        """Whether the plugin is quarantined at `now`. The end of the cool-off begins the probation."""
        if self._until is None:
            return False
        if now < self._until:
            return True
        self._until = None
        self._strikes = dict.fromkeys(self._strikes, self._limits.strikes - 1)
        return False

    def left(self, now: float) -> float:
        """Seconds of quarantine that are left."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def pardon(self) -> None:
        """Somebody enabled the plugin: everything is forgotten."""
        self._strikes.clear()
        self._until = None
        self._times = 0
