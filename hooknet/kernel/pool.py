"""Threads for kernel calls: they block (deleting a macvlan and closing a packet socket 15 ms and more), the
loop must not.

Rules. A worker that enters a network namespace comes back before it takes other work; one that can't come
back dies and is replaced. A thread is born in the namespace of the one that makes it, so each worker goes
home first. A caller that is cancelled waits until its call has ended: so nothing goes on
behind its back, a descriptor that it lent is never closed (and its number never reused) under a running
call, and a socket that the call made is closed again. Workers start when work waits and end when idle, so a
burst has many threads and a quiet daemon hardly any. What merely has to be closed some time (`discard`)
waits behind what somebody awaits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from hooknet.errors import stopping, unexpected
from hooknet.kernel.netns import Netns, Stranded, entered, return_home

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Job = Callable[[], None]


class Closable(Protocol):
    """Anything with a blocking `close`."""

    def close(self) -> object: ...


class KernelPool:
    """A pool of threads that may visit other network namespaces.

    threads: how many at most. idle: seconds after which a worker without work ends.
    """

    def __init__(self, threads: int = 32, *, idle: float = 5.0) -> None:
        self._limit = threads
        self._idle_for = idle
        self._changed = threading.Condition()
        self._awaited: deque[Job] = deque()
        self._discarded: deque[Job] = deque()
        self._workers: set[threading.Thread] = set()
        self._idle = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def workers(self) -> int:
        """How many threads there are now."""
        return len(self._workers)

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a worker, in the daemon's own network namespace."""
        return await self._awaited_call(self._begin(lambda: fn(*args, **kwargs)))

    async def run_in(self, netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` in a worker inside `netns` (or the namespace of that descriptor).

        Raises BAD_NETNS when it can't be entered, INTERNAL when the worker could not return and was ended.
        """
        return await self._awaited_call(self._begin(_inside(netns, fn, *args, **kwargs)))

    def start_in(
        self, netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """As `run_in`, but nobody has to wait. `netns` must stay open until `fn` has begun."""
        return self._begin(_inside(netns, fn, *args, **kwargs))

    def discard(self, thing: Closable) -> None:
        """Close `thing` in a worker some time soon. Callable from any thread, and after `close`."""

        def job() -> None:
            try:
                thing.close()
            except OSError as error:
                log.debug("closing %r: %s", thing, error)

        with self._changed:
            if not self._closed:
                self._discarded.append(job)
                self._wake()
                return
        job()

    def close(self, timeout: float = 5.0) -> None:
        """Finish what is queued and end the workers; waits up to `timeout` seconds for each."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            workers = tuple(self._workers)
        for worker in workers:
            worker.join(timeout)

    def _begin(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._submit(_job(fn, future, loop))
        return future

    async def _awaited_call(self, future: asyncio.Future[T]) -> T:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await _settled(future)
            if future.exception() is None and callable(getattr(future.result(), "close", None)):
                self.discard(future.result())  # type: ignore[arg-type] # it has a close, the line above asked
            raise

    def _submit(self, job: Job) -> None:
        with self._changed:
            if self._closed:
                raise stopping()
            self._awaited.append(job)
            self._wake()

    def _wake(self) -> None:
        waiting = len(self._awaited) + len(self._discarded)
        if self._idle >= waiting:
            self._changed.notify()
        elif len(self._workers) < self._limit:
            worker = threading.Thread(target=self._work, name="hooknet-kernel", daemon=True)
            self._workers.add(worker)
            worker.start()
        else:
            self._changed.notify()

    def _work(self) -> None:
        succeed = self._succeed
        try:
            return_home()
            while (job := self._next()) is not None:
                job()
        except Stranded as error:
            log.error("a worker was ended: %s", error)  # noqa: TRY400 - the trace says nothing more
            succeed = self._succeed_elsewhere
        finally:
            with self._changed:
                self._workers.discard(threading.current_thread())
            succeed()

    def _succeed(self) -> None:
        """Let another worker take what came just when this one ended."""
        with self._changed:
            if self._awaited or self._discarded:
                self._wake()

    def _succeed_elsewhere(self) -> None:
        """A thread is born where its maker is, so a stranded one must not make its own successor."""
        if self._loop is not None:
            _tell(self._loop, self._succeed)

    def _next(self) -> Job | None:
        """The next job; None when there has been none for too long, or the pool is closed and empty."""
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(self._has_news, self._idle_for)
            finally:
                self._idle -= 1
            if self._awaited:
                return self._awaited.popleft()
            return self._discarded.popleft() if self._discarded else None

    def _has_news(self) -> bool:
        return bool(self._awaited or self._discarded or self._closed)


def _inside(netns: Netns | int, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
    fd = netns.fd if isinstance(netns, Netns) else netns

    def inside() -> T:
        with entered(fd):
            return fn(*args, **kwargs)

    return inside


def _job(fn: Callable[[], T], future: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> Job:
    def job() -> None:
        try:
            result = fn()
        except Stranded as error:
            _tell(loop, future.set_exception, unexpected(error))
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the one who awaits
            _tell(loop, future.set_exception, error)
        else:
            _tell(loop, future.set_result, result)

    return job


def _tell(loop: asyncio.AbstractEventLoop, how: Callable[..., None], *what: object) -> None:
    try:
        loop.call_soon_threadsafe(how, *what)
    except RuntimeError:  # the loop is closed: nobody waits any more
        log.debug("the answer of a kernel call came after the end of the event loop")


async def _settled(future: asyncio.Future[Any]) -> None:
    """Wait until the worker is done, whatever else is cancelled meanwhile: kernel calls are short."""
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError:
            continue
