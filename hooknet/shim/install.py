"""Writes the shims: one text, under the names that conflists use.

`hooknet` is the CNI plugin; `macvlan` and `dhcp` are the drop-ins, for conflists that stay as they are. All three are
the same file. What differs between machines is written into it: the daemon's absolute path (its isolated Python sees
no venv), the interpreter, and the sockets to dial. Nothing of that is taken from the environment at run time.

Files are replaced whole (a runtime may be starting one at this moment). A file that is not a shim is never touched:
a distribution's `macvlan` belongs to the distribution. So drop-ins want a directory of their own, which
containers.conf lists first.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, unique
from importlib import resources
from pathlib import Path

from hooknet.errors import HooknetError, Kind

PLUGIN = "hooknet"
DROP_INS = ("macvlan", "dhcp")
NAMES = (PLUGIN, *DROP_INS)
MODE = 0o755
INTERPRETER = Path("/usr/bin/python3")
SOCKETS = (Path("/run/hooknet/cni.sock"), Path("/run/cni/dhcp.sock"))
SIGNATURE = b"\n''':' # hooknet shim:"
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+@%=,/-]*")
LONGEST_SOCKET = 107
HEAD = 200


@unique
class State(Enum):
    """What a shim's place looks like before anything is written."""

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Change:
    """One file. `state`: as it was found."""

    path: Path
    state: State

    def __str__(self) -> str:
        match self.state:
            case State.MISSING:
                return f"write {self.path}"
            case State.OUTDATED:
                return f"replace {self.path}"
            case State.CURRENT:
                return f"leave {self.path}: it is up to date"
            case State.FOREIGN:
                return f"leave {self.path}: it is not hooknet's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What is written into a shim. socket: None for the two default sockets, in their order."""

    daemon: Path
    interpreter: Path = INTERPRETER
    socket: Path | None = None

    @property
    def sockets(self) -> tuple[Path, ...]:
        return SOCKETS if self.socket is None else (self.socket,)


def default_daemon() -> Path:
    """The `hooknet` command beside the interpreter that runs us: a venv's, or the system's."""
    return Path(sys.executable).absolute().parent / PLUGIN


def text(choices: Choices) -> str:
    """The shim for this machine. Raises BAD_CONFIG for paths that don't belong into a script."""
    for path in (choices.daemon, choices.interpreter, *choices.sockets):
        _refuse_odd(path)
    sockets = ", ".join(f'"{path}"' for path in choices.sockets)
    written = resources.files(__package__).joinpath("plugin").read_text("utf-8")
    for line, value in (
        (r"^DAEMON=/.*$", f"DAEMON={choices.daemon}"),
        (r"^PYTHON=/.*$", f"PYTHON={choices.interpreter}"),
        (r"^SOCKETS = .*$", f"SOCKETS = ({sockets},)"),
        (r'^DAEMON = ".*$', f'DAEMON = "{choices.daemon}"'),
    ):
        written, count = re.subn(line, value, written, flags=re.MULTILINE)  # no path here has a backslash
        assert count == 1, line
    return written


def plan(directory: Path, choices: Choices, *, insist: bool = False) -> tuple[Change, ...]:
    """What `apply` would do in `directory`, and nothing done.

    insist: a drop-in's name that is taken by a foreign file is an error (the drop-ins are wanted), not left alone.
    Raises BAD_CONFIG when the name `hooknet` itself is taken, or the directory can't be one.
    """
    wanted = text(choices).encode()
    if directory.exists() and not directory.is_dir():
        raise HooknetError(Kind.BAD_CONFIG, f"{directory} is not a directory", hint="give another --cni-dir")
    changes = tuple(Change(directory / name, _state(directory / name, wanted)) for name in NAMES)
    for change in changes:
        if change.state is State.FOREIGN and (insist or change.path.name == PLUGIN):
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"{change.path} is there and is not hooknet's",
                details="another package's plugin is never overwritten",
                hint="give a directory of its own with --cni-dir, and list it first in cni_plugin_dirs",
            )
    return changes


def apply(changes: Sequence[Change], choices: Choices) -> None:
    """Write what is missing or outdated. Running it twice changes nothing. Raises IO."""
    wanted = text(choices).encode()
    for change in changes:
        if change.state in {State.MISSING, State.OUTDATED}:
            try:
                _write(change.path, wanted)
            except OSError as error:
                raise HooknetError(
                    Kind.IO, f"can't write {change.path}: {error.strerror}", hint="run it as root"
                ) from None


def remove(directory: Path) -> Iterator[Path]:
    """Delete our shims in `directory`, and only those; yields what was deleted."""
    for name in NAMES:
        path = directory / name
        if _state(path, b"") is State.OUTDATED:
            path.unlink()
            yield path


def _state(path: Path, wanted: bytes) -> State:
    """A link is foreign: what it points to is not ours to replace."""
    if path.is_symlink():
        return State.FOREIGN
    try:
        with path.open("rb") as file:
            found = file.read(HEAD)
            if SIGNATURE not in found:
                return State.FOREIGN
            found += file.read()
            mode = os.fstat(file.fileno()).st_mode & 0o777
    except FileNotFoundError:
        return State.MISSING
    except OSError:
        return State.FOREIGN
    return State.CURRENT if found == wanted and mode == MODE else State.OUTDATED


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.hooknet-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _refuse_odd(path: Path) -> None:
    if not PLAIN_PATH.fullmatch(str(path)):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{str(path)!r} can't be written into the shim",
            hint="give an absolute path of letters, digits and . _ - + @ % = ,",
        )
    if len(os.fsencode(path)) > LONGEST_SOCKET and path.suffix == ".sock":
        raise HooknetError(
            Kind.BAD_CONFIG, f"{path} is too long for a socket", hint=f"at most {LONGEST_SOCKET} bytes"
        )
