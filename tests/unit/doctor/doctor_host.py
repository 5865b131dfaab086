"""A host that is made up: everything is well, until a test breaks one thing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hooknet.doctor.host import Line, Ran, Servers
from hooknet.errors import HooknetError, Kind
from hooknet.install import units
from hooknet.install.root import Root
from hooknet.kernel.links import Parent

DAEMON = Path("/opt/hooknet/bin/hooknet")
HEALTHY = {"pid": 7, "healthy": True, "version": "1", "counts": {"leases": 2}, "problems": []}
CNI_ANSWER = '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}\n'
ETH0 = Parent(name="eth0", index=2, mac="02:00:00:00:00:01", mtu=1500, up=True, carrier=True)
WELL = Servers(("192.168.1.1",), ("192.168.1.1",))
UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "UnitFileState": "enabled",
}


@dataclass
class FakeHost:
    """`answers`: what programs say, by their first words; others are not installed."""

    tree: Path
    environ: dict[str, str] = field(default_factory=dict)
    uid: int = 0
    run_dir: Path = Path("/run/hooknet")
    answers: dict[str, Ran] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    daemon: dict[str, Any] | HooknetError = field(default_factory=lambda: dict(HEALTHY))
    parents: dict[str | None, Parent] = field(default_factory=lambda: {"eth0": ETH0, None: ETH0})
    servers: Servers | OSError = WELL
    missing: dict[int | None, list[str]] = field(default_factory=dict)
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    free_bytes: int = 1 << 30
    clock: float = 1_900_000_000.0
    systemd: dict[str, dict[str, str]] | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def root(self) -> Root:
        return FakeRoot(self.tree, has_systemd=self.systemd is not None)

    def run(self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ran | None:
        if command[:2] == ("systemctl", "show") and self.systemd is not None:
            found = {"ActiveState": "inactive", "LoadState": "not-found", **self.systemd.get(command[-1], {})}
            return Ran(0, "".join(f"{key}={value}\n" for key, value in found.items()))
        words = " ".join(command)
        return next((ran for start, ran in self.answers.items() if words.startswith(start)), None)

    def line(self, socket: Path) -> Line:
        self.asked.append(str(socket))
        return self.lines.get(str(socket), Line.SERVED)

    def status(self) -> Mapping[str, Any]:
        self.asked.append("status")
        if isinstance(self.daemon, HooknetError):
            raise self.daemon
        return self.daemon

    def parent(self, name: str | None) -> Parent:
        if name not in self.parents:
            raise HooknetError(Kind.PARENT, f"there is no interface {name} to be the parent", hint="ip link")
        return self.parents[name]

    def ask_servers(self, parent: str) -> Servers:
        if isinstance(self.servers, OSError):
            raise self.servers
        return self.servers

    def missing_capabilities(self, pid: int | None = None) -> list[str]:
        return self.missing.get(pid, [])

    def owner(self, path: Path) -> tuple[int, int] | None:
        known = "/" + str(path.relative_to(self.tree)) if path.is_relative_to(self.tree) else str(path)
        if known in self.owners:
            return self.owners[known]
        return (0, path.stat().st_mode) if os.path.lexists(path) else None

    def free(self, path: Path) -> int | None:
        return self.free_bytes

    def now(self) -> float:
        return self.clock

    def newest(self) -> float:
        return 1_800_000_000.0

    # for tests

    def write(self, path: str, content: str = "", mode: int = 0o644) -> None:
        place = self.tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
        place.chmod(mode)

    def use_systemd(self, **changed: dict[str, str]) -> None:
        """Units as after an installation; `changed` by `service`, `socket`, `control`."""
        names = {"service": units.SERVICE, "socket": units.SOCKETS[0], "control": units.SOCKETS[1]}
        self.systemd = {unit: {**UNIT, **changed.get(short, {})} for short, unit in names.items()}


class FakeRoot(Root):
    """A tree that counts as the machine's own."""

    def __init__(self, path: Path, *, has_systemd: bool) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "systemd", has_systemd)

    __slots__ = ("systemd",)

    @property
    def is_machine(self) -> bool:
        return True

    @property
    def has_systemd(self) -> bool:
        return bool(self.systemd)

    def place(self, path: Path) -> Path:
        return self.path / path.relative_to("/")
