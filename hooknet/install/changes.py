"""The changes that an installation is made of, each as data: it can be printed, carried out, and written down.

Files are replaced whole (a runtime may be reading one at this moment), and keep the owner, mode and labels that a
file in their place had where they are not ours. A directory is removed only when it is empty.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hooknet.errors import HooknetError, Kind
from hooknet.install import group
from hooknet.install.root import Root

COMMAND_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    path: Path
    mode: int = 0o755

    def __str__(self) -> str:
        return f"make {self.path}/"

    def carry_out(self, root: Root) -> None:
        place = root.place(self.path)
        place.mkdir(exist_ok=True)
        place.chmod(self.mode)


@dataclass(frozen=True, slots=True)
class WriteFile:
    """`replaces`: there is a file of ours already."""

    path: Path
    content: bytes
    mode: int = 0o644
    replaces: bool = False

    def __str__(self) -> str:
        return f"{'replace' if self.replaces else 'write'} {self.path}"

    def carry_out(self, root: Root) -> None:
        replace_file(root.place(self.path), self.content, self.mode)


@dataclass(frozen=True, slots=True)
class MakeLink:
    path: Path
    target: str

    def __str__(self) -> str:
        return f"link {self.path} -> {self.target}"

    def carry_out(self, root: Root) -> None:
        place = root.place(self.path)
        place.unlink(missing_ok=True)
        place.symlink_to(self.target)


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """A file or a link."""

    path: Path

    def __str__(self) -> str:
        return f"remove {self.path}"

    def carry_out(self, root: Root) -> None:
        root.place(self.path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RemoveDirectory:
    """`whole`: with all that is in it; else only when it is empty."""

    path: Path
    whole: bool = False

    def __str__(self) -> str:
        return f"remove {self.path}/" + (" and what is in it" if self.whole else ", if it is empty")

    def carry_out(self, root: Root) -> None:
        place = root.place(self.path)
        if self.whole:
            shutil.rmtree(place, ignore_errors=True)
        else:
            with suppress(OSError):
                place.rmdir()


@dataclass(frozen=True, slots=True)
class AddGroup:
    name: str
    gid: int

    def __str__(self) -> str:
        return f"add the group {self.name} (gid {self.gid}) to /etc/group"

    def carry_out(self, root: Root) -> None:
        with group.locked(root):
            for path, text in group.added(root, self.name, self.gid):
                replace_file(root.place(path), text.encode(), None)


@dataclass(frozen=True, slots=True)
class RemoveGroup:
    name: str

    def __str__(self) -> str:
        return f"remove the group {self.name} from /etc/group"

    def carry_out(self, root: Root) -> None:
        with group.locked(root):
            for path, text in group.removed(root, self.name):
                replace_file(root.place(path), text.encode(), None)


@dataclass(frozen=True, slots=True)
class Run:
    """A command of this machine; never planned for an image."""

    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"run {' '.join(self.command)}"

    def carry_out(self, root: Root) -> None:
        assert root.is_machine, "commands run on the machine only"
        try:
            subprocess.run(  # noqa: S603 - systemctl and units' names
                self.command, check=True, capture_output=True, text=True, timeout=COMMAND_PATIENCE
            )
        except subprocess.CalledProcessError as error:
            raise HooknetError(
                Kind.IO,
                f"{' '.join(self.command)} failed with exit code {error.returncode}",
                details=error.stderr.strip(),
                hint="everything before it is done; put that right and run it again",
            ) from None
        except subprocess.TimeoutExpired:
            raise HooknetError(
                Kind.IO,
                f"{' '.join(self.command)} did not end within {COMMAND_PATIENCE:g} s",
                hint="everything before it is done; see what it waits for, then run this again",
            ) from None


Change = MakeDirectory | WriteFile | MakeLink | RemoveFile | RemoveDirectory | AddGroup | RemoveGroup | Run


def carry_out(changes: Sequence[Change], root: Root) -> Iterator[Change]:
    """Do it, one after the other, yielding what is done. Raises IO, or what a command failed with."""
    for change in changes:
        try:
            change.carry_out(root)
        except OSError as error:
            raise HooknetError(
                Kind.IO,
                f"can't {change}: {error.strerror}",
                hint="run it as root, on a file system that may be written",
            ) from None
        yield change


def replace_file(place: Path, content: bytes, mode: int | None) -> None:
    """Write a file in one step. mode None: owner, mode and labels stay those of the file that is there."""
    temporary = place.parent / f".{place.name}.hooknet-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            if mode is None:
                look_alike(place, file.fileno())
            else:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.rename(place)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def look_alike(place: Path, fd: int) -> None:
    """Give the open file the owner, the mode and the extended attributes (SELinux's label) of another."""
    found = place.stat()
    os.fchown(fd, found.st_uid, found.st_gid)
    os.fchmod(fd, found.st_mode & 0o7777)
    for name in os.listxattr(place):
        with suppress(OSError):
            os.setxattr(fd, name, os.getxattr(place, name))
