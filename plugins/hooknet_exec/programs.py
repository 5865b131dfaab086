"""Which programs may run: they run as root, so only root may have had a say in them.

Every folder from `/` down, and the program itself, belongs to root and can be written by nobody else; none of them
is a symbolic link, whose target would have another way down. A file that is not executable is not meant to run,
and neither are hidden files and what editors and package managers leave beside a file.

What was checked can't change before it runs: whoever could change it is root. So programs are run by their
path, which scripts need anyway (an interpreter opens its script again).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NOT_MEANT = re.compile(r"^[.#]|~$|[.](bak|orig|rej|swp|tmp|disabled|(dpkg|rpm|ucf)[a-z-]*)$")
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class UntrustedError(Exception):
    """Somebody else than root has a say in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The programs of a folder, in the order of their names; refused: why others are not among them."""

    programs: tuple[Path, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose files are run, from where on. (Tests are not run in `/` and not always by root.)"""

    owner: int = 0
    anchor: Path = field(default_factory=lambda: Path("/"))

    def programs(self, folder: Path) -> Found:
        """What is to be run in `folder`; nothing when there is no such folder. Raises UntrustedError, OSError."""
        try:
            with self._entered(folder) as descriptor:
                listed = os.listdir(descriptor)  # noqa: PTH208 - of a descriptor, which a Path has not
                names = sorted(name for name in listed if is_meant(name))
                checked = [(folder / name, self._why_not(descriptor, folder, name)) for name in names]
        except FileNotFoundError:
            return Found()
        return Found(
            programs=tuple(path for path, why in checked if why == ""),
            refused=tuple(f"{path}: {why}" for path, why in checked if why),
        )

    def _why_not(self, descriptor: int, folder: Path, name: str) -> str | None:
        """Empty: it is run. None: it is not meant to be run."""
        try:
            opened = os.open(name, OPEN, dir_fd=descriptor)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(opened)
        finally:
            os.close(opened)
        if stat.S_ISDIR(found.st_mode):
            return None
        if not stat.S_ISREG(found.st_mode):
            return "it is no regular file, and symbolic links are not followed"
        if not found.st_mode & stat.S_IXUSR:
            return None
        try:
            self._require_trusted(folder / name, found)
        except UntrustedError as error:
            return str(error)
        return ""

    @contextmanager
    def _entered(self, folder: Path) -> Iterator[int]:
        """A descriptor of `folder`, reached step by step from the anchor. Raises UntrustedError."""
        path = self.anchor
        descriptor = os.open(path, OPEN | os.O_DIRECTORY)
        try:
            self._require_trusted(path, os.fstat(descriptor))
            for part in folder.relative_to(self.anchor).parts:
                path /= part
                below = step(descriptor, part, path)
                os.close(descriptor)
                descriptor = below
                self._require_trusted(path, os.fstat(descriptor))
            # an O_PATH descriptor can't be listed
            readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = readable
            yield descriptor
        finally:
            os.close(descriptor)

    def _require_trusted(self, path: Path, found: os.stat_result) -> None:
        if found.st_uid != self.owner:
            raise UntrustedError(f"{path} belongs to uid {found.st_uid} and not to root: chown root {path}")
        if found.st_mode & OTHERS_MAY_WRITE:
            raise UntrustedError(f"{path} may be written by others than root: chmod go-w {path}")


def step(descriptor: int, part: str, path: Path) -> int:
    try:
        return os.open(part, OPEN | os.O_DIRECTORY, dir_fd=descriptor)
    except NotADirectoryError:
        raise UntrustedError(
            f"{path} is no folder, and symbolic links are not followed: name the folder itself"
        ) from None


def is_meant(name: str) -> bool:
    return NOT_MEANT.search(name) is None
