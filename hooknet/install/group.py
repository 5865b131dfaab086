"""The group `hooknet`, whose members may read the control API: its lines in /etc/group and /etc/gshadow.

Written by hand under the lock of the password files (lckpwdf(3)), as systemd-sysusers does it, and not by `groupadd`:
that works in an image without a shell too, and `uninstall` can take away exactly the two lines that were added.
"""

from __future__ import annotations

import ctypes
import grp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hooknet.errors import HooknetError, Kind
from hooknet.install.root import Root

GROUP = Path("/etc/group")
SHADOW = Path("/etc/gshadow")
PASSWD = Path("/etc/passwd")
SYSTEM_GIDS = range(999, 99, -1)
"""From the top, as `groupadd --system` takes them."""


def exists(root: Root, name: str) -> bool:
    """Whether the group is there, on this machine from whatever source (nsswitch.conf(5))."""
    if root.is_machine:
        try:
            grp.getgrnam(name)
        except KeyError:
            return False
        return True
    return any(line.split(":")[0] == name for line in lines(root, GROUP))


def free_gid(root: Root) -> int:
    """A gid that no group and no user of the root has. Raises IO when there is none left."""
    taken = {field(line, 2) for line in lines(root, GROUP)} | {field(line, 3) for line in lines(root, PASSWD)}
    if root.is_machine:
        taken |= {str(found.gr_gid) for found in grp.getgrall()}
    for gid in SYSTEM_GIDS:
        if str(gid) not in taken:
            return gid
    raise HooknetError(Kind.IO, "no system group id from 100 to 999 is free", hint="groupadd hooknet")


def members(root: Root, name: str) -> list[str]:
    """Who is in the group."""
    for line in lines(root, GROUP):
        if line.split(":")[0] == name:
            return [member for member in field(line, 3).split(",") if member]
    return []


def added(root: Root, name: str, gid: int) -> Iterator[tuple[Path, str]]:
    """The files with the group in them; a file that is not there (gshadow on some systems) is not made."""
    for path, line in ((GROUP, f"{name}:x:{gid}:"), (SHADOW, f"{name}:!::")):
        text = root.text(path)
        if text is not None and not any(one.split(":")[0] == name for one in text.splitlines()):
            yield path, text + ("" if text.endswith("\n") or not text else "\n") + line + "\n"


def removed(root: Root, name: str) -> Iterator[tuple[Path, str]]:
    """The files without the group."""
    for path in (GROUP, SHADOW):
        text = root.text(path)
        if text is not None:
            kept = [line for line in text.splitlines(keepends=True) if line.split(":")[0] != name]
            yield path, "".join(kept)


@contextmanager
def locked(root: Root) -> Iterator[None]:
    """Nobody else changes this machine's password files meanwhile. Raises IO when somebody does."""
    if not root.is_machine:
        yield
        return
    libc = ctypes.CDLL(None)
    if libc.lckpwdf() != 0:
        raise HooknetError(Kind.IO, "/etc/group is locked by another program", hint="try again in a moment")
    try:
        yield
    finally:
        libc.ulckpwdf()


def lines(root: Root, path: Path) -> list[str]:
    return (root.text(path) or "").splitlines()


def field(line: str, index: int) -> str:
    fields = line.split(":")
    return fields[index] if index < len(fields) else ""
