"""Programs of the lab: run one to its end, or keep one in the background with its output in a log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT = 60.0
"""Seconds after which a command of a test has hung."""


def run(
    command: Sequence[str | Path],
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = TIMEOUT,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. With `check`, raises AssertionError with all that it said when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    said = f"{' '.join(str(word) for word in command)}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
    assert not check or done.returncode == 0, said
    return done


class Log:
    """What a program has said so far. `mark()` makes all of it the past, for `new()` and `wait_for`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.past = 0

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""

    def mark(self) -> None:
        self.past = len(self.text())

    def new(self) -> str:
        return self.text()[self.past :]

    def wait_for(self, pattern: str, *, within: float = 5.0) -> re.Match[str]:
        """The first match of the regular expression since the last `mark()`."""
        return eventually(
            lambda: re.search(pattern, self.new(), re.MULTILINE),
            within=within,
            what=f"{pattern!r} in {self.path.name}",
        )


class Program:
    """A program in the background: its own session, its output in a log, ended for sure."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        inherit: Sequence[int] = (),
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = Log(log)
        self.env = {**os.environ, **(env or {})}
        self.inherit = inherit
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert not self.alive, f"{self.command[0]} runs already"
        with self.log.path.open("ab") as output:
            self.running = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.env,
                start_new_session=True,
                pass_fds=self.inherit,
            )

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    @property
    def pid(self) -> int:
        assert self.running is not None, f"{self.command[0]} was never started"
        return self.running.pid

    def wait_for(self, pattern: str, *, within: float = 5.0) -> re.Match[str]:
        """Like the log's, but fails at once when the program has ended without saying it."""

        def seen() -> re.Match[str] | None:
            ended = not self.alive
            found = re.search(pattern, self.log.new(), re.MULTILINE)
            if ended and not found:
                raise RuntimeError(f"{' '.join(self.command)} ended:\n{self.log.text()}")
            return found

        return eventually(seen, within=within, what=f"{pattern!r} in {self.log.path.name}")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, *, within: float = 10.0) -> int:
        """Wait for its end; returns the exit code (negative: the signal that killed it)."""
        assert self.running is not None
        return self.running.wait(within)

    def stop(self, *, within: float = 10.0) -> int:
        """Ask it to end, insist at the deadline. Returns the exit code; harmless when it has ended."""
        if self.running is None:
            return 0
        if self.alive:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(within=within)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, as a crash would: nothing of it gets to run."""
        if self.alive:
            self.signal(signal.SIGKILL)
        return self.wait()
