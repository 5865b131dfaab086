"""What the tests of the hooks share: plugins without packages, packages on disk, a clock, and async tests."""

from __future__ import annotations

import asyncio
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, distributions
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Self

import pytest

import hooknet
from hooknet.config import Config, PluginsConfig
from hooknet.hooks.dispatcher import Plugins
from hooknet.hooks.limits import Limits, SystemClock
from hooknet.hooks.loading import Loader
from hooknet.testing.plugins import MemoryOutbox

DEADLINE = 10.0
sys.path.insert(0, str(Path(__file__).parent))  # tests share sample_plugins


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests, none of them for ever."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), DEADLINE))
    return True


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition of the daemon's side; the test's own deadline bounds it."""
    while not condition():  # noqa: ASYNC110 - the condition is the code under test, which sets no event for us
        await asyncio.sleep(0.002)


class Sleeper(SystemClock):
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.wall_time = 1_700_000_000.0
        self._sleeping: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.wall_time

    async def sleep(self, seconds: float) -> None:
        until_then = asyncio.get_running_loop().create_future()
        self._sleeping.append((self.time + seconds, until_then))
        await until_then

    @property
    def sleepers(self) -> int:
        return sum(not future.done() for _, future in self._sleeping)

    async def advance(self, seconds: float) -> None:
        self.time += seconds
        self.wall_time += seconds
        for due, future in self._sleeping:
            if due <= self.time and not future.done():
                future.set_result(None)
        await asyncio.sleep(0)


@dataclass
class Distribution:
    name: str
    version: str = "1.0"


@dataclass
class Offer:
    """An entry point that needs no package."""

    name: str
    target: Any
    dist: Distribution
    value: str = ""

    def load(self) -> Any:
        return self.target


class Heartbeat:
    """Whether the daemon's own loop went on: the longest pause between two beats, seconds."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0.005)
            self.longest = max(self.longest, loop.time() - last)
            last = loop.time()


class Lab:
    """Makes `Plugins` from objects and remembers what they told."""

    def __init__(self, state_dir: Path, clock: SystemClock) -> None:
        self.state_dir = state_dir
        self.clock = clock
        self.events: list[dict[str, Any]] = []
        self.offers: list[Any] = []
        self.hangs = threading.Event()

    def plugins(self, *, settings: Any = None, limits: Any = None, **targets: Any) -> Plugins:
        self.offers += [Offer(name, target, Distribution(f"pkg-{name}")) for name, target in targets.items()]
        loader = Loader(state_dir=self.state_dir, timeout=2.0, discover=lambda: list(self.offers))
        bounds = replace(Limits(heartbeat=0.05, load=2.0), **(limits or {}))
        return Plugins(loader, self.config(settings), limits=bounds, clock=self.clock, publish=self.heard)

    @staticmethod
    def config(settings: Any = None, **more: Any) -> Config:
        return Config(plugins=PluginsConfig(settings=settings or {}, **more))

    def heard(self, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind, **fields})

    def outcomes(self, plugin: str) -> list[str]:
        return [event["outcome"] for event in self.events if event["plugin"] == plugin]

    def hang(self) -> None:
        """What a plugin does that never comes back; ends with the test."""
        self.hangs.wait(30)


class Site:
    """A folder of installed packages."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(
        self, module: str, code: str, *, entry_points: dict[str, str], package: str = "", version: str = "1.0"
    ) -> None:
        name = package or module.replace("_", "-")
        (self.path / f"{module}.py").write_text(textwrap.dedent(code))
        info = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = "\n".join(f"{key} = {value}" for key, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[hooknet]\n{lines}\n")

    def discover(self) -> list[EntryPoint]:
        found = [one for dist in distributions(path=[str(self.path)]) for one in dist.entry_points]
        return [one for one in found if one.group == "hooknet"]

    def loader(self, state_dir: Path) -> Loader:
        return Loader(state_dir=state_dir, timeout=2.0, discover=self.discover)


@pytest.fixture
def clock() -> Sleeper:
    return Sleeper()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Real time."""
    made = Lab(tmp_path, SystemClock())
    yield made
    made.hangs.set()


@pytest.fixture
def timed(tmp_path: Path, clock: Sleeper) -> Iterator[Lab]:
    """Time that the test moves."""
    made = Lab(tmp_path, clock)
    yield made
    made.hangs.set()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    yield Site(path)
    for module in path.glob("*.py"):
        sys.modules.pop(module.stem, None)


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


def an_attachment(**changes: Any) -> hooknet.Attachment:
    base = hooknet.Attachment(
        container_id="0123456789abcdef",
        ifname="eth0",
        network="lan",
        netns="/run/netns/x",
        parent="enp1",
        container_name="web",
    )
    return replace(base, **changes)


def a_request(**changes: Any) -> hooknet.LeaseRequest:
    base = hooknet.LeaseRequest(mac="02:00:00:00:00:01", client_id=b"\xff\x00\x01", hostname="web")
    return replace(base, **changes)


def a_lease(**changes: Any) -> hooknet.Lease:
    base = hooknet.Lease(
        address=IPv4Interface("192.0.2.10/24"),
        server=IPv4Address("192.0.2.1"),
        mac="02:00:00:00:00:01",
        client_id=b"\xff\x00\x01",
        obtained=datetime(2024, 5, 1, tzinfo=UTC),
        lease_time=3600,
        options={6: b"\x01\x02\x03\x04"},
    )
    return replace(base, **changes)


def a_container(**changes: Any) -> hooknet.Container:
    return replace(hooknet.Container(id="0123456789abcdef", name="web", labels={"a": "b"}), **changes)


async def no_lookup() -> None:
    """A lookup that must not be made."""
    pytest.fail("the container was looked up, and nobody asked for it")


class Kit:
    """The helpers above, for test modules that can't import a conftest."""

    until = staticmethod(until)
    no_lookup = staticmethod(no_lookup)
    attachment = staticmethod(an_attachment)
    request = staticmethod(a_request)
    lease = staticmethod(a_lease)
    container = staticmethod(a_container)
    heartbeat = Heartbeat
    offer = Offer
    distribution = Distribution

    @staticmethod
    async def fold(plugins: Plugins, **changes: Any) -> Any:
        """One `pre_lease`."""
        return await plugins.pre_lease(an_attachment(), a_request(**changes), no_lookup)

    @staticmethod
    async def owe(
        plugins: Plugins, outbox: MemoryOutbox, reason: str, name: str = "web", **lease: Any
    ) -> None:
        """One observer's event, committed as the lifecycle does."""
        attachment, granted = an_attachment(container_name=name), a_lease(**lease)
        if reason in hooknet.ReleaseReason.__members__:
            rows = plugins.deliveries_for_release(attachment, granted, hooknet.ReleaseReason[reason], None)
        else:
            rows = plugins.deliveries_for_post_lease(
                attachment, granted, hooknet.PostLeaseReason[reason], None, None
            )
        outbox.commit(rows)
        plugins.wake()


@pytest.fixture
def kit() -> type[Kit]:
    return Kit
