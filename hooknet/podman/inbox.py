"""The way from a stream's thread to the event loop: bounded, in order, and never blocking either of them.

The rule: events are hints, so a flood of them may be dropped, but never silently. When the box is full, new
events are dropped and counted, and once the box has run empty the receiver is told to resync, because the
world itself is the truth. The state is a value and only its latest matters; resyncs that nobody has seen yet
are one resync. The loop takes a bounded batch at a time, so that ten thousand events delay an ADD by one
batch and not by all.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

CAPACITY = 4096
BATCH = 128

Event = TypeVar("Event")
State = TypeVar("State")
T = TypeVar("T")
log = logging.getLogger("hooknet.podman")


class Inbox(Generic[Event, State]):
    """`put`, `tell` and `ask_resync` from any thread; the three callbacks run on `loop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        deliver: Callable[[Event], None],
        state: Callable[[State], None],
        resync: Callable[[str], None],
        capacity: int = CAPACITY,
    ) -> None:
        self._loop = loop
        self._deliver, self._on_state, self._on_resync = deliver, state, resync
        self._capacity = capacity
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._states: deque[State] = deque(maxlen=1)
        self._why = ""
        self._dropped = 0
        self._overdue = 0
        self._scheduled = False
        self._closed = False

    def put(self, event: Event) -> None:
        """Queue an event; drop it when the box is full, and ask for a resync."""
        with self._lock:
            if len(self._events) < self._capacity:
                self._events.append(event)
            else:
                self._dropped += 1
            self._schedule()

    def tell(self, state: State) -> None:
        """The state is now `state`; one that was not delivered yet is replaced."""
        with self._lock:
            self._states.append(state)
            self._schedule()

    def ask_resync(self, why: str) -> None:
        """Have the receiver compare with the world, after the events that are queued now."""
        with self._lock:
            self._why = self._why or why
            self._schedule()

    def close(self) -> None:
        """Deliver nothing more."""
        with self._lock:
            self._closed = True
            self._events.clear()

    def _schedule(self) -> None:
        if self._scheduled or self._closed:
            return
        self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: the daemon is going down
            self._closed = True

    def _drain(self) -> None:
        states, batch, why = self._take()
        for state in states:
            self._guarded(self._on_state, state)
        for event in batch:
            self._guarded(self._deliver, event)
        if why:
            self._guarded(self._on_resync, why)

    def _take(self) -> tuple[list[State], list[Event], str]:
        with self._lock:
            self._scheduled = False
            if self._closed:
                return [], [], ""
            states = list(self._states)
            self._states.clear()
            batch = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
            why = self._due_resync(len(batch))
            if self._events or self._dropped or self._why:
                self._schedule()
            return states, batch, why

    def _due_resync(self, taken: int) -> str:
        """The reason for a resync that is due: the box is empty, or has not been for a whole box of events."""
        if not (self._why or self._dropped):
            return ""
        self._overdue += taken
        if self._events and self._overdue < self._capacity:
            return ""
        lost = f"{self._dropped} events came faster than they could be handled" if self._dropped else ""
        why = "; ".join(part for part in (self._why, lost) if part)
        self._why, self._dropped, self._overdue = "", 0, 0
        return why

    def _guarded(self, callback: Callable[[T], None], value: T) -> None:
        try:
            callback(value)
        except Exception:
            log.exception("a receiver of podman's events failed; going on with the next")
