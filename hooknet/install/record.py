"""What an installation made, written down where `uninstall` and the next `install` read it.

The record is written before anything else is made, so that what a failed installation left behind can be taken away.
It holds a digest of each file: one that was changed since is the administrator's, and is neither replaced nor removed
unasked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hooknet.config import DEFAULT_STATE_DIR
from hooknet.errors import HooknetError, Kind
from hooknet.install.changes import AddGroup, Change, MakeDirectory, MakeLink, WriteFile
from hooknet.install.root import Root

RECORD = DEFAULT_STATE_DIR / "install.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Paths are text, as in the file.

    files: path and SHA-256. links: path and target. disabled: links of the reference's units that were removed.
    stopped: units of the reference that ran. drop_in, netavark, cni_dir, socket: what was asked for.
    """

    directories: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    disabled: Mapping[str, str] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()
    drop_in: bool = False
    netavark: bool = False
    cni_dir: str | None = None
    socket: str | None = None

    def extended(self, changes: Iterable[Change]) -> Record:
        """With what the changes are going to make."""
        directories, files, links, group = (
            list(self.directories),
            dict(self.files),
            dict(self.links),
            self.group,
        )
        for change in changes:
            match change:
                case MakeDirectory(path) if str(path) not in directories:
                    directories.append(str(path))
                case WriteFile(path, content) if path != RECORD:
                    files[str(path)] = digest(content)
                case MakeLink(path, target):
                    links[str(path)] = target
                case AddGroup(name):
                    group = name
                case _:
                    pass
        return replace(self, directories=tuple(directories), files=files, links=links, group=group)

    def wrote(self, path: Path, content: bytes) -> bool:
        """Whether this is a file of ours, unchanged."""
        return self.files.get(str(path)) == digest(content)

    def as_bytes(self) -> bytes:
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n").encode()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(root: Root) -> Record | None:
    """None when nothing was installed. Raises IO for a record that can't be understood."""
    content = root.read(RECORD)
    if content is None:
        return None
    try:
        return from_json(json.loads(content))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise HooknetError(
            Kind.IO,
            f"{RECORD} can't be understood: {error}",
            hint="it was written by a newer hooknet, or damaged; move it away to install anew",
        ) from None


def from_json(data: dict[str, Any]) -> Record:
    if data.pop("format") != FORMAT:
        raise ValueError("another format")
    for name in ("directories", "stopped"):
        data[name] = tuple(data[name])
    return Record(**data)
