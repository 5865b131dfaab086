"""One program, run to its end under its supervisor, with bounds on its time and on what it says."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hooknet_exec.answer import printable

SUPERVISOR = Path(__file__).with_name("supervisor.py")
OUTPUT_MOST = 64 * 1024
LINES_MOST = 20
GRACE = 5.0
"""Seconds beyond the program's own that its supervisor has for killing what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended. code: None when it did not end by itself; problem: why it did not, in words."""

    code: int | None
    stdout: bytes = b""
    stderr: tuple[str, ...] = ()
    problem: str = ""


def run(program: Path, document: bytes, environment: Mapping[str, str], seconds: float) -> Outcome:
    """Run `program` with `document` on stdin; after `seconds` it is killed. Nothing of it outlives the call.

    Raises OSError when no process can be made.
    """
    ours, theirs = socket.socketpair()
    with ours, os.fdopen(os.memfd_create("hooknet-exec"), "w+b") as stdin:
        with theirs:
            stdin.write(document)
            stdin.seek(0)
            process = subprocess.Popen(  # noqa: S603 - no shell; `program` was checked by programs.py
                [sys.executable, "-IS", str(SUPERVISOR), str(theirs.fileno()), str(seconds), str(program)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd="/",
                umask=0o022,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        with process:
            said = listen(process, ours, time.monotonic() + seconds + GRACE)
            ours.close()  # tells a supervisor that still runs that nobody waits
            finish(process)
    return outcome(seconds, *said)


def listen(
    process: subprocess.Popen[bytes], control: socket.socket, until: float
) -> tuple[bytes, bytes, bytes]:
    """stdout, stderr and the supervisor's word, until all three are closed; what is too much is dropped."""
    assert process.stdout is not None
    assert process.stderr is not None
    channels = (process.stdout.fileno(), process.stderr.fileno(), control.fileno())
    heard = {channel: bytearray() for channel in channels}
    with selectors.DefaultSelector() as selector:
        for channel in channels:
            selector.register(channel, selectors.EVENT_READ)
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                data = os.read(key.fd, OUTPUT_MOST)
                heard[key.fd] += data[: OUTPUT_MOST - len(heard[key.fd])]
                if not data:
                    selector.unregister(key.fd)
    out, err, word = (bytes(heard[channel]) for channel in channels)
    return out, err, word


def finish(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def outcome(seconds: float, out: bytes, err: bytes, word: bytes) -> Outcome:
    lines = tuple(filter(None, map(printable, err.decode(errors="replace").splitlines()[:LINES_MOST])))
    kind, _, number = word.decode(errors="replace").strip().partition(" ")
    match kind:
        case "exit":
            return Outcome(code=int(number), stdout=out, stderr=lines)
        case "signal":
            problem = f"killed by {signal.Signals(int(number)).name}"
        case "timeout":
            problem = f"killed with its children after {round(seconds, 1):g} s"
        case "failed":
            problem = f"it can't be run: {os.strerror(int(number))}"
        case _:
            problem = "its supervisor did not say how it ended"
    return Outcome(code=None, stdout=out, stderr=lines, problem=problem)
