"""Trouble, said once: a server that is down for a day is one warning in the log, and one line when it is back."""

from __future__ import annotations

import logging
import threading

MOST = 1000


class Complaints:
    """What was said last, by subject (a zone, a name). Bounded: the oldest subject is forgotten."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def say(self, subject: str, text: str, level: int = logging.WARNING) -> None:
        """Log `text`, unless it is what was said last of the subject."""
        with self._lock:
            if self._said.pop(subject, None) == text:
                level = logging.DEBUG
            self._said[subject] = text
            if len(self._said) > MOST:
                self._said.pop(next(iter(self._said)))
        self._log.log(level, "%s", text)

    def fine(self, subject: str) -> None:
        """The subject's trouble is over."""
        with self._lock:
            over = self._said.pop(subject, None)
        if over is not None:
            self._log.info("%s: all is well again", subject)
