"""A plan that grows: it knows what is there, and what will be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_IMODE

from hooknet.errors import HooknetError, Kind
from hooknet.install.changes import Change, MakeDirectory, MakeLink, RemoveFile, WriteFile
from hooknet.install.record import RECORD, Record, digest
from hooknet.install.root import Root
from hooknet.shim import install as shim


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for. None: as before, or the default. socket: the one that shims dial."""

    daemon: Path
    drop_in: bool = False
    netavark: bool = False
    cni_dir: Path | None = None
    socket: Path | None = None
    network: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`notes`: what the administrator should know, in sentences."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]


class Planning:
    """Collects changes. `record`: what will have been made by all installations up to this one."""

    def __init__(self, root: Root, before: Record, wanted: Wanted) -> None:
        self.root = root
        self.before = before
        self.record = replace(
            before,
            drop_in=wanted.drop_in,
            netavark=wanted.netavark,
            cni_dir=None if wanted.cni_dir is None else str(wanted.cni_dir),
            socket=None if wanted.socket is None else str(wanted.socket),
        )
        self.changes: list[Change] = []
        self.notes: list[str] = []
        self._made: set[Path] = set()
        self._wanted: set[str] = set()

    def directory(self, path: Path, mode: int = 0o755) -> None:
        """The directory, and those above it that are missing."""
        if path in self._made or self.root.exists(path):
            return
        self.directory(path.parent)
        self._made.add(path)
        self.changes.append(MakeDirectory(path, mode))

    def file(
        self, path: Path, content: bytes, mode: int = 0o644, *, is_ours: Callable[[bytes], bool] | None = None
    ) -> bool:
        """A file of ours; what an administrator changed in it is left. True when it is going to be written.

        is_ours: tells by its content a file that is ours for sure. Raises BAD_CONFIG for somebody else's.
        """
        self._wanted.add(str(path))
        found = self.root.read(path)
        if found is None and self.root.exists(path):
            raise foreign(path)
        if found == content and self._mode(path) == mode:
            self.record = replace(self.record, files={**self.record.files, str(path): digest(content)})
            return False
        ours = found is None or self.before.wrote(path, found) or (is_ours is not None and is_ours(found))
        if not ours and str(path) not in self.before.files:
            raise foreign(path)
        if not ours:
            self.notes.append(
                f"{path} was changed since it was installed, and is left: remove it and install again for the new one"
            )
            return False
        self.directory(path.parent)
        self.changes.append(WriteFile(path, content, mode, replaces=found is not None))
        return True

    def gone(self, path: Path) -> bool:
        """A file of ours that is needed no more; one that was changed stays. True when it is going to be removed."""
        found = self.root.read(path)
        if found is None or not self.before.wrote(path, found):
            return False
        kept = {name: digest for name, digest in self.record.files.items() if name != str(path)}
        self.record = replace(self.record, files=kept)
        self.changes.append(RemoveFile(path))
        return True

    def once(self, path: Path, content: bytes, mode: int) -> None:
        """A file that belongs to the administrator from the moment it is there."""
        if not self.root.exists(path):
            self.directory(path.parent)
            self.changes.append(WriteFile(path, content, mode))

    def link(self, path: Path, target: str) -> None:
        """A symbolic link of ours. Raises BAD_CONFIG when there is something else."""
        found = self.root.link(path)
        if found is None and self.root.exists(path):
            raise foreign(path)
        if found == target:
            self.record = replace(self.record, links={**self.record.links, str(path): target})
            return
        self.directory(path.parent)
        self.changes.append(MakeLink(path, target))

    def finished(self) -> Plan:
        """The whole, with the record before everything that it tells of, and without shims of elsewhere."""
        stale = self._stale()
        self.changes += [RemoveFile(path) for path in stale]
        after = self.record.extended(self.changes)
        after = replace(
            after, files={path: one for path, one in after.files.items() if Path(path) not in stale}
        )
        if after != self.before:
            place = next((i + 1 for i, one in enumerate(self.changes) if is_for_record(one)), 0)
            known = self.root.exists(RECORD)
            self.changes.insert(place, WriteFile(RECORD, after.as_bytes(), 0o600, replaces=known))
        return Plan(tuple(self.changes), tuple(self.notes))

    def _stale(self) -> list[Path]:
        """Shims that an earlier installation put elsewhere."""
        shims = [Path(path) for path in self.before.files if Path(path).name in shim.NAMES]
        return [path for path in shims if str(path) not in self._wanted and self.root.exists(path)]

    def _mode(self, path: Path) -> int:
        return S_IMODE(self.root.place(path).stat().st_mode)


def is_for_record(change: Change) -> bool:
    """Whether it makes the directory that the record lies in."""
    return isinstance(change, MakeDirectory) and change.path == RECORD.parent


def foreign(path: Path) -> HooknetError:
    return HooknetError(
        Kind.BAD_CONFIG,
        f"{path} is there and is not hooknet's",
        details="what is not hooknet's is never overwritten",
        hint="move it away, or choose another place (--cni-dir for plugins)",
    )
