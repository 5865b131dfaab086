"""Kernel calls, awaited: they block (deleting a macvlan and closing a packet socket 15 ms and more), and the loop
must not.

Rules. The threads are those of `workers`. A worker that enters a network namespace comes back before it takes other
work; one that can't come back dies and is replaced. A caller that is cancelled waits until its call has ended, if it
has begun: so nothing goes on behind its back, a descriptor that it lent is never closed (and its number never reused)
under a running call, and a socket that the call made is closed again. What merely has to be closed some time
(`discard`) waits behind what somebody awaits. Answers go into a box; the loop is woken for the first of them only.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from hooknet.errors import HooknetError, Kind, stopping, unexpected
from hooknet.kernel.netns import Netns, Stranded, entered
from hooknet.kernel.workers import Job, Workers

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

IMPATIENCE = 0.001
"""Seconds that a call waits for the one before it until another worker is called."""


class Closable(Protocol):
    """Anything with a blocking `close`."""

    def close(self) -> object: ...


class Answers:
    """What workers have found, on its way to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._box: deque[tuple[asyncio.Future[Any], object, Exception | None]] = deque()
        self._told = False

    def give(self, future: asyncio.Future[Any], result: object, error: Exception | None = None) -> None:
        """Complete `future` on the loop. From any thread; a loop that has ended hears nothing any more."""
        self._box.append((future, result, error))
        if not self._told:
            self._told = True
            self.tell(self._deliver)

    def tell(self, what: Callable[[], object]) -> None:
        """Call `what` on the loop, if there still is one."""
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            log.debug("the answer of a kernel call came after the end of the event loop")

    def _deliver(self) -> None:
        self._told = False  # first: what comes in from here on calls again
        while self._box:
            future, result, error = self._box.popleft()
            if future.done():  # nobody wants to know any more
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


class KernelPool:
    """A pool of threads that may visit other network namespaces.

    threads: how many at most. idle: seconds after which a worker without work ends.
    """

    def __init__(self, threads: int = 32, *, idle: float = 5.0) -> None:
        self._workers = Workers(threads, idle, self._worker_ended)
        self._answers: Answers | None = None
        self._watched = False

    @property
    def workers(self) -> int:
        """How many threads there are now."""
        return self._workers.count

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a worker, in the daemon's own network namespace."""
        return await self.outcome(self._begin(lambda: fn(*args, **kwargs)))

    async def run_in(self, netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a worker inside `netns` (or the namespace of that descriptor).

        Raises BAD_NETNS when it can't be entered, INTERNAL when the worker could not return and was ended.
        """
        return await self.outcome(self._begin(inside(netns, fn, *args, **kwargs)))

    def start(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """As `run`, but nobody has to wait."""
        return self._begin(lambda: fn(*args, **kwargs))

    def start_in(
        self, netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """As `run_in`, for what is known to block, and nobody has to wait.

        `netns` must stay open until `fn` has begun.
        """
        job, future = self._job(inside(netns, fn, *args, **kwargs))
        self._hand_over(self._workers.put_blocking, job)
        return future

    def discard(self, thing: Closable) -> None:
        """Close `thing` in a worker some time soon. Callable from any thread, and after `close`."""

        def job() -> None:
            try:
                thing.close()
            except OSError as error:
                log.debug("closing %r: %s", thing, error)

        if not self._workers.put_last(job):
            job()

    def close(self, timeout: float = 5.0) -> None:
        """Finish what is queued and end the workers; waits up to `timeout` seconds for each."""
        self._workers.close(timeout)

    async def outcome(self, future: asyncio.Future[T], withdraw: Callable[[], bool] = lambda: False) -> T:
        """What a call has found. Whoever is cancelled meanwhile waits until it has ended (see the rules).

        withdraw: keeps a call from beginning, and says whether it could.
        """
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if withdraw():
                raise
            await _settled(future)
            if future.exception() is None and callable(getattr(future.result(), "close", None)):
                self.discard(future.result())  # type: ignore[arg-type] # it has a close, the line above asked
            raise

    def _begin(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        job, future = self._job(fn)
        self._hand_over(self._workers.put, job)
        self._watch()
        return future

    @staticmethod
    def _hand_over(put: Callable[[Job], bool], job: Job) -> None:
        try:
            if not put(job):
                raise stopping()
        except RuntimeError as error:
            raise HooknetError(
                Kind.TRY_LATER,
                "the kernel can't be asked now",
                details=str(error),
                hint="see what the daemon's unit allows (TasksMax) and how many processes the machine runs",
            ) from error

    def _job(self, fn: Callable[[], T]) -> tuple[Job, asyncio.Future[T]]:
        loop = asyncio.get_running_loop()
        if self._answers is None or self._answers.loop is not loop:
            self._answers = Answers(loop)
        future: asyncio.Future[T] = loop.create_future()
        return _job(fn, future, self._answers), future

    def _watch(self) -> None:
        """Look again soon whether what waits is taken: the call before it may block."""
        if not self._watched and self._workers.needs_help():
            self._watched = True
            asyncio.get_running_loop().call_later(IMPATIENCE, self._help)

    def _help(self) -> None:
        self._watched = False
        if self._workers.help():
            self._watch()

    def _worker_ended(self) -> None:
        """A thread is born where its maker is, so a stranded one must not make its own successor."""
        if self._answers is not None:
            self._answers.tell(self._workers.help)


def inside(netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    """`fn`, for a worker to call in a network namespace: see `entered` for what it raises."""
    fd = netns.fd if isinstance(netns, Netns) else netns

    def visit() -> T:
        with entered(fd):
            return fn(*args, **kwargs)

    return visit


def _job(fn: Callable[[], T], future: asyncio.Future[T], answers: Answers) -> Job:
    def job() -> None:
        try:
            result = fn()
        except Stranded as error:
            answers.give(future, None, unexpected(error))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who awaits
            answers.give(future, None, error)
        else:
            answers.give(future, result)

    return job


async def _settled(future: asyncio.Future[Any]) -> None:
    """Wait until the worker is done, whatever else is cancelled meanwhile: kernel calls are short."""
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError:
            continue
