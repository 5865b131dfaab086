"""Runs one program and sees to it that nothing of it is left: `supervisor.py CONTROL SECONDS PROGRAM`.

It is a process of its own because only a process can have itself given the orphans below it
(PR_SET_CHILD_SUBREAPER, prctl(2)): a child that left the program's process group and session, and whose parent has
ended, becomes a child of this process and not of init, and is found. When the program has ended, when its time is up,
or when the daemon is gone (the control socket is closed), everything that is left is killed, generation by
generation. A process group alone would miss whatever called setsid(2).

CONTROL is a descriptor: a socket on which one line says how it went: `exit CODE`, `signal NUMBER`, `timeout 0`,
`failed ERRNO` (it could not be started). stdin, stdout, stderr and the environment are the program's own. It is
run by `python -IS`: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36
SWEEP = 3.0
"""Seconds until what can't be killed (it waits in the kernel) is left to init."""


DEFAULTS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""What is ignored is inherited: SIGPIPE by Python, SIGINT and SIGQUIT by a shell for what it runs with `&`."""


def main(control: socket.socket, seconds: float, program: str) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        tell(control, "failed", ctypes.get_errno())
        return
    try:
        child = os.posix_spawn(
            program,
            [program],
            os.environ,
            setsid=True,
            setsigmask=[],
            setsigdef=DEFAULTS,
        )
    except OSError as error:
        tell(control, "failed", error.errno or 0)
        return
    ended = wait_for(child, control, seconds)
    os.killpg(child, signal.SIGKILL)  # the child is not reaped yet, so the number is still its own
    status = os.waitpid(child, 0)[1]
    sweep()
    if not ended:
        tell(control, "timeout", 0)
    elif os.WIFSIGNALED(status):
        tell(control, "signal", os.WTERMSIG(status))
    else:
        tell(control, "exit", os.WEXITSTATUS(status))


def wait_for(child: int, control: socket.socket, seconds: float) -> bool:
    """Whether the child ended before its time was up, and before the daemon lost interest."""
    watched = os.pidfd_open(child)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.register(control, select.POLLIN)
    happened = dict(poll.poll(seconds * 1000))
    os.close(watched)
    return watched in happened


def sweep() -> None:
    """Kill what is left below this process until there is nothing."""
    give_up = time.monotonic() + SWEEP
    while time.monotonic() < give_up:
        for pid in children():
            os.kill(
                pid, signal.SIGKILL
            )  # never somebody else's: a child's number is not reused before it is reaped
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def children() -> Iterator[int]:
    try:
        with open("/proc/thread-self/children", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs start-up time
            text = file.read()
    except OSError:
        text = " ".join(pid for pid in os.listdir("/proc") if pid.isdigit() and parent_of(pid) == os.getpid())  # noqa: PTH208
    yield from map(int, text.split())


def parent_of(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def tell(control: socket.socket, word: str, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        control.send(f"{word} {number}\n".encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        os.set_inheritable(asked.fileno(), False)  # noqa: FBT003 - it takes no keyword
        main(asked, float(sys.argv[2]), sys.argv[3])
