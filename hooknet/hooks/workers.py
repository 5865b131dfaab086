"""Worker threads for plain functions: daemon threads, so that a hung plugin can't hold up the daemon's exit.

At most `cap` threads, made on demand and gone after a minute without work. A thread whose job overran is counted as
stuck until it returns; when all are stuck, further calls are refused at once instead of waiting for nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from hooknet.hooks.jobs import Job, SaturatedError

IDLE_SECONDS = 60.0


class Workers:
    """The threads of one plugin for one purpose."""

    def __init__(self, name: str, cap: int, idle: float = IDLE_SECONDS) -> None:
        self._name = name
        self._cap = cap
        self._idle_seconds = idle
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._stuck = 0
        self._closed = False

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def stuck(self) -> int:
        return self._stuck

    def submit(self, job: Job) -> None:
        """Run `job` as soon as a thread is free. Raises SaturatedError when all of them hang."""
        with self._changed:
            if self._stuck >= self._cap:
                raise SaturatedError(f"all {self._cap} threads hang in earlier calls")
            self._jobs.append(job)
            if len(self._jobs) > self._idle and self._threads < self._cap:
                self._threads += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            else:
                self._changed.notify()

    def overran(self, job: Job) -> None:
        """Nobody waits for `job` any more. Its thread counts as stuck until it returns."""
        job.abort()
        if not job.started:
            return
        with self._changed:
            self._stuck += 1
        job.ended.add_done_callback(lambda _: self._freed())

    def close(self) -> None:
        """Let idle threads end. Those that hang end with the process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _freed(self) -> None:
        with self._changed:
            self._stuck -= 1

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if job.begin():
                try:
                    job.succeed(job.make())
                except BaseException as error:  # noqa: BLE001 - SystemExit must not end our thread
                    job.fail(error)
            job.end()

    def _next(self) -> Job | None:
        with self._changed:
            self._idle += 1
            while not self._jobs and not self._closed:
                if not self._changed.wait(self._idle_seconds) and not self._jobs:
                    break
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._threads -= 1
            return None


class LoopExecutor(ThreadPoolExecutor):
    """What `asyncio.to_thread` and name resolution use on a plugin's loop: the same capped daemon threads.

    The standard executor joins its threads when the interpreter exits, so one that hangs would hold up the daemon.
    """

    def __init__(self, workers: Workers) -> None:
        super().__init__(max_workers=1)  # it never starts a thread of its own
        self._plugin_workers = workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job = Job(partial(fn, *args, **kwargs))
        self._plugin_workers.submit(job)
        return job.answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Let idle threads end; never waits."""
        self._plugin_workers.close()
