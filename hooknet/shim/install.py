"""The shims: one text, under the names that conflists use. `install.plan` writes them.

`hooknet` is the CNI plugin; `macvlan` and `dhcp` are the drop-ins, for conflists that stay as they are. All three are
the same file. What differs between machines is written into it: the daemon's absolute path (its isolated Python sees
no venv), the interpreter, and the sockets to dial. Nothing of that is taken from the environment at run time.

A file that is not a shim is never touched: a distribution's `macvlan` belongs to the distribution. So drop-ins want a
directory of their own, which containers.conf lists first.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hooknet.errors import HooknetError, Kind
from hooknet.shim.compiled import with_compiled

PLUGIN = "hooknet"
DROP_INS = ("macvlan", "dhcp")
NAMES = (PLUGIN, *DROP_INS)
MODE = 0o755
INTERPRETER = Path("/usr/bin/python3")
SOCKETS = (Path("/run/hooknet/cni.sock"), Path("/run/cni/dhcp.sock"))
SIGNATURE = b"\n''':' # hooknet shim:"
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+@%=,/-]*")
LONGEST_SOCKET = 107


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
    for path in choices.sockets:
        _refuse_long(path)
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
    return with_compiled(written, choices.interpreter)


def _refuse_odd(path: Path) -> None:
    if not PLAIN_PATH.fullmatch(str(path)):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{str(path)!r} can't be written into the shim",
            hint="give an absolute path of letters, digits and . _ - + @ % = ,",
        )


def _refuse_long(path: Path) -> None:
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{path} is too long for a socket",
            details=f"the kernel takes {LONGEST_SOCKET} bytes",
            hint="put it into a folder with a shorter path",
        )
