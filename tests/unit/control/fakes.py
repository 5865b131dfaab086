"""A daemon that is made of plain values, and its control API on a real unix socket in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

from hooknet.errors import HooknetError, Kind
from hooknet.frontends.control.access import Limits
from hooknet.frontends.control.server import ControlServer
from hooknet.frontends.control.sources import (
    ParentView,
    PlannedAction,
    PodmanView,
    Problem,
    StatusView,
    StoreView,
)
from hooknet.frontends.metrics import Metrics
from hooknet.lifecycle.bus import EventBus
from hooknet.lifecycle.requests import AttachmentView
from hooknet.model import Attachment, Lease, Route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE = 10.0


def lease(address: str = "192.168.1.222/24", **changes: Any) -> Lease:
    values = {
        "address": IPv4Interface(address),
        "server": IPv4Address("192.168.1.1"),
        "mac": "02:00:00:00:00:01",
        "client_id": b"\xff\x01",
        "obtained": datetime.now(UTC),
        "lease_time": 43200,
        "t1": 21600,
        "t2": 37800,
        "routers": (IPv4Address("192.168.1.1"),),
        "routes": (
            Route(IPv4Network("0.0.0.0/0"), IPv4Address("192.168.1.1")),
            Route(IPv4Network("10.0.0.0/8")),
        ),
        "dns": (IPv4Address("192.168.1.1"), IPv4Address("9.9.9.9")),
        "domain": "lan.example",
        "search": ("lan.example",),
        "ntp": (IPv4Address("192.168.1.1"),),
        "mtu": 1500,
    }
    return Lease(**(values | changes))


def view(
    name: str | None = "web", *, network: str = "lan", state: str = "BOUND", **changes: Any
) -> AttachmentView:
    attachment = Attachment(
        container_id=(name or "anon").encode().hex().ljust(64, "0"),
        ifname="eth0",
        network=network,
        netns=f"/run/netns/{name}",
        parent="enp0s31f6",
        container_name=name,
        generation=1,
    )
    values = {
        "attachment": attachment,
        "phase": "REPLIED",
        "state": state,
        "mac": "02:00:00:00:00:01",
        "client_id": "ff01",
        "hostname": name,
        "lease": lease(),
        "changed_by": {"mac": "static-mac"},
        "timing": {"parsed": 0.4, "linked": 5.0, "bound": 9.75, "configured": 12.5},
    }
    return AttachmentView(**(values | changes))


@dataclass
class Plugin:
    name: str = "dns"
    version: str = "1.2"
    distribution: str = "hooknet"
    hooks: tuple[str, ...] = ("post_lease", "release")
    state: str = "active"
    calls: int = 7
    p50_ms: float | None = 1.5
    p95_ms: float | None = None
    failures: int = 2
    last_error: str | None = None
    reason: str = ""
    on_failure: str = "skip"
    strikes: int = 0
    pending: int = 0
    dropped: int = 0
    quarantine_s: float = 0.0


def status(**changes: Any) -> StatusView:
    values = {
        "healthy": True,
        "version": "0.1.0",
        "uptime_s": 93784.0,
        "pid": 4242,
        "store": StoreView(state="ok", path="/var/lib/hooknet/hooknet.db"),
        "podman": (
            PodmanView(
                url="unix:///run/podman/podman.sock",
                state="following",
                events=12,
                last_event=datetime.now(UTC) - timedelta(seconds=90),
            ),
            PodmanView(url="unix:///run/other.sock", state="absent", detail="no such file"),
        ),
        "parents": (ParentView(name="enp0s31f6", up=True, carrier=True, attachments=2),),
        "counts": {"attachments": 2, "leases": 1},
        "config": "/etc/hooknet/hooknet.toml",
    }
    return StatusView(**(values | changes))


def sick() -> StatusView:
    problem = Problem("the journal can't be written", "no space left on device", "free some space")
    return status(healthy=False, problems=(problem,))


@dataclass
class FakeSources:
    """Implements `Sources` with what the test put in; notes what was asked of it."""

    held: list[AttachmentView] = field(default_factory=lambda: [view("web"), view("db", network="iot")])
    found: list[Plugin] = field(default_factory=lambda: [Plugin(), Plugin("alpha")])
    health: StatusView = field(default_factory=status)
    asked: list[str] = field(default_factory=list)
    bus: EventBus = field(default_factory=EventBus)
    slow: float = 0.0
    failure: Exception | None = None

    def leases(self) -> Any:
        return self.held

    def plugins(self) -> Any:
        return self.found

    def status(self) -> Any:
        if self.failure:
            raise self.failure
        return self.health

    def events(self, *, since: Any, follow: Any) -> Any:
        return self.bus.subscribe(since=since, follow=follow)

    async def reconcile(self, *, dry_run: Any) -> Any:
        self.asked.append(f"reconcile dry_run={dry_run}")
        return [PlannedAction(action="release", who="old/eth0@lan", why="its netns is gone")]

    async def reload(self) -> Any:
        self.asked.append("reload")
        await asyncio.sleep(self.slow)
        self.asked.append("reloaded")
        return ["daemon.log_level: info -> debug"]

    async def plugin_enable(self, name: Any) -> None:
        self._set(name, "active")

    async def plugin_disable(self, name: Any) -> None:
        self._set(name, "disabled")

    def _set(self, name: Any, state: Any) -> None:
        for plugin in self.found:
            if plugin.name == name:
                plugin.state = state
                return
        raise HooknetError(Kind.NOT_FOUND, f"there is no plugin {name!r}")


@dataclass
class Running:
    """A control API that runs: its folder, its sources, and a way into its loop."""

    run_dir: Path
    sources: FakeSources
    metrics: Metrics
    loop: asyncio.AbstractEventLoop
    server: ControlServer

    @property
    def socket(self) -> Path:
        return self.run_dir / "control.sock"

    def publish(self, kind: str, **fields: Any) -> None:
        self.loop.call_soon_threadsafe(lambda: self.sources.bus.publish(kind, **fields))

    def in_loop(self, work: Any) -> Any:
        """What the coroutine `work` returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE)

    def until(self, condition: Any) -> None:
        """Wait until `condition()`, asked in the loop, is true."""

        async def wait() -> None:
            async with asyncio.timeout(DEADLINE):
                while not condition():  # noqa: ASYNC110 - any condition, of any object, can be waited for
                    await asyncio.sleep(0.005)

        self.in_loop(wait())


@contextmanager
def running(
    folder: Path, *, sources: FakeSources | None = None, owner: int, limits: Limits | None = None
) -> Iterator[Any]:
    """The control API of `sources` on `folder`/control.sock."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(folder / "control.sock"))
    listening.listen(100)
    listening.setblocking(False)  # noqa: FBT003 - socket's own signature
    metrics = Metrics()
    chosen = sources or FakeSources()
    metrics.watch(chosen)
    chosen.bus.listen(metrics.observe)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="control")
    thread.start()
    server = ControlServer(chosen, metrics, owner=owner, limits=limits or Limits(stop_deadline=0.5))
    started = Running(folder, chosen, metrics, loop, server)
    try:
        started.in_loop(server.start(listening))
        yield started
    finally:
        started.in_loop(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()
        listening.close()
