"""The file system that is installed into: this machine's, or the tree of an image that is being built.

Paths are those of the installed system. `--root DIR` puts DIR before them, and a link inside DIR that would lead out
of it is refused: an image's `/etc -> /somewhere` must not redirect an image builder's writes to its own machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hooknet.errors import HooknetError, Kind

MACHINE = Path("/")
BOOTED = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Root:
    """Looks at files; `changes.py` is what writes."""

    path: Path = MACHINE

    @property
    def is_machine(self) -> bool:
        """Whether this is the running system."""
        return self.path == MACHINE

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs here, and may be asked (sd_booted(3))."""
        return self.is_machine and BOOTED.is_dir()

    def place(self, path: Path) -> Path:
        """Where `path` really lies. Raises NOT_ALLOWED when that is outside of the root."""
        place = self.path / path.relative_to("/")
        if self.is_machine or place == self.path:
            return place
        inside = place.parent.resolve()
        if not inside.is_relative_to(self.path.resolve()):
            raise HooknetError(
                Kind.NOT_ALLOWED,
                f"{path} leads out of {self.path}, to {inside}",
                hint="make the link relative, or install inside of the image",
            )
        return place

    def read(self, path: Path) -> bytes | None:
        """The content of a file, None when there is none (a link that leads nowhere is none)."""
        try:
            return self.place(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise unreadable(path, error) from None

    def text(self, path: Path) -> str | None:
        """As `read`, as text; bytes that are no UTF-8 are replaced."""
        content = self.read(path)
        return None if content is None else content.decode(errors="replace")

    def exists(self, path: Path) -> bool:
        """Whether anything is there, even a link that leads nowhere."""
        return os.path.lexists(self.place(path))

    def is_directory(self, path: Path) -> bool:
        return self.place(path).is_dir()

    def link(self, path: Path) -> str | None:
        """What a symbolic link says; None when there is none."""
        try:
            return str(self.place(path).readlink())
        except OSError:
            return None

    def resolved(self, path: Path) -> Path:
        """Where links lead, as the installed system sees it."""
        base, found = self.path.resolve(), self.place(path).resolve()
        return MACHINE / found.relative_to(base) if found.is_relative_to(base) else found

    def names(self, directory: Path) -> list[str]:
        """What is in a directory, sorted; empty when there is none. Raises IO for one that can't be looked into."""
        try:
            return sorted(path.name for path in self.place(directory).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreadable(directory, error) from None


def unreadable(path: Path, error: OSError) -> HooknetError:
    return HooknetError(Kind.IO, f"can't read {path}: {error.strerror}", hint="run it as root")
