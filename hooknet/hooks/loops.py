"""The plugin loop: an event loop in a daemon thread, where the coroutines of one plugin run.

Each plugin has its own, made at its first coroutine, so that the blame for a blocked loop is never in doubt
and no other plugin waits. A coroutine that blocks can't be interrupted: its loop is abandoned (told to stop
as soon as it can hear it, its jobs failed now) and the next call gets a new one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from hooknet.hooks.jobs import Job, LoopGoneError
from hooknet.hooks.workers import LoopExecutor, Workers

log = logging.getLogger(__name__)


class PluginLoop:
    """One thread, one loop. `ended` is set when the thread has run its last line of plugin code."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(LoopExecutor(Workers(f"{name}-executor", threads)))
        self._loop.set_exception_handler(self._complaint)
        self._lock = threading.Lock()
        self._jobs: set[Job] = set()
        self._gone = False
        self.ended: Future[None] = Future()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._gone

    def submit(self, job: Job) -> None:
        """Run the coroutine that `job.make` makes. Raises LoopGoneError when this loop has ended."""
        with self._lock:
            if self._gone:
                raise LoopGoneError("the plugin's event loop has ended")
            self._jobs.add(job)
        self._loop.call_soon_threadsafe(self._start, job)

    def abandon(self, why: str) -> None:
        """Fail what waits, and let the thread end as soon as the plugin lets go of it."""
        with self._lock:
            self._gone = True
            jobs = list(self._jobs)
        for job in jobs:
            job.fail(LoopGoneError(why))
        with suppress(RuntimeError):  # it has closed itself already
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _start(self, job: Job) -> None:
        if not job.begin():
            self._finish(job)
            return
        task = self._loop.create_task(self._carry_out(job), name=self._name)

        def interrupt() -> None:
            with suppress(RuntimeError):  # the loop has closed itself already
                self._loop.call_soon_threadsafe(task.cancel)

        job.interrupt = interrupt
        if job.aborted:
            task.cancel()

    async def _carry_out(self, job: Job) -> None:
        try:
            job.succeed(await job.make())
        except BaseException as error:  # noqa: BLE001 - SystemExit would end the loop for other calls
            job.fail(error)
        finally:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)
        job.end()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        except BaseException as error:  # noqa: BLE001 - a task of the plugin's own raised SystemExit
            log.warning("%s: its event loop ended: %s: %s", self._name, type(error).__name__, error)
        self.abandon("the plugin's event loop has ended")
        self._unwind()
        for job in list(self._jobs):
            job.end()
        self._loop.close()
        self.ended.set_result(None)

    def _unwind(self) -> None:
        """Close what was left half-way here: the garbage collector would run its `finally` on any thread."""
        for task in asyncio.all_tasks(self._loop):
            coroutine = task.get_coro()
            try:
                if coroutine is not None:
                    coroutine.close()
            except BaseException as error:  # noqa: BLE001 - the plugin's own `finally`
                log.debug("%s: while unwinding: %s: %s", self._name, type(error).__name__, error)

    def _complaint(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        if not self._gone:  # tasks that an abandoned loop leaves behind are no news
            log.warning("%s: %s", self._name, context.get("message"), exc_info=context.get("exception"))
