"""What the reconciler remembers from one picture to the next."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.planner import Act, Action
from hooknet.lifecycle.ports import Listed
from hooknet.lifecycle.reconcile import Reconciler
from hooknet.model import AttachmentKey, Phase

KEY = AttachmentKey("c1", "eth0", "lan")
NETNS = (4, 100)
PERIOD = 60.0


class Registry(list[Any]):
    """One attachment, of which no ADD or DEL is under way."""

    keys = SimpleNamespace(is_held=lambda _key: False)

    def of_container(self, _container_id: str) -> list[Any]:
        return list(self)


class Machine:
    """The netns is there, and can't be looked into; no process is."""

    boot_id = "boot-1"
    time = 1000.0

    def now(self) -> float:
        return self.time

    def identify(self, _path: str) -> tuple[int, int]:
        return NETNS

    def netns(self, _path: str, _expected: object) -> Any:
        raise HooknetError(Kind.BAD_NETNS, "the test does not let anybody in")

    def process_started(self, _pid: int) -> None:
        return None


class Podman:
    """It says that the container runs, by a process that nobody finds."""

    async def containers(self) -> dict[str, Listed]:
        return {"c1": Listed(pid=4711)}


async def nothing() -> None: ...


def attachment(generation: int) -> Any:
    record = SimpleNamespace(
        key=KEY,
        generation=generation,
        boot_id="boot-1",
        netns_id=NETNS,
        phase=Phase.REPLIED,
        attachment=SimpleNamespace(netns="/run/netns/x"),
        l2_only=True,
        process=None,
    )
    return SimpleNamespace(
        key=KEY,
        generation=generation,
        record=record,
        client=None,
        is_being_answered=False,
        is_replied=lambda: True,
    )


@pytest.fixture
def stand() -> Any:
    """A reconciler that only says what it would do, its registry and its clock."""
    machine, registry = Machine(), Registry([attachment(1)])
    services = SimpleNamespace(
        machine=machine,
        registry=registry,
        config=SimpleNamespace(daemon=SimpleNamespace(reconcile_interval=PERIOD)),
        journal=SimpleNamespace(heal=nothing),
        bus=SimpleNamespace(publish=lambda *_args, **_fields: None),
    )
    told: list[Action] = []

    class Telling(Reconciler):
        async def _carry_out(self, action: Action) -> None:
            told.append(action)

    leases: Any = SimpleNamespace(services=services)
    endings: Any = SimpleNamespace(retry=nothing)
    unused: Any = None
    reconciler = Telling(leases, unused, endings, unused, Podman())
    return SimpleNamespace(reconciler=reconciler, registry=registry, machine=machine, told=told)


def look(stand: Any) -> list[tuple[Act, int]]:
    stand.told.clear()
    asyncio.run(stand.reconciler.reconcile())
    return [(action.act, action.generation) for action in stand.told]


def test_fault_25_a_process_that_is_dead_for_a_whole_period_ends_its_attachment(stand: Any) -> None:
    assert look(stand) == []
    stand.machine.time += PERIOD
    assert look(stand) == [(Act.RELEASE, 1)]


def test_a_container_that_was_started_again_is_not_dead_because_it_was_before(stand: Any) -> None:
    """podman calls ADD before it has a process: a look in between finds the new attachment without one."""
    assert look(stand) == []
    stand.registry[:] = [attachment(2)]
    stand.machine.time += PERIOD
    assert look(stand) == []
    stand.machine.time += PERIOD
    assert look(stand) == [(Act.RELEASE, 2)]
