"""The voice of the demo: headings as things begin, and what everyone says while they happen.

A thread follows the logs of the server, the daemon and the hooks, and prints each new line that matters beside its
speaker, at the moment it appears. Nothing that is shown is made up: every line is somebody's own.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAUSE = 0.002
BOLD, DIM, PLAIN = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


@dataclass(slots=True)
class Voice:
    """One log. `heard` finds the part of a line that is shown; lines without it are left out."""

    speaker: str
    log: Path
    heard: re.Pattern[str]
    read: int = 0


class Narrator:
    """Prints the story. `close()` when it is over."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.voices: list[Voice] = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.hushed = False
        self.now = "the beginning"
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def heading(self, text: str) -> None:
        self._listen()
        self.now = text
        self._print(f"\n{BOLD}{text}{PLAIN} {DIM}{time.monotonic() - self.began:.1f} s{PLAIN}")

    def say(self, speaker: str, text: str) -> None:
        for line in text.rstrip().splitlines():
            self._print(f"  {DIM}{speaker:>9} │{PLAIN} {line}")

    def typed(self, command: str) -> None:
        """A command, as a person would type it."""
        self._print(f"  {DIM}{'':>9} ${PLAIN} {BOLD}{command}{PLAIN}")

    def follow(self, speaker: str, log: Path, heard: str = ".+") -> None:
        """From now on, show the lines of this log in which `heard` is found, from where it is found."""
        with self.lock:
            self.voices.append(Voice(speaker, log, re.compile(heard)))

    @contextmanager
    def hush(self) -> Iterator[None]:
        """Nobody is heard for a while."""
        self._listen()
        self.hushed = True
        try:
            yield
        finally:
            with self.lock:
                for voice in self.voices:
                    new_lines(voice)
            self.hushed = False

    def close(self) -> None:
        self.over.set()
        self.thread.join()
        self._listen()

    def _follow(self) -> None:
        while not self.over.wait(PAUSE):
            if not self.hushed:
                self._listen()

    def _listen(self) -> None:
        with self.lock:
            news = [(voice.speaker, line) for voice in self.voices for line in new_lines(voice)]
        for speaker, line in news:
            self.say(speaker, line)

    def _print(self, text: str) -> None:
        print(text, flush=True)


def new_lines(voice: Voice) -> list[str]:
    """The whole lines since the last look, as far as they matter."""
    if not voice.log.exists():
        return []
    with voice.log.open("rb") as file:
        file.seek(voice.read)
        whole, newline, _half = file.read().rpartition(b"\n")
    voice.read += len(whole) + len(newline)
    found = (voice.heard.search(line) for line in whole.decode(errors="replace").splitlines())
    return [match[0] for match in found if match]
