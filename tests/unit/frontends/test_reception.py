"""Callers are let in, as many as come, and shown out at a stop."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from hooknet.frontends import reception
from hooknet.frontends.reception import Reception


@pytest.fixture
def listening(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "door.sock"))
        listening.listen(100)
        yield listening


def call(listening) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.connect(listening.getsockname())
    return line


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is no event of ours
            await asyncio.sleep(0.001)


def test_all_that_wait_are_let_in(listening) -> None:
    served = []

    async def serve(line) -> None:
        with line:
            served.append(line.gettimeout())

    async def open_the_door() -> None:
        callers = [call(listening) for _ in range(100)]
        door = Reception(serve)
        door.open(listening)
        await until(lambda: len(served) == 100)
        await door.close(5)
        for caller in callers:
            caller.close()

    asyncio.run(open_the_door())
    assert set(served) == {0.0}


def test_a_stop_lets_calls_end_for_a_while_and_cancels_the_rest(listening) -> None:
    ended = []

    async def serve(line) -> None:
        with line:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

    async def stop() -> int:
        door = Reception(serve)
        door.open(listening)
        with call(listening):
            await until(lambda: door.busy)
            await door.close(0.01)
            with call(listening):
                await asyncio.sleep(0.05)
                listening.accept()[0].close()  # raises, if it was let in all the same
            return door.busy

    assert asyncio.run(stop()) == 0
    assert ended == ["cancelled"]


class WithoutDescriptors(socket.socket):
    """A listening socket on a machine that has no descriptor left, for one caller."""

    failing = True

    def accept(self):
        if self.failing:
            self.failing = False
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_without_a_free_descriptor_the_caller_waits_and_is_let_in_later(
    tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(reception, "PAUSE", 0.01)
    served = []

    async def serve(line) -> None:
        with line:
            served.append(1)

    async def open_the_door(listening) -> None:
        door = Reception(serve)
        door.open(listening)
        with call(listening):
            await until(lambda: served)
        await door.close(5)

    with WithoutDescriptors(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "door.sock"))
        listening.listen(1)
        asyncio.run(open_the_door(listening))
    assert "can't accept a caller" in caplog.text
