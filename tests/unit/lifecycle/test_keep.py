"""Fault 8, as the daemon meets it: a machine that was suspended past a deadline notices soon after it wakes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hooknet.lifecycle import keep
from hooknet.lifecycle.keep import LONGEST_SLEEP, Keeper

NOTICED_WITHIN = 30.0


class Due:
    """An entry whose client wants something at `deadline`."""

    def __init__(self, deadline: float) -> None:
        self.client = SimpleNamespace(deadline=deadline)
        self.session = None
        self.key = "c1"


class Started(Keeper):
    """A keeper that only tells that it would start a session."""

    def __init__(self, machine: Any) -> None:
        services = SimpleNamespace(machine=machine, registry=SimpleNamespace(is_current=lambda _: True))
        super().__init__(SimpleNamespace(services=services), lambda _: None)
        self.started = asyncio.Event()

    def _start(self, entry: Any, step: Any, *, in_turn: bool) -> None:
        entry.client.deadline = None
        self.started.set()


def test_the_keeper_never_sleeps_longer_than_a_wake_up_may_take() -> None:
    """Its sleep is the loop's, which stands still in a suspend; CLOCK_BOOTTIME, by which leases run, does not."""
    assert LONGEST_SLEEP <= NOTICED_WITHIN / 2


async def suspend(monkeypatch: Any) -> None:
    monkeypatch.setattr(keep, "LONGEST_SLEEP", 0.01)
    clock = SimpleNamespace(seconds=1000.0)
    keeper = Started(SimpleNamespace(now=lambda: clock.seconds))
    keeper.schedule(Due(5000.0))
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.05)
    assert not keeper.started.is_set()
    clock.seconds = 9000.0  # far past T1, T2 and the end
    await asyncio.wait_for(keeper.started.wait(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_fault_08_after_a_suspend_the_next_wake_up_starts_what_is_overdue(monkeypatch: Any) -> None:
    asyncio.run(suspend(monkeypatch))
