"""Run a command as the unit runs the daemon: its capabilities, its limits, its view of mounts, a read-only system.

    python hardened.py FOLDER… -- COMMAND…

The capabilities, the limits and the paths that may be written are read from units/hooknet.service, so they can't
differ from what is installed; FOLDERs stand for the unit's runtime and state directories and for whatever a test's
plugins write. The rest of the unit's hardening (system calls, devices, namespaces, the control group's limits) takes
a real systemd: test_systemd.py has one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import sys
from pathlib import Path

UNIT = Path(__file__).resolve().parents[3] / "units" / "hooknet.service"
SWITCH = "HOOKNET_LAB_HARDENED"
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 1 << 19
SYS_MOUNT_SETATTR = 442
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 0x1

libc = ctypes.CDLL(None, use_errno=True)


class MountAttributes(ctypes.Structure):
    """mount_setattr(2)."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def wanted() -> bool:
    """Whether this run of the lab starts its daemons so."""
    return os.environ.get(SWITCH, "") not in {"", "0"}


def confinement(*folders: Path) -> list[str]:
    """What to put before a daemon's command; nothing, where this run is not to be hardened."""
    return [sys.executable, __file__, *map(str, folders), "--"] if wanted() else []


def settings(key: str) -> list[str]:
    """The words of a setting of the unit, all of its lines together."""
    return " ".join(re.findall(rf"^{key}=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)).split()


def setting(key: str) -> int:
    """A setting of the unit that is a number; of bytes, with K, M or G behind it."""
    [word] = settings(key)
    digits = word.rstrip("KMG")
    return int(digits) << {"": 0, "K": 10, "M": 20, "G": 30}[word.removeprefix(digits)]


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
    # Of the mounts that a world shares it is a slave: those of /run/netns, where network namespaces come and go. The
    # others are private, unlike a real host's, and stay so: the podman 5 of the lab keeps its own to itself.
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "make slave")
    for folder in writable:
        must(libc.mount(folder.encode(), folder.encode(), None, MS_BIND | MS_REC, None), f"bind {folder}")
    set_attributes("/", MountAttributes(set=MOUNT_ATTR_RDONLY))
    for folder in writable:
        set_attributes(folder, MountAttributes(clear=MOUNT_ATTR_RDONLY))


def limit() -> None:
    """What an rlimit can hold of the unit's limits. Memory and tasks are its control group's to count."""
    for which, key in ((resource.RLIMIT_NOFILE, "LimitNOFILE"), (resource.RLIMIT_CORE, "LimitCORE")):
        _, most = resource.getrlimit(which)  # a container of CI may have less to give than the unit asks for
        value = setting(key) if most == resource.RLIM_INFINITY else min(setting(key), most)
        resource.setrlimit(which, (value, value))


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    folders, command = arguments[:split], arguments[split + 1 :]
    for folder in folders:
        with contextlib.suppress(OSError):  # a folder that can't be made is the daemon's to tell of
            Path(folder).mkdir(parents=True, exist_ok=True)
    allowed = [*folders, *(path.lstrip("-") for path in settings("ReadWritePaths"))]
    confine([path for path in allowed if Path(path).is_dir()])
    limit()
    bounding = ",".join(
        ["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in settings("CapabilityBoundingSet"))]
    )
    os.execvp("setpriv", ["setpriv", f"--bounding-set={bounding}", "--no-new-privs", "--", *command])


if __name__ == "__main__":
    main(sys.argv[1:])
