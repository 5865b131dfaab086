"""The daemon's folders and its lock: who may see what, and that there is one daemon per state directory."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from pathlib import Path

from hooknet.errors import HooknetError, Kind

LOCK = "lock"
MACHINE_ID = Path("/etc/machine-id")
KEPT_ID = "host-id"


def private_folder(path: Path, mode: int = 0o700) -> Path:
    """Make `path`, or check that nobody but its owner may write there. Raises IO or NOT_ALLOWED."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
        found = path.stat(follow_symlinks=False)
    except OSError as error:
        raise HooknetError(
            Kind.IO,
            f"can't make the folder {path}: {error.strerror}",
            hint=f"see what is in the way: namei -l {path}",
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise HooknetError(
            Kind.NOT_ALLOWED, f"{path} is not a folder", hint="remove it, hooknet makes its own"
        )
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise HooknetError(
            Kind.NOT_ALLOWED,
            f"{path} may be written by others (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):o})",
            hint=f"chown root {path} && chmod {mode:o} {path}",
        )
    if stat.S_IMODE(found.st_mode) != mode:
        path.chmod(mode)
    return path


def lock(state_dir: Path) -> int:
    """Take the lock of a state directory, held until the process ends. Raises UNAVAILABLE naming the holder."""
    path = state_dir / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise HooknetError(
            Kind.UNAVAILABLE,
            f"another hooknet daemon (pid {holder}) uses {state_dir}",
            hint="stop it, or give this one another --state-dir and --run-dir",
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def host_identity(state_dir: Path, machine_id: Path = MACHINE_ID) -> str:
    """The machine-id; where there is none, a random id that is made once and kept in the state directory."""
    try:
        text = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if text and text != "uninitialized":
        return text
    kept = state_dir / KEPT_ID
    try:
        descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return kept.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        made = secrets.token_hex(16)
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made
