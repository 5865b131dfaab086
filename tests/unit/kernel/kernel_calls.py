"""What the tests of kernel calls have in common."""

from __future__ import annotations

import asyncio
import threading

HOME, FOREIGN = 0, 4711
"""Network namespaces that are only numbers: see `place` in conftest.py."""


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


class Thing:
    """What a call has opened, and whether it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()
