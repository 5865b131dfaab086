"""When the keeper sees to a lease: soon after a machine has woken (fault 8), in company, and never too late."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

from hooknet.lifecycle import keep
from hooknet.lifecycle.keep import GATHER, LONGEST_SLEEP, SHARE, Keeper, may_wait

NOTICED_WITHIN = 30.0


class Due:
    """An entry whose client wants something at `deadline`."""

    def __init__(self, deadline: float, expires: float = math.inf) -> None:
        self.client = SimpleNamespace(deadline=deadline, binding=SimpleNamespace(expires_at=expires))
        self.session = None
        self.key = "c1"


class Started(Keeper):
    """A keeper that only tells that it would start a session."""

    def __init__(self, machine: Any) -> None:
        services = SimpleNamespace(machine=machine, registry=SimpleNamespace(is_current=lambda _: True))
        super().__init__(SimpleNamespace(services=services), lambda _: None)
        self.machine = machine
        self.started = asyncio.Event()
        self.starts: list[tuple[Any, float]] = []

    def _start(self, entry: Any, step: Any, *, in_turn: bool) -> None:
        entry.client.deadline = None
        self.starts.append((entry, self.machine.now()))
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


class Clock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


def seen_to(*due: Due) -> dict[Any, float]:
    """Seconds from the first look until each was started, by a keeper that sleeps for as long as it may."""
    clock = Clock()
    keeper = Started(clock)
    for one in due:
        keeper.schedule(one)
    for _ in range(10 * len(due)):
        keeper._start_due()
        clock.seconds += keeper.left()
    return {entry: round(at - 1000.0, 3) for entry, at in keeper.starts}


def test_leases_that_are_due_one_after_the_other_are_seen_to_together() -> None:
    first, second, later = Due(1000.2), Due(1000.2 + GATHER / 2), Due(1000.3 + 2 * GATHER)
    starts = seen_to(first, second, later)
    assert starts[first] == starts[second] == 0.2 + GATHER
    assert starts[later] == round(0.3 + 3 * GATHER, 3)


def test_nobody_waits_for_company_until_its_lease_is_in_danger() -> None:
    """The one with little time left is seen to first, though it was due later, and the other goes along."""
    patient, hurried = Due(1000.2), Due(1000.5, expires=1003.5)
    starts = seen_to(patient, hurried)
    assert starts == {hurried: 0.8, patient: 0.8}


def test_how_long_a_lease_may_wait() -> None:
    assert may_wait(Due(100.0), 100.0) == GATHER
    assert may_wait(Due(100.0, expires=100.0 + 1000.0), 100.0) == GATHER
    assert may_wait(Due(100.0, expires=100.0 + 2.0), 100.0) == 2.0 * SHARE
    assert may_wait(Due(100.0, expires=100.0), 100.0) == 0.0
    assert may_wait(Due(100.0, expires=90.0), 100.0) == 0.0


def test_who_has_no_lease_waits_for_nobody() -> None:
    lost = Due(100.0)
    lost.client.binding = None
    assert may_wait(lost, 100.0) == 0.0
