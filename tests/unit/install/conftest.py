"""An image's tree to install into, and units that run nowhere but in a test's mind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hooknet.install import plan, record, removal
from hooknet.install.changes import carry_out
from hooknet.install.planning import Plan, Wanted
from hooknet.install.root import Root

DAEMON = Path("/opt/hooknet/bin/hooknet")
FOLDERS = (
    "etc/systemd/system",
    "usr/bin",
    "usr/lib/systemd/system",
    "opt/hooknet/bin",
    "var/lib",
    "usr/local",
)


@dataclass
class Units:
    """Which units run."""

    running: set[str] = field(default_factory=set)

    def active(self, unit: str) -> bool:
        return unit in self.running


@dataclass
class Image:
    """A tree with python3, systemd and hooknet in it. `units`: what runs, as the planner is told."""

    path: Path
    units: Units = field(default_factory=Units)

    @property
    def root(self) -> Root:
        return Root(self.path)

    def write(self, path: str, text: str = "") -> Path:
        place = self.path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def read(self, path: str | Path) -> str:
        return (self.path / str(path).lstrip("/")).read_text()

    def exists(self, path: str | Path) -> bool:
        return os.path.lexists(self.path / str(path).lstrip("/"))

    def plan(self, *, environ: dict[str, str] | None = None, **wanted: object) -> Plan:
        chosen = Wanted(**{"daemon": DAEMON, **wanted})
        return plan.plan(self.root, chosen, record.read(self.root), running=self.units, environ=environ or {})

    def install(self, **wanted: object) -> Plan:
        made = self.plan(**wanted)
        list(carry_out(made.changes, self.root))
        return made

    def plan_removal(self, *, purge: bool = False, environ: dict[str, str] | None = None) -> Plan:
        return removal.plan(
            self.root, record.read(self.root), running=self.units, purge=purge, environ=environ or {}
        )

    def uninstall(self, *, purge: bool = False) -> Plan:
        made = self.plan_removal(purge=purge)
        list(carry_out(made.changes, self.root))
        return made

    def picture(self) -> dict[str, str]:
        """Every path with its kind, mode, and content."""
        return {str(path.relative_to(self.path)): described(path) for path in self.path.rglob("*")}


def described(path: Path) -> str:
    mode = f"{path.lstat().st_mode:o}"
    if path.is_symlink():
        return f"{mode} -> {path.readlink()}"
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else mode


@pytest.fixture
def image(tmp_path: Path) -> Image:
    found = Image(tmp_path / "image")
    for folder in FOLDERS:
        (found.path / folder).mkdir(parents=True)
    found.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsomeone:x:500:999::/:/bin/false\n")
    found.write("etc/group", "root:x:0:\ninput:x:998:\n")
    found.write("etc/gshadow", "root:*::\ninput:!::\n").chmod(0o640)
    found.write("usr/bin/python3").chmod(0o755)
    found.write(str(DAEMON)).chmod(0o755)
    return found


@pytest.fixture
def said() -> Callable[[Plan], list[str]]:
    """The changes of a plan as a person reads them."""
    return lambda made: [str(change) for change in made.changes]
