"""The event bus: what hooknet did and saw, told to everyone who asked, without ever waiting for them.

The rule. `publish` never waits and costs the publisher a few microseconds: an ADD must not be
slower because somebody runs `hooknet events --follow` over a bad line. So each subscriber has a bounded
queue; when it is full the oldest events are dropped, and the next thing the subscriber reads is a marker of
kind `dropped` that says how many are missing. A bounded history answers `hooknet events --since`; it is
memory, not a journal: it is gone with the daemon.

Listeners (the log, the metrics) are called inside `publish`. They must be quick; one that raises is logged
and does not hurt the others.

An event is a flat mapping, ready for JSON: `seq` (grows by one), `time` (seconds since the epoch, UTC), `kind`, and
the fields of its kind, which docs/reference/control-api.md lists. Durations are `ms`, milliseconds.

Everything here belongs to the daemon's event loop: other threads publish through `loop.call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hooknet.model import Attachment

log = logging.getLogger(__name__)

HISTORY = 500
DEPTH = 1000

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


@unique
class EventKind(StrEnum):
    """What an event is about (the only kinds)."""

    ADD = "add"
    ADD_FAILED = "add-failed"
    DEL = "del"
    LEASE = "lease"
    RELEASE = "release"
    DHCP = "dhcp"
    PODMAN = "podman"
    PLUGIN = "plugin"
    RECONCILE = "reconcile"
    DAEMON = "daemon"
    DROPPED = "dropped"


def who(attachment: Attachment) -> dict[str, str | None]:
    """The four fields that say which attachment an event is about."""
    return {
        "container": attachment.container_name,
        "container_id": attachment.container_id,
        "network": attachment.network,
        "ifname": attachment.ifname,
    }


class Subscription(AsyncIterator[Event]):
    """One subscriber's bounded view of the bus. Ends when closed, or, without `follow`, after the history."""

    def __init__(
        self, history: list[Event], *, depth: int, follow: bool, leave: Callable[[Subscription], None]
    ) -> None:
        self._queue: deque[Event] = deque(history, maxlen=depth)
        self._lost = max(0, len(history) - depth)
        self._open = follow
        self._ready = asyncio.Event()
        self._leave = leave

    def offer(self, event: Event) -> None:
        """Queue `event`; the oldest makes room when the subscriber is too slow."""
        if len(self._queue) == self._queue.maxlen:
            self._lost += 1
        self._queue.append(event)
        self._ready.set()

    async def __anext__(self) -> Event:
        while not self._queue:
            if not self._open:
                self.close()
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            return {"kind": EventKind.DROPPED.value, "time": self._queue[0]["time"], "count": lost}
        return self._queue.popleft()

    def close(self) -> None:
        """Leave the bus. What is queued can still be read; then the iteration ends. May be called twice."""
        self._open = False
        self._ready.set()
        self._leave(self)

    async def aclose(self) -> None:
        self.close()


class EventBus:
    """Publish and subscribe, bounded on every side. `clock`: wall clock seconds, for the events' `time`."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, history: int = HISTORY, depth: int = DEPTH
    ) -> None:
        self._clock = clock
        self._depth = depth
        self._history: deque[Event] = deque(maxlen=history)
        self._listeners: list[Listener] = []
        self._subscriptions: set[Subscription] = set()
        self._seq = 0

    def publish(self, kind: str, **fields: Any) -> None:
        """Tell everyone. `kind` is one of `EventKind`; any other is a bug and raises ValueError."""
        self._seq += 1
        event: Event = {"seq": self._seq, "time": self._clock(), "kind": EventKind(kind).value} | fields
        self._history.append(event)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener of the event bus failed on %s", event["kind"])
        for subscription in self._subscriptions:
            subscription.offer(event)

    def listen(self, listener: Listener) -> None:
        """Call `listener` inside every `publish` from now on."""
        self._listeners.append(listener)

    def subscribe(self, *, since: float | None = None, follow: bool = True) -> Subscription:
        """Events as they come. Needs a running event loop.

        since: first those of the history from that wall clock second on; None means none of them with
        `follow` and all of them without. follow: False ends after the history.
        """
        subscription = Subscription(
            self._past(since, follow=follow),
            depth=self._depth,
            follow=follow,
            leave=self._subscriptions.discard,
        )
        if follow:
            self._subscriptions.add(subscription)
        return subscription

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    def close(self) -> None:
        """End every subscription: the daemon stops."""
        for subscription in list(self._subscriptions):
            subscription.close()

    def _past(self, since: float | None, *, follow: bool) -> list[Event]:
        if since is None:
            return [] if follow else list(self._history)
        return [event for event in self._history if event["time"] >= since]
