"""A cell: one plugin with all that is its own (threads, loop, strikes, statistics) and shared with nobody.

Every call of a plugin's code after it was loaded goes through `Cell.call`, which measures it, tells the
others, and turns whatever happens into one of four outcomes: an answer, Refused, Retry, or a PluginError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hooknet.errors import HooknetError, Kind, Refused, Retry
from hooknet.hooks.folding import NonsenseError
from hooknet.hooks.jobs import Job, LoopGoneError, OverrunError, SaturatedError
from hooknet.hooks.limits import Clock, Limits
from hooknet.hooks.loading import Loaded, PluginState, explain, words_of
from hooknet.hooks.reports import PluginReport, Statistics
from hooknet.hooks.standing import Standing
from hooknet.hooks.threads import Lane, PluginThreads
from hooknet.model import Attachment

Tell = Callable[..., None]


class PluginError(HooknetError):
    """A call that failed by the plugin's doing. `job`: what still runs, where the plugin was left behind."""

    def __init__(self, plugin: str, hook: str, why: str, job: Job | None = None) -> None:
        super().__init__(
            Kind.PLUGIN,
            f"plugin {plugin!r} failed in {hook}",
            details=why,
            hint=f'see "hooknet plugins"; on_failure = "skip" in [plugins.{plugin}] goes on without it',
        )
        self.why = why
        self.job = job


@dataclass(frozen=True, slots=True)
class Implementation:
    """One function of one plugin for one hook. `takes`: the arguments that it names."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    takes: frozenset[str]

    def pick(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in arguments.items() if name in self.takes}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is being made. began: of time.perf_counter, seconds."""

    hook: str
    attachment: Attachment | None
    began: float

    def milliseconds(self) -> float:
        return (time.perf_counter() - self.began) * 1000

    def who(self) -> dict[str, str | None]:
        """What an event of the bus says of an attachment."""
        if self.attachment is None:
            return {}
        names = ("container_id", "network", "ifname")
        return {"container": self.attachment.container_name} | {n: getattr(self.attachment, n) for n in names}


class Cell:
    """One loaded plugin at work. Belongs to the daemon's event loop."""

    def __init__(self, loaded: Loaded, *, limits: Limits, clock: Clock, tell: Tell) -> None:
        self.loaded = loaded
        self.name = loaded.name
        self.note = ""
        self.statistics = Statistics()
        self.standing = Standing(limits)
        self.available = asyncio.Event()
        self.available.set()
        self._limits = limits
        self._clock = clock
        self._tell = tell
        self._threads = PluginThreads(loaded.name, limits)
        self._cooling: asyncio.Task[None] | None = None
        self._running = 0
        self._retired = False

    @property
    def strict(self) -> bool:
        """Whether an ADD fails when this plugin does."""
        return self.loaded.settings.on_failure == "fail"

    @property
    def quarantined(self) -> bool:
        return self.standing.quarantined(self._clock.now())

    async def call(
        self,
        implementation: Implementation,
        arguments: Mapping[str, Any],
        *,
        lane: Lane,
        budget: float,
        check: Callable[[Any], Any] = lambda answer: answer,
    ) -> Any:
        """The plugin's answer within `budget` seconds, checked by `check`.

        Raises Refused (`pre_lease` only), Retry (observers only) or PluginError, and nothing else.
        """
        call = Call(implementation.hook, arguments.get("attachment"), time.perf_counter())
        self._running += 1
        try:
            answer = check(
                await self._threads.call(
                    implementation.function, implementation.pick(arguments), lane=lane, budget=budget
                )
            )
        except (Refused, Retry) as asked:
            if isinstance(asked, Refused) is not (lane is Lane.GATE):
                why = f"raised {type(asked).__name__}, which is not for {call.hook}"
                raise self._failed(call, why) from asked
            self._went_well(call, asked)
            raise
        except OverrunError as overrun:
            why = f"took more than {budget:g} s ({overrun})"
            raise self._failed(call, why, overrun.job, strike=overrun.started, outcome="timeout") from overrun
        except LoopGoneError as gone:
            raise self._failed(call, str(gone), gone.job) from gone
        except (SaturatedError, NonsenseError) as error:
            raise self._failed(call, str(error)) from error
        except Exception as error:
            raise self._failed(call, explain(error)) from error
        else:
            self._went_well(call, None)
            return answer
        finally:
            self._running -= 1
            self._close_when_retired()

    def _went_well(self, call: Call, asked: Exception | None) -> None:
        """Count a call that the plugin is not to blame for."""
        milliseconds = call.milliseconds()
        self.statistics.called(milliseconds)
        self.standing.succeeded(call.hook)
        if isinstance(asked, Retry):
            self.statistics.asked_again(f"{call.hook}: asks for another try: {words_of(asked)}".rstrip(": "))
        if call.hook == "container_event":
            return  # a storm of events must not push everything else out of the history
        outcome, error = ("retry" if isinstance(asked, Retry) else "ok"), (words_of(asked) if asked else None)
        self._tell(outcome, plugin=self.name, hook=call.hook, ms=milliseconds, error=error, **call.who())

    def _failed(
        self, call: Call, why: str, job: Job | None = None, *, strike: bool = True, outcome: str = "failed"
    ) -> PluginError:
        """Count a call that failed, and the strike. Returns what to raise."""
        milliseconds = call.milliseconds()
        self.statistics.called(milliseconds)
        self.statistics.failed(f"{call.hook}: {why}")
        self._tell(outcome, plugin=self.name, hook=call.hook, ms=milliseconds, error=why, **call.who())
        seconds = self.standing.struck(call.hook, self._clock.now()) if strike else None
        if seconds is not None:
            self._quarantine(seconds)
        return PluginError(self.name, call.hook, why, job)

    def pardon(self) -> None:
        """End a quarantine now."""
        self._stop_cooling()
        self.standing.pardon()
        self.available.set()

    def retire(self) -> None:
        """Another cell takes over: what waits looks again, calls that run may end, then this one closes."""
        self._retired = True
        self.available.set()
        self._close_when_retired()

    def close(self) -> None:
        """Fail what runs, and let threads end."""
        self._stop_cooling()
        self._threads.close()
        self.available.set()

    def report(self, pending: int) -> PluginReport:
        loaded, statistics = self.loaded, self.statistics
        left = self.standing.left(self._clock.now())
        reason = (
            f"{self.standing.strikes} strikes: quarantined for another {left:.0f} s" if left else self.note
        )
        return PluginReport(
            name=self.name,
            distribution=loaded.distribution,
            version=loaded.version,
            state=PluginState.QUARANTINED if left else PluginState.ACTIVE,
            reason=reason,
            hooks=loaded.hooks,
            on_failure=loaded.settings.on_failure,
            calls=statistics.calls,
            failures=statistics.failures,
            strikes=self.standing.strikes,
            p50_ms=statistics.percentile(0.5),
            p95_ms=statistics.percentile(0.95),
            last_error=statistics.complaint(pending),
            pending=pending,
            dropped=statistics.dropped,
            quarantine_s=left,
        )

    def _close_when_retired(self) -> None:
        if self._retired and not self._running:
            self.close()

    def _quarantine(self, seconds: float) -> None:
        self.available.clear()
        self._stop_cooling()
        self._cooling = asyncio.get_running_loop().create_task(self._cool_off(seconds))
        self._tell("quarantined", plugin=self.name, error=self.statistics.last_error, seconds=seconds)

    async def _cool_off(self, seconds: float) -> None:
        while self.quarantined:
            await self._clock.sleep(min(seconds, self.standing.left(self._clock.now())))
        self.available.set()
        self._tell("enabled", plugin=self.name, hint="its cool-off is over")

    def _stop_cooling(self) -> None:
        if self._cooling is not None:
            self._cooling.cancel()
            self._cooling = None
