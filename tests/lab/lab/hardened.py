"""Run a command as the unit runs the daemon: its capabilities, its view of the mounts, a read-only file system.

    python hardened.py FOLDER… -- COMMAND…

The capabilities and the paths that may be written are read from units/hooknet.service, so they can't differ from
what is installed; FOLDERs stand for the unit's runtime and state directories and for whatever a test's plugins write.
The rest of the unit's hardening (system calls, devices, namespaces) takes a real systemd: test_systemd.py has one.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

UNIT = Path(__file__).resolve().parents[3] / "units" / "hooknet.service"
SWITCH = "HOOKNET_LAB_HARDENED"
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED = 0x1000, 0x4000, 1 << 19, 1 << 20
SYS_MOUNT_SETATTR = 442
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 0x1

libc = ctypes.CDLL(None, use_errno=True)


class MountAttributes(ctypes.Structure):
    """mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def wanted() -> bool:
    """Whether this run of the lab starts its daemons so."""
    return os.environ.get(SWITCH, "") not in {"", "0"}


def prefix(*folders: Path) -> list[str]:
    """What to put before a daemon's command."""
    return [sys.executable, __file__, *map(str, folders), "--"]


def settings(key: str) -> list[str]:
    """The words of a setting of the unit, all of its lines together."""
    return " ".join(re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)).split()


def must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def set_attributes(path: str, attributes: MountAttributes) -> None:
    size = ctypes.sizeof(attributes)
    must(
        libc.syscall(
            SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, ctypes.byref(attributes), size
        ),
        f"mount_setattr {path}",
    )


def confine(writable: list[str]) -> None:
    """A mount namespace that is a slave of this one, and read-only but for some folders."""
    # systemd leaves every host's mounts shared; a world's are private until they are asked for
    must(libc.mount(None, b"/", None, MS_REC | MS_SHARED, None), "make shared")
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "make slave")
    for folder in writable:
        must(libc.mount(folder.encode(), folder.encode(), None, MS_BIND | MS_REC, None), f"bind {folder}")
    set_attributes("/", MountAttributes(set=MOUNT_ATTR_RDONLY))
    for folder in writable:
        set_attributes(folder, MountAttributes(clear=MOUNT_ATTR_RDONLY))


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    folders, command = arguments[:split], arguments[split + 1 :]
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
    allowed = [path.lstrip("-") for path in settings("ReadWritePaths")]
    confine([*folders, *(path for path in allowed if Path(path).is_dir())])
    bounding = ",".join(
        ["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in settings("CapabilityBoundingSet"))]
    )
    os.execvp("setpriv", ["setpriv", f"--bounding-set={bounding}", "--no-new-privs", "--", *command])


if __name__ == "__main__":
    main(sys.argv[1:])
