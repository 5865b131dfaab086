"""Turns: one thread at a time for one attachment.

hooknet never delivers twice at once for one identity; but what hands a name over, or tidies up, works on another
attachment than the one it was called for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

Key = tuple[str, str, str]


class Turn:
    """The lock of one attachment; gone when nobody holds or awaits it."""

    __slots__ = ("__weakref__", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Turns:
    """The locks of all attachments."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: WeakValueDictionary[Key, Turn] = WeakValueDictionary()

    @contextmanager
    def wait(self, key: Key) -> Iterator[None]:
        """Alone with this attachment."""
        turn = self._turn(key)
        with turn.lock:
            yield

    @contextmanager
    def attempt(self, key: Key) -> Iterator[bool]:
        """Alone with this attachment, or not at all: False when somebody is at it. Never waits."""
        turn = self._turn(key)
        alone = turn.lock.acquire(blocking=False)
        try:
            yield alone
        finally:
            if alone:
                turn.lock.release()

    def _turn(self, key: Key) -> Turn:
        with self._guard:
            return self._turns.setdefault(key, Turn())
