"""Where the code of one plugin runs: never on the daemon's own event loop.

Coroutines run on the plugin's loop, plain functions in worker threads. `pre_lease` has threads of its own, so
that an observer that waits for a slow server never delays an ADD. A call that overruns its time is given up
at once; what becomes of its thread or loop is looked after in the background.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum, unique
from functools import partial
from typing import Any

from hooknet.hooks.jobs import Job, LoopGoneError, OverrunError, SaturatedError, arrival
from hooknet.hooks.limits import Limits
from hooknet.hooks.loops import PluginLoop
from hooknet.hooks.workers import Workers


@unique
class Lane(Enum):
    """What a worker thread is for."""

    GATE = "gate"
    OBSERVE = "observe"


class PluginThreads:
    """The threads and the loop of one plugin."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = f"plugin-{name}"
        self._limits = limits
        self._workers = {lane: Workers(f"{self._name}-{lane.value}", limits.threads) for lane in Lane}
        self._loop: PluginLoop | None = None
        self._abandoned: list[PluginLoop] = []
        self._background: set[asyncio.Task[None]] = set()

    async def call(
        self, function: Callable[..., Any], arguments: Mapping[str, Any], *, lane: Lane, budget: float
    ) -> Any:
        """Call `function` and wait `budget` seconds for its answer.

        Raises whatever the plugin raises; OverrunError when the time is up; SaturatedError when the plugin
        holds all that it may hold; LoopGoneError when its event loop was abandoned under the call.
        """
        deadline = asyncio.get_running_loop().time() + budget
        if inspect.iscoroutinefunction(function):
            return await self._on_loop(lambda: function(**arguments), deadline)
        result = await self._in_thread(lambda: function(**arguments), lane, deadline)
        if inspect.isawaitable(result):  # an async function behind a plain decorator
            return await self._on_loop(lambda: result, deadline)
        return result

    @property
    def abandoned(self) -> int:
        """Loops that were given up and whose threads still run."""
        self._abandoned = [loop for loop in self._abandoned if not loop.ended.done()]
        return len(self._abandoned)

    def close(self) -> None:
        """Let threads and loop end. Nothing is waited for."""
        for workers in self._workers.values():
            workers.close()
        if self._loop is not None:
            self._loop.abandon("the plugin was stopped")
            self._loop = None
        for task in self._background:
            task.cancel()

    async def _in_thread(self, make: Callable[[], Any], lane: Lane, deadline: float) -> Any:
        workers = self._workers[lane]
        job = Job(make)
        workers.submit(job)
        try:
            return await self._wait(job, deadline)
        except (OverrunError, asyncio.CancelledError):
            workers.overran(job)
            raise

    async def _on_loop(self, make: Callable[[], Any], deadline: float) -> Any:
        job = Job(make)
        loop = self._current_loop()
        try:
            loop.submit(job)
            return await self._wait(job, deadline)
        except (OverrunError, asyncio.CancelledError):
            job.abort()
            self._watch(self._end_or_abandon(job, loop))
            raise
        except LoopGoneError as gone:
            if job.started:
                error = LoopGoneError(str(gone))
                error.job = job
                raise error from gone
        return await self._on_loop(make, deadline)  # it never ran: another loop is as good

    async def _wait(self, job: Job, deadline: float) -> Any:
        left = deadline - asyncio.get_running_loop().time()
        arrived = arrival(job.answer)
        await asyncio.wait({arrived}, timeout=max(left, 0))
        if not job.answer.done():
            raise OverrunError("still running" if job.started else "waited for a thread", job)
        return job.answer.result()

    def _current_loop(self) -> PluginLoop:
        if self._loop is None or not self._loop.alive:
            if self.abandoned >= self._limits.loops:
                raise SaturatedError(f"{self._limits.loops} event loops hang in earlier calls")
            self._loop = PluginLoop(self._name, self._limits.threads)
        return self._loop

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _end_or_abandon(self, job: Job, loop: PluginLoop) -> None:
        """A loop that does not answer is blocked; a coroutine that does not end ignores its cancellation."""
        pulse = Job(partial(asyncio.sleep, 0))
        try:
            loop.submit(pulse)
        except LoopGoneError:
            return
        await asyncio.wait({arrival(job.ended), arrival(pulse.ended)}, timeout=self._limits.heartbeat)
        if loop.alive and not (job.ended.done() and pulse.ended.done()):
            loop.abandon("the plugin blocked its event loop, which was replaced")
            self._abandoned.append(loop)
