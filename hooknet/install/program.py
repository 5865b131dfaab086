"""The program that units and shims start: `hooknet` beside the interpreter that runs us, a venv's most likely.

The unit sees no home directory (ProtectHome) and has a /tmp of its own (PrivateTmp). So neither the command, nor the
interpreter behind it, nor the package may lie there: a venv in /opt may still be a link to a Python under a home.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import hooknet
from hooknet.errors import HooknetError, Kind
from hooknet.install.root import Root
from hooknet.shim.install import INTERPRETER

HIDDEN = tuple(Path(path) for path in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108 - looked for
REMEDY = (
    "install it where services can see it, with the system's Python (yours may lie in your home as well): "
    "/usr/bin/python3 -m venv /opt/hooknet && /opt/hooknet/bin/pip install 'hooknet @ file:///path/to/the/clone' && "
    "/opt/hooknet/bin/hooknet install"
)


def parts_of(daemon: Path) -> list[tuple[str, Path]]:
    """What of the running program must be visible to the unit, in words."""
    return [
        ("the command", daemon),
        ("the command", daemon.resolve()),
        ("its interpreter", Path(sys.executable).resolve()),
        ("its Python", Path(sys.base_prefix).resolve()),
        ("the package", Path(hooknet.__file__).resolve().parent),
    ]


def require_visible(parts: Iterable[tuple[str, Path]]) -> None:
    """Raises NOT_ALLOWED for the first that a hardened unit can't see."""
    for what, path in parts:
        hidden = next((folder for folder in HIDDEN if lies_under(path, folder)), None)
        if hidden is not None:
            raise HooknetError(
                Kind.NOT_ALLOWED,
                f"{what} {path} lies under {hidden}",
                details="the daemon's unit does not see that directory",
                hint=REMEDY,
            )


def lies_under(path: Path, folder: Path) -> bool:
    """Whether by name, or where the folder really is: /home may be a link to /var/home."""
    return path.is_relative_to(folder) or path.is_relative_to(folder.resolve())


def require_there(root: Root, daemon: Path) -> None:
    """Raises NOT_FOUND when the root has no such command."""
    place = root.place(daemon)
    if not (place.is_file() and os.access(place, os.X_OK)):
        raise HooknetError(
            Kind.NOT_FOUND,
            f"there is no command {place}",
            hint="install the package there first; --daemon is the path as the installed system sees it",
        )


def interpreter(root: Root) -> Path:
    """The Python of the shims, which need no package: the system's. Raises NOT_FOUND without one."""
    if root.exists(INTERPRETER):
        return INTERPRETER
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    if root.is_machine and base.exists():
        return base
    raise HooknetError(
        Kind.NOT_FOUND, f"there is no {INTERPRETER}, which the CNI plugins run on", hint="install python3"
    )
