"""A folder of hooks that is trusted here, and programs to put into it."""

from __future__ import annotations

import logging
import os
import textwrap
from pathlib import Path

import pytest

from hooknet_exec.calls import Calls
from hooknet_exec.programs import Trust


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Hooks:
    """The folder of programs, and the calls that run them. Programs are Python without site, or what `text` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trust = Trust(owner=os.getuid(), anchor=folder)
        self.log = logging.getLogger("test.exec")

    def program(self, name: str, text: str, *, hook: str = "post_lease", mode: int = 0o755) -> Path:
        place = self.folder / f"{hook}.d"
        place.mkdir(mode=0o755, exist_ok=True)
        path = place / name
        path.write_text(textwrap.dedent(text).lstrip())
        path.chmod(mode)
        return path

    descriptors = staticmethod(open_descriptors)

    def calls(self, seconds: float = 20.0) -> Calls:
        hooks = ("pre_lease", "post_lease", "release", "container_event")
        return Calls(self.folder, dict.fromkeys(hooks, seconds), self.log, self.trust)


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    folder = tmp_path / "hooks"
    folder.mkdir(mode=0o755)
    return Hooks(folder)
