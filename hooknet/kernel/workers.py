"""Threads for kernel calls, as few as will do: one that is awake does what waits, one job after the other.

The rules.
1. A job that the kernel answers at once (`put`) calls a worker only if none is on its way already: whoever comes
   takes all that is there. Jobs that come together, as renewals do, cost one wake-up and not one each.
2. A job that blocks (`put_blocking`: deleting a macvlan, 15 ms and more) calls a worker of its own.
3. What was meant to be quick may block all the same (another one holds the kernel's lock on its links). So the pool
   asks for `help` while something waits.
4. What only has to be closed some time (`put_last`) waits behind everything else. Each close blocks, so whoever takes
   one calls the next worker first.
5. The worker that slept last is called first: its memory is still warm. Those that sleep too long end.
6. A thread is born in the network namespace of the one that makes it, so each goes home before its first job. One
   that can't return from a job (`Stranded`) ends, and may not make its own successor.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from hooknet.kernel.netns import Stranded, return_home

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Worker(threading.Thread):
    """One thread. `called` is released by whoever wakes it."""

    def __init__(self, workers: Workers) -> None:
        super().__init__(name="hooknet-kernel", daemon=True)
        self.called = threading.Lock()
        self.called.acquire()
        self._workers = workers

    def run(self) -> None:
        self._workers.arrived()
        try:
            return_home()
            while (job := self._workers.next_job(self)) is not None:
                job()
        except Stranded as error:
            log.error("a worker was ended: %s", error)  # noqa: TRY400 - the trace says nothing more
            self._workers.has_ended(self)
        except BaseException:
            self._workers.has_ended(self)
            raise


class Workers:
    """The jobs that wait, and who is there to do them.

    limit: how many threads at most. idle: seconds after which one without work ends. bereft: called by one that
    ends before its time, perhaps in a foreign namespace; it must lead to `help`, in another thread.
    """

    def __init__(self, limit: int, idle: float, bereft: Callable[[], None]) -> None:
        self._limit = limit
        self._idle_for = idle
        self._bereft = bereft
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._last: deque[Job] = deque()
        self._threads: set[Worker] = set()
        self._idle: list[Worker] = []
        self._coming = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many threads there are now."""
        return len(self._threads)

    def put(self, job: Job) -> bool:
        """Rule 1. False when the workers are closed; RuntimeError when there is none and none can be made."""
        return self._add(job, needs_its_own=False)

    def put_blocking(self, job: Job) -> bool:
        """Rule 2. False and RuntimeError as for `put`."""
        return self._add(job, needs_its_own=True)

    def put_last(self, job: Job) -> bool:
        """Rule 4. False when the workers are closed. Where no worker can be made it waits for the next one."""
        with self._lock:
            if not self._closed:
                self._last.append(job)
                if not self._coming:
                    self._call()
            return not self._closed

    def needs_help(self) -> bool:
        """Whether more waits than workers are on their way to it."""
        return len(self._jobs) > self._coming

    def help(self) -> bool:
        """Call one more worker if anything waits. Whether that may have to be done again."""
        with self._lock:
            return bool(self._jobs or self._last) and self._call()

    def close(self, timeout: float) -> None:
        """Finish what waits and end every thread; waits up to `timeout` seconds for each."""
        with self._lock:
            self._closed = True
            threads = tuple(self._threads)
            while self._idle:
                self._wake(self._idle.pop())
        for thread in threads:
            thread.join(timeout)

    # for the workers

    def next_job(self, worker: Worker) -> Job | None:
        """Wait for a job. None when there was none for too long, or it is over."""
        while True:
            with self._lock:
                if (job := self._take()) is not None:
                    return job
                if self._closed:
                    self._threads.discard(worker)
                    return None
                self._idle.append(worker)
            if not self._was_called(worker):
                return None
            self.arrived()

    def arrived(self) -> None:
        """One that was called, or made, is here: what comes now calls another."""
        with self._lock:
            self._coming -= 1

    def has_ended(self, worker: Worker) -> None:
        """Not by itself: stranded, or by an error of ours. Somebody else has to see to what waits."""
        with self._lock:
            self._threads.discard(worker)
        self._bereft()

    def _add(self, job: Job, *, needs_its_own: bool) -> bool:
        with self._lock:
            if self._closed:
                return False
            self._jobs.append(job)
            if (needs_its_own or not self._coming) and not self._call() and not self._threads:
                self._jobs.pop()  # else it would run when its caller has long given up
                raise RuntimeError("no thread can be made for a kernel call")
            return True

    def _was_called(self, worker: Worker) -> bool:
        """Sleep. False when nobody called for too long: the worker is none of ours any more."""
        if worker.called.acquire(timeout=self._idle_for):
            return True
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                self._threads.discard(worker)
                return False
        return worker.called.acquire()  # it was called in the very moment

    def _take(self) -> Job | None:
        if self._jobs:
            return self._jobs.popleft()
        if not self._last:
            return None
        job = self._last.popleft()
        if self._last and not self._closed:
            self._call()
        return job

    def _call(self) -> bool:
        """Wake a worker, or make one. False when all there may be are at work, or no more can be made."""
        if self._idle:
            self._wake(self._idle.pop())
            return True
        if len(self._threads) >= self._limit:
            return False
        worker = Worker(self)
        self._threads.add(worker)
        self._coming += 1
        try:
            worker.start()
        except RuntimeError as error:
            self._threads.discard(worker)
            self._coming -= 1
            log.warning("no worker could be made: %s", error)
            return False
        return True

    def _wake(self, worker: Worker) -> None:
        self._coming += 1
        worker.called.release()
