"""Fault 8, as the daemon meets it: a machine that was suspended past a deadline notices soon after it wakes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hooknet.lifecycle import keep
from hooknet.lifecycle.keep import LONGEST_SLEEP, Keeper

NOTICED_WITHIN = 30.0


class Started(Keeper):
    """A keeper that only tells which sessions it would start."""

    def __init__(self, machine: Any, registry: Any) -> None:
        super().__init__(
            SimpleNamespace(services=SimpleNamespace(machine=machine, registry=registry)), lambda _: None
        )
        self.started: list[Any] = []

    def _start(self, entry: Any, step: Any, *, in_turn: bool) -> None:
        self.started.append(entry)
        entry.client.deadline = None


def test_the_keeper_never_sleeps_longer_than_a_wake_up_may_take() -> None:
    """Its sleep is the loop's, which stands still in a suspend; CLOCK_BOOTTIME, by which leases run, does not."""
    assert LONGEST_SLEEP <= NOTICED_WITHIN / 2


async def wakes_up(monkeypatch: Any) -> list[Any]:
    monkeypatch.setattr(keep, "LONGEST_SLEEP", 0.01)
    clock = SimpleNamespace(seconds=1000.0)
    machine = SimpleNamespace(now=lambda: clock.seconds)
    entry = SimpleNamespace(key="c1", client=SimpleNamespace(deadline=5000.0), session=None)
    keeper = Started(machine, SimpleNamespace(is_current=lambda _: True))
    keeper.schedule(entry)
    running = asyncio.create_task(keeper.run())
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert keeper.started == []
    clock.seconds = 9000.0  # suspended, far past T1, T2 and the end
    async with asyncio.timeout(5):
        while not keeper.started:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return keeper.started


def test_fault_08_after_a_suspend_the_next_wake_up_starts_what_is_overdue(monkeypatch: Any) -> None:
    assert len(asyncio.run(wakes_up(monkeypatch))) == 1
