"""What identifies a process, a boot and a machine, and the clock that everything runs on.

A pid alone is reused, so a process is known by its pid and its start time (proc_pid_stat(5), field 22). The
clock is CLOCK_BOOTTIME: it goes on while the machine sleeps, so a lease that ran out meanwhile is noticed.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

PROC = Path("/proc")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))

DEAD = frozenset({"Z", "X", "x"})
START_TIME = 19  # counted from the state, which is the first field after the name


def boottime() -> float:
    """Seconds since boot, time asleep included (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_start(pid: int, proc: Path = PROC) -> int | None:
    """When `pid` started, in clock ticks since boot; None when it is not running (a zombie is not)."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name may hold spaces and parentheses
    return None if fields[0] in DEAD else int(fields[START_TIME])


def boot_id(path: Path = BOOT_ID) -> str:
    """An id that changes with each boot of the kernel."""
    return path.read_text(encoding="ascii").strip()


def machine_id(paths: tuple[Path, ...] = MACHINE_IDS) -> str | None:
    """The machine's id, 32 hexadecimal digits (machine-id(5)); None where it has none yet."""
    for path in paths:
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip().lower()
        except OSError:
            continue
        if re.fullmatch(r"[0-9a-f]{32}", text) and int(text, 16):
            return text
    return None
