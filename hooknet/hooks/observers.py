"""Delivering to the observers of one plugin: at least once, in order per identity, parallel across them.

Rules.
- The outbox holds what is owed; this holds the same in memory, one queue per stream (identity), and marks a
  row as done only after the call. A crash repeats a call and never loses one.
- A stream never overtakes itself: while its first delivery waits for another try, or the code of an earlier
  call still runs in a thread that hangs, the rest of that stream waits. So a late `release` can't hit its
  successor.
- `Retry` tries again for as long as it takes: after the seconds that the plugin asked for, else with a
  growing pause. An exception or an overrun is tried again too, but only a few times: the plugin has a bug,
  and repeating won't mend it. A quarantined plugin's deliveries wait for the end of the quarantine.
- Coalescing: of `post_lease(RENEWED)` deliveries of one lease that follow each other in a stream, only the
  newest is made. Nothing else is merged.
- Bounded: beyond `Limits.pending` the oldest delivery that is not being made is given up and counted.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hooknet.errors import Retry
from hooknet.hooks.cell import Cell, Implementation, PluginError
from hooknet.hooks.jobs import Job, arrival
from hooknet.hooks.limits import Clock, Limits
from hooknet.hooks.loading import words_of
from hooknet.hooks.payload import Payload, decode
from hooknet.hooks.threads import Lane
from hooknet.model import ContainerEvent, PostLeaseReason
from hooknet.outbox import Delivery, Outbox

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Owed:
    """A delivery in memory. ready_at: CLOCK_BOOTTIME seconds. failures: calls that failed since the start."""

    delivery: Delivery
    payload: Payload
    ready_at: float
    failures: int = 0
    running: bool = False

    def covers(self, earlier: Owed) -> bool:
        """Whether delivering this one makes `earlier` superfluous."""
        renewed = PostLeaseReason.RENEWED
        return (
            self.payload.reason == earlier.payload.reason == renewed
            and self.payload.attachment == earlier.payload.attachment
            and not earlier.running
        )


class DeliveryQueue:
    """What one plugin is owed. `cell` and `implementations` are exchanged by a reload."""

    def __init__(self, cell: Cell, outbox: Outbox, *, limits: Limits, clock: Clock) -> None:
        self.cell = cell
        self.implementations: Mapping[str, Sequence[Implementation]] = {}
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._known: set[int] = set()
        self._settled: set[int] = set()
        self._streams: dict[str, deque[Owed]] = {}
        self._runners: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        self._slots = asyncio.Semaphore(limits.threads)

    def __len__(self) -> int:
        return len(self._known)

    def snapshot_begins(self) -> None:
        """The outbox is about to be read: what is settled from now on may still be in what was read."""
        self._settled.clear()

    async def offer(self, delivery: Delivery) -> None:
        """Take over a row of the outbox. One that was offered before is ignored."""
        if delivery.id in self._known or delivery.id in self._settled:
            return
        try:
            payload = decode(delivery.payload)
            payload.arguments(delivery.hook)
        except (ValueError, KeyError) as error:
            log.warning("%s for %s is unreadable and given up: %s", delivery.hook, delivery.plugin, error)
            await self._outbox.done(delivery)
            return
        wait = min(max(delivery.not_before - self._clock.wall(), 0), self._limits.retry_most)
        owed = Owed(delivery, payload, self._clock.now() + wait)
        self._known.add(delivery.id)
        await self._append(owed, self._streams.setdefault(delivery.stream, deque()))
        if delivery.stream not in self._runners:
            runner = asyncio.get_running_loop().create_task(self._run(delivery.stream))
            self._runners[delivery.stream] = runner
        if len(self._known) > self._limits.pending:
            await self._drop_oldest()

    async def close(self, grace: float = 0.0) -> None:
        """Stop; calls that run get `grace` seconds. What was not delivered stays in the outbox."""
        self._closing = True
        runners = set(self._runners.values())
        waiting = {
            self._runners[name] for name, stream in self._streams.items() if stream and not stream[0].running
        }
        for runner in waiting:
            runner.cancel()
        if running := runners - waiting:
            await asyncio.wait(running, timeout=grace)
        for runner in running:
            runner.cancel()
        await asyncio.gather(*runners, return_exceptions=True)
        self._streams.clear()
        self._known.clear()

    async def give_up_all(self) -> None:
        """The plugin is not wanted any more: nothing is owed to it."""
        owed = [one.delivery for stream in self._streams.values() for one in stream]
        await self.close()
        for delivery in owed:
            await self._outbox.done(delivery)

    async def _append(self, owed: Owed, stream: deque[Owed]) -> None:
        if not (stream and owed.covers(stream[-1])):
            stream.append(owed)
            return
        earlier = stream.pop()
        owed.ready_at = earlier.ready_at
        owed.delivery = replace(owed.delivery, attempts=earlier.delivery.attempts)
        stream.append(owed)
        await self._settle(earlier)

    async def _run(self, name: str) -> None:
        """Deliver one stream until it is empty."""
        stream = self._streams[name]
        try:
            while stream and not self._closing:
                owed, cell = stream[0], self.cell
                if (wait := owed.ready_at - self._clock.now()) > 0:
                    await self._clock.sleep(wait)
                elif not cell.available.is_set():
                    await cell.available.wait()
                else:
                    await self._turn(owed, cell, stream)
        finally:
            del self._runners[name]
            if not stream:
                self._streams.pop(name, None)

    async def _turn(self, owed: Owed, cell: Cell, stream: deque[Owed]) -> None:
        async with self._slots:
            unchanged = stream and stream[0] is owed and cell is self.cell and cell.available.is_set()
            still_running = await self._attempt(owed, cell, stream) if unchanged else None
        if still_running is not None:
            await arrival(still_running.ended)

    async def _attempt(self, owed: Owed, cell: Cell, stream: deque[Owed]) -> Job | None:
        """Make the call and settle it. Returns what the plugin left running."""
        owed.running = True
        hook = owed.delivery.hook
        budget = cell.loaded.settings.observer_timeout
        try:
            for implementation in self.implementations.get(hook, ()):
                arguments = owed.payload.arguments(hook)
                await cell.call(implementation, arguments, lane=Lane.OBSERVE, budget=budget)
        except Retry as retry:
            await self._again(owed, seconds_asked(retry.after, self._limits.retry_most), words_of(retry))
        except PluginError as failure:
            owed.failures += 1
            if owed.failures < self._limits.attempts:
                await self._again(owed, None, failure.why)
            else:
                await self._give_up(owed, stream, failure.why)
            return failure.job
        else:
            stream.popleft()
            await self._settle(owed)
        finally:
            owed.running = False
        return None

    async def _again(self, owed: Owed, pause: float | None, why: str) -> None:
        seconds = self._limits.pause(owed.delivery.attempts + 1) if pause is None else pause
        owed.ready_at = self._clock.now() + seconds
        await self._outbox.postpone(owed.delivery, not_before=self._clock.wall() + seconds, error=why)
        owed.delivery = replace(owed.delivery, attempts=owed.delivery.attempts + 1)

    async def _give_up(self, owed: Owed, stream: deque[Owed], why: str) -> None:
        attachment = owed.payload.attachment
        log.error(
            "%s of %s for %s is given up: %s", owed.delivery.hook, attachment.key, owed.delivery.plugin, why
        )
        self.cell.statistics.dropped += 1
        stream.remove(owed)
        await self._settle(owed)

    async def _drop_oldest(self) -> None:
        waiting = [
            (one.delivery.id, one, stream)
            for stream in self._streams.values()
            for one in stream
            if not one.running
        ]
        if waiting:
            _, oldest, stream = min(waiting, key=lambda row: row[0])
            await self._give_up(oldest, stream, f"more than {self._limits.pending} deliveries wait")

    async def _settle(self, owed: Owed) -> None:
        """Nothing more is owed. Known until the outbox knows, so that it is not taken over again."""
        await self._outbox.done(owed.delivery)
        self._known.discard(owed.delivery.id)
        self._settled.add(owed.delivery.id)


def seconds_asked(after: object, most: float) -> float | None:
    """The pause that a `Retry` asks for, within bounds; None when it asks for none that makes sense."""
    if not isinstance(after, int | float) or math.isnan(after) or after < 0:
        return None
    return min(float(after), most)


class EventQueue:
    """`container_event` for one plugin: best effort, in order, bounded. The oldest make room."""

    def __init__(self, cell: Cell, implementations: Sequence[Implementation], limits: Limits) -> None:
        self.cell = cell
        self._implementations = implementations
        self._events: deque[ContainerEvent] = deque(maxlen=limits.events)
        self._runner: asyncio.Task[None] | None = None

    def offer(self, event: ContainerEvent) -> None:
        """Queue an event. Never waits; a quarantined plugin misses it."""
        if self.cell.quarantined:
            return
        if len(self._events) == self._events.maxlen:
            self.cell.statistics.dropped += 1
        self._events.append(event)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        self._events.clear()
        if self._runner is not None:
            self._runner.cancel()

    async def _run(self) -> None:
        budget = self.cell.loaded.settings.observer_timeout
        while self._events:
            event = self._events.popleft()
            for implementation in self._implementations:
                if not self.cell.quarantined:
                    with suppress(PluginError, Retry):  # counted by the cell; events are never repeated
                        await self.cell.call(
                            implementation, {"event": event}, lane=Lane.OBSERVE, budget=budget
                        )
