"""Who calls is let in, and shown out when the daemon stops: the same at each socket that runtimes dial.

A listening socket is registered with the event loop once, not once for each caller, and all that wait behind it are
let in together. Listening sockets are handed in, may be several, and are never closed or unlinked here: they may be
systemd's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Callers let in before others on the event loop have their turn."""
PAUSE = 0.2
"""Seconds between two tries when no descriptor is free: the backlog holds the callers meanwhile."""


class Reception:
    """Runs `serve` for each caller, in a task of its own. `serve` owns the connection, which doesn't block."""

    def __init__(self, serve: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._listening: set[socket.socket] = set()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        """How many callers are being served."""
        return len(self._serving)

    def open(self, listening: socket.socket) -> None:
        """Let in who calls at `listening` (bound, listening), from now on. Needs a running event loop."""
        listening.settimeout(0)
        self._listening.add(listening)
        self._watch(listening)

    async def close(self, patience: float) -> None:
        """Let nobody in any more, let running calls end for `patience` seconds, then cancel them."""
        for listening in self._listening:
            asyncio.get_running_loop().remove_reader(listening)
        self._listening.clear()
        if self._serving:
            _, late = await asyncio.wait(self._serving, timeout=patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _watch(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                line, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("can't accept a caller: %s", error)
                loop.remove_reader(listening)
                loop.call_later(PAUSE, self._watch, listening)
                return
            line.settimeout(0)
            task = loop.create_task(self._serve(line))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
