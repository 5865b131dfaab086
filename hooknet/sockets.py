"""The daemon's listening sockets: handed over by systemd, or made here.

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
ANOTHER_DAEMON = "stop the other daemon, or give this one another --run-dir"
ANOTHER_PROXY = (
    "is it netavark's own? systemctl disable --now netavark-dhcp-proxy.socket netavark-dhcp-proxy.service, then: "
    "systemctl restart hooknet. Or take proxy = true out of hooknet.toml"
)


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
            name: handed.get(name)
            or make(stack, run_dir / f"{name}.sock", MODES[name], if_served=ANOTHER_DAEMON)
            for name in MODES
        }
        for listening in found.values():
            listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        yield Sockets(found[CNI], found[CONTROL])


@contextlib.contextmanager
def open_proxy_socket(handed: Mapping[str, socket.socket]) -> Iterator[socket.socket]:
    """The socket on which netavark looks for its dhcp-proxy.

    Raises UNAVAILABLE when another process serves it, IO when it can't be made.
    """
    with contextlib.ExitStack() as stack:
        listening = handed.get(PROXY) or make(stack, PROXY_SOCKET, 0o600, if_served=ANOTHER_PROXY)
        listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        yield listening


def make(stack: contextlib.ExitStack, path: Path, mode: int, *, if_served: str) -> socket.socket:
    """`if_served`: what to do when another process has it. Raises UNAVAILABLE then, or IO."""
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        clear_the_way(path, if_served)
        listening = stack.enter_context(bound(path))
        stack.callback(unlink, path)
        give_to_group(path, mode)
        listening.listen(BACKLOG)
    except OSError as error:
        raise HooknetError(
            Kind.IO,
            f"can't make the socket {path}: {error.strerror}",
            hint=f"the daemon must be able to write in {path.parent}: is it there, and in the unit's ReadWritePaths?",
        ) from None
    return listening


def bound(path: Path) -> socket.socket:
    """A socket with a name, which nobody but root may open yet."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def unlink(path: Path) -> None:
    """At the end; a file that can't be deleted any more is replaced by the next daemon."""
    with contextlib.suppress(OSError):
        path.unlink()


def clear_the_way(path: Path, if_served: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if is_socket and is_answered(path):
        raise HooknetError(Kind.UNAVAILABLE, f"another process serves {path}", hint=if_served)
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
