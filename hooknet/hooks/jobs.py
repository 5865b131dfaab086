"""One call of a plugin's code on a thread that is not the daemon's.

A job has two futures, because a caller stops waiting before the code stops running: `answer` is what the
caller waits for, `ended` is set when the code really runs no more. A thread can't be killed, so a hung plugin
ends up as an answer (an overrun) without an end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any


class SaturatedError(RuntimeError):
    """Everything that this plugin may occupy hangs already: the call was not made."""


class LoopGoneError(RuntimeError):
    """The plugin's event loop was blocked and has been abandoned. `job`: the call that was in it."""

    job: Job | None = None


class OverrunError(TimeoutError):
    """The call did not answer in time. `started`: whether the plugin's code ran at all."""

    def __init__(self, text: str, job: Job) -> None:
        super().__init__(text)
        self.job = job
        self.started = job.started


class PluginExitError(RuntimeError):
    """The plugin raised what would end a thread or a task of ours (SystemExit, CancelledError, …)."""


class Job:
    """A call: made, answered, ended. `interrupt` is set once there is something that can be interrupted."""

    __slots__ = ("_lock", "aborted", "answer", "ended", "interrupt", "make", "started")

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.answer: Future[Any] = Future()
        self.ended: Future[None] = Future()
        self.started = False
        self.aborted = False
        self.interrupt: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def begin(self) -> bool:
        """Whether somebody still wants this job."""
        with self._lock:
            self.started = not self.answer.done()
        return self.started

    def abort(self) -> None:
        """Nobody waits any more: don't run it if it has not begun, interrupt it where that is possible."""
        self.aborted = True
        with self._lock:
            withdrawn = not self.started and self.answer.cancel()
        if withdrawn:
            self.end()
        elif self.interrupt is not None:
            self.interrupt()

    def succeed(self, result: Any) -> None:
        with suppress(InvalidStateError):
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Answer with an error. A job that has not begun never will."""
        if not isinstance(error, Exception):
            error = PluginExitError(f"raised {type(error).__name__}")
        with self._lock, suppress(InvalidStateError):
            self.answer.set_exception(error)
        if not self.started:
            self.end()

    def end(self) -> None:
        """The plugin's code does not run (any more)."""
        with suppress(InvalidStateError):
            self.ended.set_result(None)


def arrival(future: Future[Any]) -> asyncio.Future[None]:
    """A future of the running loop that is done when `future` is, whatever its outcome."""
    loop = asyncio.get_running_loop()
    here: asyncio.Future[None] = loop.create_future()

    def arrived() -> None:
        if not here.done():
            here.set_result(None)

    def tell(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the daemon's loop is closed: nobody waits
            loop.call_soon_threadsafe(arrived)

    future.add_done_callback(tell)
    return here
