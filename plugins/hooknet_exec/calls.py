"""One hook's call: the programs of its folder, one after the other, and what becomes of their exit codes.

0 is success; 75 (EX_TEMPFAIL of sysexits.h) asks an observer to be called again; everything else is a failure. An
observer's call runs every program whatever the others do, and is delivered again when one did not succeed; those
that did are not run again then (unless the daemon was restarted between). `pre_lease` is a fold as between plugins:
each program gets the request as the one before it left it, and the first failure ends the call.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hooknet
from hooknet_exec import answer, words
from hooknet_exec.programs import Trust, UntrustedError
from hooknet_exec.runner import Outcome, run

EX_TEMPFAIL = 75
REMEMBERED = 1000

Delivery = tuple[Any, ...]


class ProgramError(Exception):
    """A program failed, or can't be run."""


@dataclass(slots=True)
class Progress:
    """Which programs of an unfinished delivery have succeeded. Bounded, thread-safe."""

    _done: OrderedDict[Delivery, set[Path]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def succeeded(self, delivery: Delivery, program: Path) -> None:
        with self._lock:
            self._done.setdefault(delivery, set()).add(program)
            while len(self._done) > REMEMBERED:
                self._done.popitem(last=False)

    def has_succeeded(self, delivery: Delivery, program: Path) -> bool:
        with self._lock:
            return program in self._done.get(delivery, ())

    def finished(self, delivery: Delivery) -> None:
        with self._lock:
            self._done.pop(delivery, None)


class Calls:
    """Runs the programs below `directory`. Thread-safe. timeouts: seconds for all programs of one call."""

    def __init__(
        self, directory: Path, timeouts: Mapping[str, float], log: logging.Logger, trust: Trust | None = None
    ) -> None:
        self._directory = directory
        self._timeouts = timeouts
        self._log = log
        self._trust = trust or Trust()
        self._progress = Progress()
        self._told: set[str] = set()

    def fold(self, arguments: Mapping[str, Any]) -> hooknet.LeaseRequest:
        """`pre_lease`: the request after every program. Raises Refused, ProgramError."""
        request: hooknet.LeaseRequest = arguments["request"]
        deadline = self._deadline("pre_lease")
        for program in self._programs("pre_lease", strict=True):
            outcome = self._run(program, "pre_lease", {**arguments, "request": request}, deadline)
            if outcome.code != 0:
                raise ProgramError(why(program, outcome))
            try:
                request = answer.apply(outcome.stdout, request)
            except ValueError as error:
                raise ProgramError(f"{program}: {error}") from error
        return request

    def observe(self, hook: str, arguments: Mapping[str, Any], delivery: Delivery = ()) -> None:
        """The other hooks. Raises Retry when a program asks for it, else ProgramError when one failed."""
        deadline = self._deadline(hook)
        outcomes = {
            program: self._run(program, hook, arguments, deadline)
            for program in self._programs(hook, strict=False)
            if not self._progress.has_succeeded((hook, *delivery), program)
        }
        for program, outcome in outcomes.items():
            if outcome.code == 0 and delivery:
                self._progress.succeeded((hook, *delivery), program)
        self._judge({program: one for program, one in outcomes.items() if one.code != 0})
        self._progress.finished((hook, *delivery))

    @staticmethod
    def _judge(failures: Mapping[Path, Outcome]) -> None:
        texts = [why(program, outcome) for program, outcome in failures.items()]
        if any(outcome.code == EX_TEMPFAIL for outcome in failures.values()):
            raise hooknet.Retry("; ".join(texts))
        if texts:
            raise ProgramError("; ".join(texts))

    def _programs(self, hook: str, *, strict: bool) -> tuple[Path, ...]:
        """What to run. What may not be run is an error of `pre_lease`, and said once for the observers."""
        try:
            found = self._trust.programs(self._directory / f"{hook}.d")
        except (UntrustedError, OSError) as error:
            raise ProgramError(f"nothing of {self._directory} is run for {hook}: {error}") from error
        if strict and found.refused:
            raise ProgramError("; ".join(found.refused))
        for text in found.refused:
            if text not in self._told:
                self._told.add(text)
                self._log.error("not run: %s", text)
        return found.programs

    def _run(self, program: Path, hook: str, arguments: Mapping[str, Any], deadline: float) -> Outcome:
        left = deadline - time.monotonic()
        if left <= 0:
            return Outcome(code=None, problem="no time was left for it")
        outcome = run(program, words.document(hook, arguments), words.environment(hook, arguments), left)
        for line in outcome.stderr:
            self._log.info("%s: %s", program.name, line)
        return outcome

    def _deadline(self, hook: str) -> float:
        return time.monotonic() + self._timeouts[hook]


def why(program: Path, outcome: Outcome) -> str:
    problem = outcome.problem or f"exit {outcome.code}"
    return f"{program}: {problem}" + (f": {outcome.stderr[-1]}" if outcome.stderr else "")
