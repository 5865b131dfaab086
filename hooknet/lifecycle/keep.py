"""Keeping leases: one timer for all of them, and a session for each that has something to say.

Between exchanges a lease costs its `Entry` and nothing else: no task, no thread, no socket. The timer runs on
CLOCK_BOOTTIME: it sleeps at most `LONGEST_SLEEP` seconds, so a machine that was suspended past T1, T2 or the
expiry notices within that time. A lease that is due waits for others, `GATHER` seconds at most and never longer than
`SHARE` of what is left of it: a wake-up for one lease costs more than the lease
(docs/decisions/renewals-in-company.md). At most `SESSIONS_AT_ONCE` background sessions run; the others wait their
turn, which is also what spreads a storm of renewals. Attachments in the making never wait.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from hooknet.dhcp.client import Client
from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.session import Session, Step

log = logging.getLogger(__name__)

LONGEST_SLEEP = 15.0
GATHER = 1.0
SHARE = 0.1
SESSIONS_AT_ONCE = 32
PROBLEM_PAUSE = 5.0


@dataclass(slots=True, order=True)
class _Due:
    """`due`: when the deadline comes. latest: when it is seen to, if nothing wakes the keeper before. Boot times."""

    latest: float
    number: int
    due: float = field(compare=False)
    entry: Entry = field(compare=False)


class Keeper:
    """Runs the sessions of all entries, now or when their client's deadline comes."""

    def __init__(self, leases: Leases, vanished: Callable[[Entry], None]) -> None:
        self._leases = leases
        self._services = leases.services
        self._vanished = vanished
        self._heap: list[_Due] = []
        self._numbers = 0
        self._poke = asyncio.Event()
        self._turns = asyncio.Semaphore(SESSIONS_AT_ONCE)
        self._tasks: dict[Entry, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled: start a session whenever a client's deadline has come."""
        while True:
            self._start_due()
            await self._sleep()

    def begin(self, entry: Entry, step: Step) -> None:
        """The first session of an attachment in the making: it waits for no turn, and its failure is its own."""
        self._start(entry, step, in_turn=False)

    def tell(self, entry: Entry, step: Step) -> None:
        """Tell the entry's client something. A session is opened only when there is something to do on the wire."""
        if entry.session is not None:
            entry.session.call(step)
        elif entry in self._tasks:
            self._tasks[entry].add_done_callback(lambda _: self.tell(entry, step))
        elif entry.client is not None and self._services.registry.is_current(entry):
            effects = tuple(step(entry.client, self._services.machine.now()))
            if effects or entry.client.listening:
                self._start(entry, lambda _client, _now: effects, in_turn=True)
            else:
                self.schedule(entry)

    def schedule(self, entry: Entry, at: float | None = None) -> None:
        """Look at this entry when its client's deadline comes, or at `at` (boot time, seconds)."""
        when = at if at is not None else entry.client.deadline if entry.client is not None else None
        if when is None:
            return
        self._numbers += 1
        heapq.heappush(self._heap, _Due(when + may_wait(entry, when), self._numbers, when, entry))
        if self._heap[0].entry is entry:
            self._poke.set()

    async def stop(self, entry: Entry) -> None:
        """End the entry's session, if one runs, and wait until it has."""
        task = self._tasks.pop(entry, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def stop_all(self) -> None:
        for entry in list(self._tasks):
            await self.stop(entry)

    @property
    def sessions(self) -> int:
        return len(self._tasks)

    def _start_due(self) -> None:
        now = self._services.machine.now()
        while self._heap and self._heap[0].due <= now:
            entry = heapq.heappop(self._heap).entry
            if not self._services.registry.is_current(entry) or entry in self._tasks or entry.client is None:
                continue
            deadline = entry.client.deadline
            if deadline is not None and deadline <= now:
                self._start(entry, Client.timer, in_turn=True)
            elif deadline is not None:
                self.schedule(entry)

    def left(self) -> float:
        """For how many seconds nothing has to be seen to."""
        if not self._heap:
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(self._heap[0].latest - self._services.machine.now(), 0.0))

    async def _sleep(self) -> None:
        try:
            await asyncio.wait_for(self._poke.wait(), self.left())
        except TimeoutError:
            return
        self._poke.clear()

    def _start(self, entry: Entry, step: Step, *, in_turn: bool) -> None:
        work = self._in_turn(entry, step) if in_turn else self._session(entry, step)
        task = asyncio.get_running_loop().create_task(work, name=f"session of {entry.key}")
        self._tasks[entry] = task
        task.add_done_callback(lambda task: self._ended(entry, task))

    async def _in_turn(self, entry: Entry, step: Step) -> None:
        async with self._turns:
            await self._session(entry, step)

    async def _session(self, entry: Entry, step: Step) -> None:
        record = entry.record
        async with self._services.machine.netns(record.attachment.netns, record.netns_id) as netns:
            session = Session(self._leases, entry, netns, netns.line(record.attachment.ifname))
            session.call(step)
            entry.session = session
            try:
                await session.run()
            finally:
                entry.session = None
                entry.gave_up = session.gave_up

    def _ended(self, entry: Entry, task: asyncio.Task[None]) -> None:
        if self._tasks.get(entry) is task:
            del self._tasks[entry]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._failed(entry, error)
        elif self._services.registry.is_current(entry):
            self.schedule(entry)
        entry.ready.set()

    def _failed(self, entry: Entry, error: BaseException) -> None:
        entry.problem = error
        if not self._services.registry.is_current(entry) or not entry.is_replied():
            return
        if isinstance(error, HooknetError) and error.kind is Kind.BAD_NETNS:
            self._vanished(entry)
            return
        entry.note = f"no DHCP message could be exchanged: {error}"
        known = isinstance(error, (HooknetError, OSError))
        log.warning("%s: %s", entry.key, entry.note, exc_info=None if known else error)
        self.schedule(entry, self._services.machine.now() + PROBLEM_PAUSE)


def may_wait(entry: Entry, at: float) -> float:
    """For how many seconds a lease that is due at boot time `at` may wait for company. One that is lost: for none."""
    binding = entry.client.binding if entry.client is not None else None
    return 0.0 if binding is None else min(GATHER, max((binding.expires_at - at) * SHARE, 0.0))
