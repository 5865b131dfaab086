"""What leases do while nobody waits, done in company: asked together, answered together, heard together.

Between two renewals the processor has forgotten all of it, and threads that work at the same time take Python's lock
from each other at every system call. So renewals, which the keeper lets begin together, stay together all the way: a
wake-up for many of them, and not several for each (docs/decisions/renewals-in-company.md).

Rules.
1. Calls of one turn of the event loop go to one worker, one after the other, when that turn is over; their answers
   come back at once. So what goes in company may be late by as long as the others take: nothing that somebody waits
   for belongs here.
2. A socket is looked at within `HEARD_AFTER` seconds after it was opened, together with the others that were: by then
   servers have answered, and it is closed soon. One that has heard nothing, or is there for a second look, is
   listened to as any other from then on.
3. What is promised of the pool's calls (cancelled callers, stranded threads) is promised of these. A caller that is
   cancelled waits for its own call and not for the others'; one that has not begun is not made.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from hooknet.errors import HooknetError, unexpected
from hooknet.kernel.netns import Netns, Stranded
from hooknet.kernel.pool import KernelPool, inside

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

HEARD_AFTER = 0.05
"""Seconds: long for a server on the LAN, and nothing to a lease."""


class Readable(Protocol):
    """A socket."""

    def fileno(self) -> int: ...


class _Call:
    """One call, its answer once it was carried out, and who awaits it."""

    def __init__(self, fn: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.future = future
        self._fn = fn
        self._result: Any = None
        self._error: Exception | None = None
        self._claim = threading.Lock()
        self._is_over = False

    @property
    def is_claimed(self) -> bool:
        """Nothing is left to do: it was carried out, or is not wanted any more."""
        return self._claim.locked()

    def withdraw(self) -> bool:
        """Nobody wants it any more. False when it has begun; what it found, if it has ended, is known then."""
        if self._claim.acquire(blocking=False):
            return True
        if self._is_over:
            self.answer()
        return False

    def carry_out(self) -> None:
        """In a worker. Raises Stranded and nothing else."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._result = self._fn()
        except Stranded as error:
            self._error = unexpected(error)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who awaits
            self._error = error
        finally:
            self._is_over = True

    def answer(self) -> None:
        """On the event loop."""
        if self._error is not None:
            self.refuse(self._error)
        elif not self.future.done():
            self.future.set_result(self._result)

    def refuse(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Ear:
    """What is called for a socket."""

    def __init__(self, readable: Callable[[], bool]) -> None:
        self.readable = readable
        self._is_new = True

    def has_answer(self) -> bool:
        """Read it. Whether its first look brought something; what comes afterwards is no answer, perhaps a flood."""
        is_new, self._is_new = self._is_new, False
        try:
            return self.readable() and is_new
        except Exception:
            log.exception("what a socket heard could not be told")
            return False


class Company:
    """Calls into network namespaces and sockets there that can wait for each other. Of one event loop."""

    def __init__(self, pool: KernelPool) -> None:
        self._pool = pool
        self._calls: list[_Call] = []
        self._unheard: dict[Readable, _Ear] = {}

    async def run_in(self, netns: Netns, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As the pool's `run_in`, with the others of this turn. Raises as that does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        call = _Call(inside(netns, fn, *args, **kwargs), future)
        self._calls.append(call)
        if len(self._calls) == 1:
            loop.call_soon(self._leave)
        return await self._pool.outcome(future, call.withdraw)

    def hear(self, socket: Readable, readable: Callable[[], bool]) -> None:
        """Call `readable`, which says whether there was anything, when `socket` may be read, until `ignore`."""
        self._look_later(socket, _Ear(readable))

    def ignore(self, socket: Readable) -> None:
        """Before it is closed."""
        if self._unheard.pop(socket, None) is None:
            asyncio.get_running_loop().remove_reader(socket.fileno())

    def _leave(self) -> None:
        calls, self._calls = self._calls, []
        try:
            carried_out = self._pool.start(_carry_out, calls)
        except HooknetError as error:
            for call in calls:
                call.refuse(error)
        else:
            carried_out.add_done_callback(lambda done: self._arrive(calls, done))

    def _arrive(self, calls: list[_Call], done: asyncio.Future[None]) -> None:
        done.exception()  # each of the calls knows its own
        left = [call for call in calls if not call.is_claimed]
        for call in calls:
            if call.is_claimed:
                call.answer()
        if left:  # the worker was stranded before it came to them
            self._calls += left
            self._leave()

    def _look_later(self, socket: Readable, ear: _Ear) -> None:
        if not self._unheard:
            asyncio.get_running_loop().call_later(HEARD_AFTER, self._look)
        self._unheard[socket] = ear

    def _look(self) -> None:
        unheard, self._unheard = self._unheard, {}
        for socket, ear in unheard.items():
            if ear.has_answer():  # it will hardly be there any more when the next look comes
                self._look_later(socket, ear)
            else:
                asyncio.get_running_loop().add_reader(socket.fileno(), ear.readable)


def _carry_out(calls: list[_Call]) -> None:
    for call in calls:
        call.carry_out()
