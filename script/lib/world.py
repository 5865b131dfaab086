"""A throw-away world for one command.

The command gets its own mounts, processes, IPC, network and `/run`: network namespaces, podman's locks,
sockets and processes that it makes are invisible to the machine, two worlds never meet, and when the world
ends, however it ends, nothing of it is left. It can't reach the machine's network at all: a world has `lo`
and what it builds.

    script/world CMD…                 run CMD in a world that ends with it
    script/world --keep FILE CMD…     keep the world when CMD succeeds; FILE remembers it
    script/world --enter FILE CMD…    run CMD in a world that was kept
    script/world --end FILE           end it

Three rules make it safe. The mount tree is made private before anything is mounted, because unmounting in a
tree that is shared with the machine's `/run/netns` would remove every network namespace's name there. The
first process of the world dies with the process that made it (PR_SET_PDEATHSIG), and with it, by the
kernel's own rule for PID namespaces, all others. Everything volatile lies on tmpfs that only this world
sees.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8
MS_PRIVATE_ALL = 0x4000 | (1 << 18)
PR_SET_PDEATHSIG = 1

PRIVATE = ("/run", "/dev/shm", "/var/lib/cni")  # noqa: S108 - nothing is created there, it is covered
"""What a world has for itself: names of network namespaces, sockets, podman's locks, host-local's leases."""

MARK = "HOOKNET_WORLD"
"""In the environment of everything inside a world: its name, which is also that of its control groups."""

libc = ctypes.CDLL(None, use_errno=True)


def must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(kind: str, target: str, flags: int = 0) -> None:
    source = None if kind == "none" else kind.encode()
    filesystem = None if kind == "none" else kind.encode()
    must(libc.mount(source, target.encode(), filesystem, ctypes.c_ulong(flags), None), f"mount {target}")


def separate() -> None:
    """Leave the machine's mounts, IPC and network; the next child also leaves its processes."""
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET), "unshare")
    mount("none", "/", MS_PRIVATE_ALL)
    for folder in PRIVATE:
        if Path(folder).is_dir():
            mount("tmpfs", folder)
    for folder in ("/run/netns", "/run/lock"):
        Path(folder).mkdir(parents=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Last, because the first child from here on is PID 1 of the world, and the world ends with it.
    must(libc.unshare(CLONE_NEWPID), "unshare")


def first_process(command: Sequence[str], name: str, tell: int, *, keep: bool) -> NoReturn:
    """Be PID 1: run the command, tell its exit code, reap orphans; stay when the world is to be kept."""
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    must(libc.unshare(CLONE_NEWNS), "unshare")  # the parent keeps the machine's /proc, to see us in
    mount("proc", "/proc", MS_NOSUID_NODEV_NOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = reap_until(start(command, {**os.environ, MARK: name}))
    if keep and code == 0:
        stay(tell)
    os.write(tell, bytes([code]))
    os._exit(code)


def stay(tell: int) -> NoReturn:
    """Outlive the command and whoever started it, holding nothing of theirs."""
    must(libc.prctl(PR_SET_PDEATHSIG, 0), "prctl")
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps for us
    os.write(tell, b"\0")
    os.close(tell)
    while True:
        signal.pause()


def start(command: Sequence[str], environment: dict[str, str]) -> int:
    """Start the command; returns its pid."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            os.execvpe(command[0], list(command), environment)  # noqa: S606 - no shell is wanted
        except OSError as error:
            print(f"script/world: {command[0]}: {error.strerror}", file=sys.stderr)
            os._exit(127)
    return child


def reap_until(child: int) -> int:
    """Reap orphans until `child` ends; returns its exit code as a shell would."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def run(command: Sequence[str], memory: Path | None) -> int:
    """Run the command in a new world; with `memory`, keep it after success and remember it there."""
    name = f"hooknet-lab-{os.getpid()}"
    separate()
    listen, tell = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(listen)
        first_process(command, name, tell, keep=memory is not None)
    os.close(tell)
    end_with(lambda: os.kill(first, signal.SIGKILL))
    told = os.read(listen, 1)
    code = told[0] if told else 128 + signal.SIGKILL
    if memory is not None and code == 0:
        memory.write_text(json.dumps({"pid": first, "started": started(first), "name": name}))
        return 0
    os.waitpid(first, 0)
    forget_cgroups(name)
    return code


def end_with(kill: Callable[[], None]) -> None:
    """A polite end of this process is the end of the world; Ctrl-C is the command's to answer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        kill()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def forget_cgroups(name: str) -> None:
    """Containers that were killed with the world leave empty control groups: remove those of this world."""
    # os.walk and not glob: other worlds end meanwhile, and a folder that vanishes under us is none of ours.
    for folder, _, _ in os.walk("/sys/fs/cgroup", topdown=False):
        if name not in Path(folder).parts:
            continue
        try:
            Path(folder).rmdir()
        except OSError:  # a process that is still dying holds it; an empty folder hurts nobody
            continue


def started(pid: int) -> str:
    """When the process started, in ticks since boot: with its pid it names one process for ever."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]


def recall(memory: Path) -> tuple[int, str]:
    """The first process of a kept world, and the world's name. Exits with a text when it is gone."""
    try:
        kept = json.loads(memory.read_text(encoding="utf-8"))
        if started(kept["pid"]) == kept["started"]:
            return kept["pid"], kept["name"]
    except FileNotFoundError:
        pass
    memory.unlink(missing_ok=True)
    sys.exit("script/world: no such world is kept (it may have ended with the machine)")


def enter(memory: Path, command: Sequence[str]) -> NoReturn:
    pid, name = recall(memory)
    os.environ[MARK] = name
    nsenter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--ipc", "--net", "--", *command]
    os.execvp(nsenter[0], nsenter)  # noqa: S606 - no shell is wanted


def end(memory: Path) -> None:
    pid, name = recall(memory)
    gone = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([gone], [], [], 10)
    memory.unlink()
    forget_cgroups(name)


def main(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["--keep", memory, *command] if command:
            return run(command, Path(memory))
        case ["--enter", memory, *command] if command:
            enter(Path(memory), command)
        case ["--end", memory]:
            end(Path(memory))
            return 0
        case [first, *_] if not first.startswith("-"):
            return run(arguments, None)
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        sys.exit(f"script/world: no world can be made here: {error} (root is needed)")
