"""Where it is measured: the tests' lab, with room for thousands of leases, and boxes that stand for containers.

One LAN, one host, dnsmasq without its ping check (which would delay every OFFER by 3 s) and, where the time is
taken, without a lease file, which it would write anew, whole, for each ACK: with 1 000 leases that would measure
dnsmasq.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import signal
import tempfile
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

from lab import Daemon, Host, Lab, Lan, world
from lab.daemon import install_shims
from lab.lan import SWITCH
from lab.podman import make_image_store
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from calls import Outcome

NETWORK = IPv4Network("10.77.0.0/16")
FIRST, LAST = 256, 60_000
CLONE_NEWNET = 0x40000000
NAMES = Path("/run/netns")
DISK = Path(__file__).resolve().parents[3] / ".cache"
"""The journal's: a world's own folders are memory, where a commit costs nothing."""

numbers = itertools.count(1)
libc = ctypes.CDLL(None, use_errno=True)


class Box:
    """A network namespace that plays one container after the other: each ADD has a new container id."""

    def __init__(self, netns: str) -> None:
        self.netns = netns
        self.path = NAMES / netns
        self.renew()

    def renew(self) -> None:
        """Another container."""
        self.name = f"box{next(numbers)}"
        self.container_id = f"{self.name}-{os.getpid()}"


class Ground:
    """A LAN and a host for one part of the run.

    lease_file: whether the server writes one. Leases are renewed after half an hour, if not told otherwise.
    """

    def __init__(self, *, lease_file: bool = False) -> None:
        folder = world.FOLDER
        folder.mkdir(exist_ok=True)
        self.shims = folder / "shims"
        if not self.shims.exists():
            install_shims(self.shims)
            make_image_store(folder / "images")
        self.lab = Lab(folder, images=folder / "images/root", shims=self.shims)
        self.lan: Lan = self.lab.lan()
        self._times = folder / f"times{next(numbers)}"
        self._times.touch()
        self.lan.serve(
            "dnsmasq",
            network=NETWORK,
            first=FIRST,
            last=LAST,
            extra=(
                "dhcp-lease-max=20000",
                f"dhcp-optsfile={self._times}",
                *(() if lease_file else ("leasefile-ro",)),
            ),
        )
        self.host: Host = self.lab.host(self.lan)
        self._boxes: list[Box] = []
        self._state = tempfile.TemporaryDirectory(prefix="state-", dir=DISK)
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        enter(self.host.netns.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lab.close()
        self._state.cleanup()
        batch("netns delete", (box.netns for box in self._boxes))
        setns(self._home)
        os.close(self._home)

    def daemon(self, config: str = "", *, podman_url: str = "") -> Daemon:
        """hooknet, serving, which follows a podman as it would on a real host: the host's own, or that one."""
        if not podman_url:
            self.host.podman.service()
            podman_url = self.host.podman.url
        daemon = self.host.daemon(
            config, podman_url=podman_url, arguments=[f"--state-dir={self._state.name}"]
        )
        daemon.start()
        return daemon

    def renew_every(self, seconds: int) -> None:
        """What is leased or renewed from now on is renewed after so many seconds."""
        self._times.write_text(f"option:T1,{seconds}\noption:T2,{seconds * 2}\n", encoding="ascii")
        self.lan.server.log.mark()
        self.lan.server.process.signal(signal.SIGHUP)
        self.lan.server.process.wait_for(f"read {re.escape(str(self._times))}")

    def acquaint(self, outcomes: Sequence[Outcome]) -> None:
        """Tell the server's machine who has which address.

        It shares the kernel's one table of neighbours (1024, for all namespaces) with the host, which it would not
        outside of a lab; entries that are permanent don't count.
        """
        known = (f"{o.address} lladdr {o.mac} dev {SWITCH} nud permanent" for o in outcomes if o.address)
        batch("neigh replace", known, "-n", self.lan.name)

    def boxes(self, count: int) -> list[Box]:
        """`count` empty boxes; those of an earlier call are not given out again."""
        names = [f"bench{next(numbers)}" for _ in range(count)]
        batch("netns add", names)
        new = [Box(name) for name in names]
        self._boxes += new
        return new


def enter(path: Path) -> None:
    """Put this thread, and with it every plugin that it runs, into a network namespace."""
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(there)
    finally:
        os.close(there)


def setns(descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def batch(command: str, names: Iterable[str], *where: str) -> None:
    run(
        ["ip", *where, "-force", "-batch", "-"],
        stdin="".join(f"{command} {name}\n" for name in names),
        check=False,
    )
