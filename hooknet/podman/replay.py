"""What was seen of a stream, so that a new connection can catch up without telling anything twice.

The rule: after every interruption the stream is asked to replay from a little before the newest event that
was seen, and what is known already is dropped by (id, action, timeNano). "A little before", because podman
logs events out of order and late (280 ms were measured). A wall clock that was set back must not make us ask
for the future: `since` is never later than now. The memory is bounded; an event that falls out of it and is
replayed is told twice, which a receiver of hints must bear anyway.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hooknet.podman.events import NANOSECONDS, PodmanEvent

OVERLAP = 2 * NANOSECONDS
REMEMBERED = 4096


class Seen:
    """The newest time and the last few thousand events of one stream. `started`: wall clock, nanoseconds."""

    def __init__(self, started: int, remembered: int = REMEMBERED) -> None:
        self._newest = started
        self._remembered = remembered
        self._events: dict[tuple[str, str, str, int], None] = {}

    def first_time(self, event: PodmanEvent) -> bool:
        """Whether this event was not seen before. It is from now on."""
        key = (event.type, event.id, event.action, event.time_nano)
        if key in self._events:
            return False
        self._events[key] = None
        if len(self._events) > self._remembered:
            del self._events[next(iter(self._events))]
        self._newest = max(self._newest, event.time_nano)
        return True

    def since(self, now: int) -> str:
        """The `since` of the next connection, RFC 3339 with nanoseconds. `now`: wall clock, nanoseconds."""
        return rfc3339_nano(max(0, min(self._newest, now) - OVERLAP))


def rfc3339_nano(nanoseconds: int) -> str:
    """The way Go writes a time (RFC3339Nano), UTC. podman-py's own conversion cuts it to seconds."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
