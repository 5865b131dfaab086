"""Running another program to its end: bounded in time and in output, and killed with everything it started.

Plain pipes and a pidfd. asyncio's own subprocesses take a program for running as long as anybody holds its pipes, and
stop reading a pipe that is full; here the program has ended when it has ended. It stays a zombie until its whole
process group was killed, so that the group's number can't belong to anybody else by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hooknet.lifecycle.to_the_end import to_the_end

CHUNK = 65536
LAST_WORDS = 2.0


class TooMuch(Exception):  # noqa: N818 - it names what the program did
    """The program said more than it may."""


@dataclass(frozen=True, slots=True)
class Finished:
    """exit_code: negative for a signal."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Output:
    """What comes out of one pipe, up to `most` bytes; then `full` is set and nothing more is read."""

    def __init__(self, pipe: IO[bytes], most: int) -> None:
        self._fd = pipe.fileno()
        self._most = most
        self._loop = asyncio.get_running_loop()
        self.said = bytearray()
        self.full = asyncio.Event()
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self.take)

    def take(self) -> bool:
        """Read what is there now. False when there is no more."""
        try:
            part = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return False
        self.said += part
        if len(self.said) > self._most:
            self.full.set()
        if not part or self.full.is_set():
            self.stop()
            return False
        return True

    def stop(self) -> None:
        self._loop.remove_reader(self._fd)


async def execute(
    program: Path, env: Mapping[str, str], stdin: bytes, deadline: float, most: int
) -> Finished:
    """Run `program` with exactly `env`, in /, in a session of its own.

    deadline: seconds. most: bytes of stdout, and of stderr. Raises OSError (it can't be run), TimeoutError, TooMuch.
    When it is cancelled, the program is killed.
    """
    with given(stdin) as document:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - it returns once the program runs; no shell, and root chose it
            [program],
            stdin=document,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )
    with process.stdout as out, process.stderr as err:  # type: ignore[union-attr]  # both are pipes
        outputs = Output(out, most), Output(err, most)
        try:
            await finish(process, outputs, deadline)
        finally:
            await to_the_end(end(process))
            for output in outputs:
                output.stop()
        return Finished(process.returncode, bytes(outputs[0].said), bytes(outputs[1].said))


@contextlib.contextmanager
def given(stdin: bytes) -> Iterator[int]:
    """Standard input as a file in memory: nobody has to feed it, and it is there whole."""
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(stdin)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


async def finish(process: subprocess.Popen[bytes], outputs: tuple[Output, Output], deadline: float) -> None:
    """Wait for the end, and take the last words. Raises TimeoutError and TooMuch."""
    exited = asyncio.ensure_future(has_exited(process))
    full = [asyncio.ensure_future(output.full.wait()) for output in outputs]
    try:
        async with asyncio.timeout(deadline):
            await asyncio.wait({exited, *full}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in (exited, *full):
            waiting.cancel()
        await asyncio.wait({exited, *full})
    for output in outputs:
        while not output.full.is_set() and output.take():
            pass
    if any(output.full.is_set() for output in outputs):
        raise TooMuch


async def has_exited(process: subprocess.Popen[bytes]) -> None:
    """The program has ended; it is still to be collected."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    pidfd = os.pidfd_open(process.pid)
    try:
        loop.add_reader(pidfd, over.set)
        await over.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


async def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's whole group and collect it. One that not even that ends is left to the kernel."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await has_exited(process)
    process.poll()
