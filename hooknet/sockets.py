"""The daemon's two listening sockets: handed over by systemd, or made here.

A socket file that a killed daemon left behind is replaced; one that somebody answers is not. Sockets that were
handed over are never unlinked: they are systemd's, and outlive the daemon.
"""

from __future__ import annotations

import contextlib
import grp
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hooknet.errors import HooknetError, Kind
from hooknet.systemd import CNI, CONTROL, PROXY

GROUP = "hooknet"
BACKLOG = 512
PROXY_SOCKET = Path("/run/podman/nv-proxy.sock")
"""Written into netavark: it can't be elsewhere."""

MODES = {CNI: 0o600, CONTROL: 0o660}


@dataclass(frozen=True, slots=True)
class Sockets:
    """Listening, and owned by the caller."""

    cni: socket.socket
    control: socket.socket


@contextlib.contextmanager
def open_sockets(run_dir: Path, handed: Mapping[str, socket.socket]) -> Iterator[Sockets]:
    """Both sockets, for as long as the block lasts. Raises UNAVAILABLE when another process serves one."""
    with contextlib.ExitStack() as stack:
        found = {
            name: handed.get(name) or make(stack, run_dir / f"{name}.sock", MODES[name]) for name in MODES
        }
        for listening in found.values():
            listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        yield Sockets(found[CNI], found[CONTROL])


@contextlib.contextmanager
def open_proxy_socket(handed: Mapping[str, socket.socket]) -> Iterator[socket.socket]:
    """The socket on which netavark looks for its dhcp-proxy. Raises UNAVAILABLE when another process serves it."""
    with contextlib.ExitStack() as stack:
        listening = handed.get(PROXY)
        if listening is None:
            PROXY_SOCKET.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            listening = make(stack, PROXY_SOCKET, 0o600)
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        yield listening


def make(stack: contextlib.ExitStack, path: Path, mode: int) -> socket.socket:
    clear_the_way(path)
    listening = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        raise HooknetError(Kind.IO, f"can't make the socket {path}: {error.strerror}") from None
    finally:
        os.umask(before)
    stack.callback(path.unlink, missing_ok=True)
    give_to_group(path, mode)
    listening.listen(BACKLOG)
    return listening


def clear_the_way(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if is_socket and is_answered(path):
        raise HooknetError(
            Kind.UNAVAILABLE,
            f"another process serves {path}",
            hint="stop the other daemon, or give this one another --run-dir",
        )
    path.unlink()


def is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003 - as above
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def give_to_group(path: Path, mode: int) -> None:
    """Set the mode; a socket that a group may use belongs to the group `hooknet` where there is one."""
    if mode & 0o070:
        try:
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        except (KeyError, PermissionError):
            mode &= ~0o070
    path.chmod(mode)
