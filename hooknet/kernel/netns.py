"""Network namespaces: what one is known by, and how a thread enters one and comes back.

A path is reused, so a namespace is known by device and inode of its nsfs file. A path that a caller gives is
opened once, checked to be a network namespace (ioctl_ns(2), NS_GET_NSTYPE) and not our own, and used by that
descriptor from then on: whatever happens to the path afterwards can't lead us elsewhere.

`entered` is the only way in. When the way back fails the thread is stranded: it must do nothing more, and
`Stranded` is no `Exception` so that no handler keeps it going by accident.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.refusals import NOT_PERMITTED, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

CLONE_NEWNET = 0x40000000
NS_GET_NSTYPE = 0xB703

OWN = "/proc/self/ns/net"  # of the thread group's leader, which never leaves its namespace
OF_THIS_THREAD = "/proc/thread-self/ns/net"

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ELOOP, errno.ENAMETOOLONG})

_libc = ctypes.PyDLL(None, use_errno=True)  # keeps Python's lock: the calls end at once


class Stranded(BaseException):
    """This thread could not return to its own network namespace and must end."""


@dataclass(frozen=True, slots=True)
class NetnsId:
    """What a network namespace is known by: device and inode of its nsfs file."""

    device: int
    inode: int

    def __str__(self) -> str:
        return f"{self.device}:{self.inode}"


class Netns:
    """An open network namespace. A context manager; keep it for one operation only, because it pins the netns."""

    __slots__ = ("fd", "id", "path")

    def __init__(self, fd: int, identity: NetnsId, path: str) -> None:
        self.fd = fd
        self.id = identity
        self.path = path

    def close(self) -> None:
        """Close the descriptor; doing so twice is harmless."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def identify(path: str) -> NetnsId | None:
    """Which network namespace `path` leads to; None when it is gone or is no network namespace."""
    try:
        fd = _open(path)
    except (OSError, ValueError):
        return None
    try:
        return _identity(fd) if _is_netns(fd) else None
    finally:
        os.close(fd)


def own_netns() -> NetnsId:
    """The network namespace that the daemon itself lives in."""
    found = Path(OWN).stat()
    return NetnsId(found.st_dev, found.st_ino)


def open_netns(path: str, *, allow_own: bool = False) -> Netns:
    """Open the network namespace at `path`.

    Raises BAD_NETNS (CNI code 8): nothing there, not a network namespace, or, without `allow_own`, our own.
    """
    try:
        fd = _open(path)
    except (OSError, ValueError) as error:
        raise _unopenable(path, error) from None
    try:
        identity = _checked(fd, path, allow_own=allow_own)
    except BaseException:
        os.close(fd)
        raise
    return Netns(fd, identity, path)


@contextmanager
def entered(fd: int) -> Iterator[None]:
    """Put the calling thread into the network namespace `fd` for the time of the block.

    Threads and subprocesses that are started inside inherit the namespace: start none. Raises BAD_NETNS
    when it can't be entered, Stranded when there is no way back.
    """
    home = os.open(OF_THIS_THREAD, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            setns(fd)
        except OSError as error:
            raise refused("enter the container's network namespace", error, Kind.BAD_NETNS) from None
        try:
            yield
        finally:
            try:
                setns(home)
            except OSError as error:
                raise Stranded(f"no way back to the daemon's network namespace: {error.strerror}") from error
    finally:
        os.close(home)


def return_home() -> None:
    """Put the calling thread into the daemon's own network namespace, if it is elsewhere. Raises Stranded."""
    own, this = Path(OWN).stat(), Path(OF_THIS_THREAD).stat()
    if (own.st_dev, own.st_ino) == (this.st_dev, this.st_ino):
        return
    home = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(home)
    except OSError as error:
        raise Stranded(f"no way to the daemon's network namespace: {error.strerror}") from error
    finally:
        os.close(home)


def setns(fd: int) -> None:
    """The system call, with CLONE_NEWNET, which RestrictNamespaces= of systemd insists on. Raises OSError."""
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _checked(fd: int, path: str, *, allow_own: bool) -> NetnsId:
    if not _is_netns(fd):
        raise HooknetError(
            Kind.BAD_NETNS, f"{path} is not a network namespace", hint="pass a path such as /run/netns/NAME"
        )
    identity = _identity(fd)
    if not allow_own and identity == own_netns():
        raise HooknetError(
            Kind.BAD_NETNS,
            f"{path} is the host's own network namespace",
            details="a macvlan there would change the host's own network",
            hint="run the container with a network namespace of its own (not --network host)",
        )
    return identity


def _open(path: str) -> int:
    # O_NONBLOCK: a FIFO in place of a namespace must not hold the caller
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


def _is_netns(fd: int) -> bool:
    try:
        return fcntl.ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False


def _identity(fd: int) -> NetnsId:
    found = os.fstat(fd)
    return NetnsId(found.st_dev, found.st_ino)


def _unopenable(path: str, error: OSError | ValueError) -> HooknetError:
    number = error.errno if isinstance(error, OSError) else None
    if number in GONE:
        return HooknetError(
            Kind.BAD_NETNS,
            f"there is no network namespace at {path}",
            hint="the container may have ended meanwhile; start it again",
        )
    why = error.strerror if isinstance(error, OSError) else str(error)
    hint = ""
    if number in NOT_PERMITTED:
        hint = "a path such as /run/netns/NAME needs no CAP_SYS_PTRACE, /proc/PID/ns/net does"
    return HooknetError(Kind.BAD_NETNS, f"can't open the network namespace {path}: {why}", hint=hint)
