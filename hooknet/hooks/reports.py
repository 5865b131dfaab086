"""What is known of a plugin's calls, and what `hooknet plugins` shows of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hooknet.hooks.loading import PluginState

REMEMBERED = 256  # the last calls that the percentiles are of


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginReport:
    """One plugin. Times are milliseconds, None before the first call.

    reason: why it is not active, empty when it is. last_error: of a failure; or why it asked to be called again,
    while deliveries wait for that (which is no failure). pending: deliveries that wait. dropped: deliveries and
    events that were given up. quarantine_s: seconds of quarantine that are left.
    """

    name: str
    distribution: str
    version: str
    state: PluginState
    reason: str
    hooks: tuple[str, ...]
    on_failure: str
    calls: int = 0
    failures: int = 0
    strikes: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    last_error: str | None = None
    pending: int = 0
    dropped: int = 0
    quarantine_s: float = 0.0


def changes(
    before: Iterable[PluginReport], after: Iterable[PluginReport], renewed: Collection[str]
) -> list[str]:
    """What a reload did, a line for each plugin that is not as it was. renewed: loaded again."""
    old = {report.name: (report.state, report.reason) for report in before}
    new = {report.name: (report.state, report.reason) for report in after}
    lines = [f"plugin {name}: gone" for name in sorted(old.keys() - new.keys())]
    for name, (state, reason) in sorted(new.items()):
        if old.get(name) != (state, reason):
            lines.append(f"plugin {name}: {state.value}{': ' if reason else ''}{reason}")
        elif name in renewed:
            lines.append(f"plugin {name}: loaded again with its new settings")
    return lines


class Statistics:
    """Counts and durations of one plugin's calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.dropped = 0
        self.last_error: str | None = None
        self._asked_again: str | None = None
        self._milliseconds: deque[float] = deque(maxlen=REMEMBERED)

    def called(self, milliseconds: float) -> None:
        self.calls += 1
        self._milliseconds.append(milliseconds)

    def failed(self, error: str) -> None:
        self.failures += 1
        self.last_error = error
        self._asked_again = None

    def asked_again(self, why: str) -> None:
        """A `Retry` is no failure, but whoever wonders why nothing happens must find its reason."""
        self._asked_again = why

    def complaint(self, pending: int) -> str | None:
        """The last error; while deliveries wait, the reason of the last `Retry` if that came later."""
        return self._asked_again if pending and self._asked_again else self.last_error

    def percentile(self, share: float) -> float | None:
        """The duration, milliseconds, that `share` (0 to 1) of the remembered calls did not exceed."""
        if not self._milliseconds:
            return None
        ordered = sorted(self._milliseconds)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
