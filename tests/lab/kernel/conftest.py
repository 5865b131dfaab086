"""Network namespaces without names: made by a thread, held by a descriptor, gone when it is closed.

Nothing of a test reaches the machine's own namespace: "the host" is an anonymous namespace too. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hooknet.kernel import links
from hooknet.kernel.netns import CLONE_NEWNET, entered
from hooknet.kernel.packet import SOL_PACKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE = 5.0


class Space:
    """One anonymous network namespace."""

    def __init__(self) -> None:
        self.fd = _in_thread(_unshare)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self.ip("link set lo up")

    def close(self) -> None:
        os.close(self.fd)

    def run(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `fn` in a thread that is inside for that time."""

        def inside() -> Any:
            with entered(self.fd):
                return fn(*args, **kwargs)

        return _in_thread(inside)

    def ip(self, command: str) -> str:
        """Run `ip COMMAND` here."""
        done = self.run(
            subprocess.run, ["ip", *shlex.split(command)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"ip {command}: {done.stderr}"
        return done.stdout

    def mac(self, ifname: str) -> str:
        return self.ip(f"-br link show {ifname}").split()[2]


@dataclass
class Lan:
    """A host with a parent `up0`, and the LAN behind it with `lan0` (10.9.0.1/24)."""

    host: Space
    outside: Space
    spaces: list[Space]

    def container(self) -> Space:
        space = Space()
        self.spaces.append(space)
        return space

    def listener(self, protocol: int = 0x0003) -> socket.socket:
        """A raw socket on lan0 that hears everything that reaches the wire."""

        def opened() -> socket.socket:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
            raw.bind(("lan0", protocol))
            raw.setsockopt(SOL_PACKET, 23, 1)
            raw.settimeout(DEADLINE)
            return raw

        return self.outside.run(opened)

    def attach(self, ifname: str = "eth0", mac: str = "02:00:00:00:00:01") -> Space:
        """A container with a macvlan on up0."""
        space = self.container()
        parent = self.host.run(links.parent, "up0")
        self.host.run(links.create_macvlan, parent=parent, netns_fd=space.fd, ifname=ifname, mac=mac)
        return space


@pytest.fixture
def lan() -> Iterator[Lan]:
    host, outside = Space(), Space()
    lan = Lan(host, outside, [host, outside])
    host.ip(f"link add up0 type veth peer name lan0 netns {outside.path}")
    host.ip("link set up0 up")
    outside.ip("link set lan0 up")
    outside.ip("addr add 10.9.0.1/24 dev lan0")
    yield lan
    for space in lan.spaces:
        space.close()


@pytest.fixture
def space() -> Iterator[Space]:
    space = Space()
    yield space
    space.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """`eventually(condition)`: what it returns once that is true; fails after the deadline."""

    def wait(condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.005)
        raise AssertionError("it did not happen in time")

    return wait


def _unshare() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        pytest.skip("network namespaces need root (CAP_SYS_ADMIN)")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(fn: Callable[[], Any]) -> Any:
    outcome: list[Any] = []

    def body() -> None:
        try:
            outcome.append((fn(), None))
        except BaseException as error:  # noqa: BLE001 - raised again below, skips included
            outcome.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
