"""All that checks look at, as one protocol: tests give them a host that is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Any, Protocol

from hooknet.install.root import Root
from hooknet.kernel.links import Parent


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has run."""

    code: int
    stdout: str
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Servers:
    """Who answered: a DISCOVER with an offer, an INFORM of the host itself."""

    offering: tuple[str, ...] = ()
    informing: tuple[str, ...] = ()


@unique
class Line(Enum):
    """A unix socket, looked at."""

    SERVED = "somebody listens"
    DEAD = "nobody listens"
    MISSING = "there is no such socket"
    DENIED = "it may not be opened"


class Host(Protocol):
    """This machine. Blocking calls, each bounded."""

    @property
    def root(self) -> Root: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def uid(self) -> int: ...
    @property
    def run_dir(self) -> Path: ...

    def run(self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ran | None:
        """Run a program; None when there is none, or it does not end."""

    def line(self, socket: Path) -> Line:
        """Whether somebody listens, systemd included. It is not called, so nobody is started."""

    def status(self) -> Mapping[str, Any]:
        """`/v1/status` of the daemon. Raises HooknetError when it can't be asked."""

    def parent(self, name: str | None) -> Parent:
        """A host interface, None for the default route's. Raises PARENT."""

    def ask_servers(self, parent: str) -> Servers:
        """Two questions that take no lease. Raises OSError."""

    def missing_capabilities(self, pid: int | None = None) -> list[str]:
        """What this process, or another, lacks of what the daemon needs."""

    def owner(self, path: Path) -> tuple[int, int] | None:
        """Owner and mode of what a path leads to; None when there is nothing."""

    def free(self, path: Path) -> int | None:
        """Bytes that may be written where `path` is; None when there is nothing."""

    def now(self) -> float:
        """Seconds since the epoch, by the host's clock."""

    def newest(self) -> float:
        """When hooknet's own files were installed, seconds since the epoch: the clock can't be before that."""
