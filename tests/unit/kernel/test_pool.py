"""The pool's promises, with namespaces that are only numbers: where each thread is, is written down."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from contextlib import suppress
from typing import Never

import pytest
from kernel_calls import FOREIGN, HOME, Thing, run

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.pool import KernelPool


@pytest.fixture
def pool():
    pool = KernelPool(4, idle=0.5)
    yield pool
    pool.close()


def wait_until(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def test_a_call_runs_inside_and_its_worker_comes_home(pool, place) -> None:
    async def visit():
        inside = await pool.run_in(FOREIGN, place.now)
        return inside, [await pool.run(place.now) for _ in range(20)]

    inside, afterwards = run(visit())
    assert inside == FOREIGN
    assert set(afterwards) == {HOME}


def test_a_call_that_nobody_waits_for_runs_inside_and_tells_how_it_ended(pool, place) -> None:
    go = threading.Event()

    async def visit():
        slow = pool.start_in(FOREIGN, lambda: go.wait(5) and place.now())
        failing = pool.start_in(FOREIGN, lambda: 1 / 0)
        quick = await pool.run_in(FOREIGN, place.now)
        assert not slow.done()
        go.set()
        with pytest.raises(ZeroDivisionError):
            await failing
        return quick, await slow

    assert run(visit()) == (FOREIGN, FOREIGN)


def test_a_worker_comes_home_after_an_exception(pool, place) -> None:
    async def visit():
        with pytest.raises(ZeroDivisionError):
            await pool.run_in(FOREIGN, lambda: 1 / 0)
        return await pool.run(place.now)

    assert run(visit()) == HOME


def test_a_worker_that_can_not_come_home_dies_and_is_replaced(place) -> None:
    pool = KernelPool(1)

    def lock_the_door() -> None:
        place.locked.add(HOME)

    async def strand():
        lost = await pool.run(threading.current_thread)
        with pytest.raises(HooknetError) as caught:
            await pool.run_in(FOREIGN, lock_the_door)
        place.locked.clear()
        seen = await asyncio.gather(*(pool.run(place.now) for _ in range(20)))
        return lost, caught.value.kind, seen

    lost, kind, seen = run(strand())
    assert kind is Kind.INTERNAL
    assert set(seen) == {HOME}
    lost.join(5)
    assert not lost.is_alive()
    pool.close()


def test_a_stranded_worker_leaves_its_queue_to_a_successor(place) -> None:
    pool = KernelPool(1)
    release = threading.Event()

    def lock_the_door() -> None:
        release.wait(5)
        place.locked.add(HOME)

    async def strand():
        first = asyncio.ensure_future(pool.run_in(FOREIGN, lock_the_door))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(pool.run(place.now))
        await asyncio.sleep(0)
        release.set()
        with pytest.raises(HooknetError):
            await first
        return await second

    assert run(strand()) == HOME
    pool.close()


def test_a_namespace_that_can_not_be_entered_is_bad_and_nothing_is_called(pool, place) -> None:
    place.locked.add(FOREIGN)
    called = []

    async def enter():
        with pytest.raises(HooknetError) as caught:
            await pool.run_in(FOREIGN, called.append, 1)
        return caught.value.kind

    assert run(enter()) is Kind.BAD_NETNS
    assert called == []


def test_a_cancelled_caller_waits_for_its_call_and_what_it_opened_is_closed(pool) -> None:
    started, go, opened = threading.Event(), threading.Event(), Thing()

    def slow():
        started.set()
        go.wait(5)
        return opened

    async def cancel():
        task = asyncio.ensure_future(pool.run(slow))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=0.05)
        still_waiting = not done
        task.cancel()  # once more: it waits all the same
        go.set()
        with suppress(asyncio.CancelledError):
            await task
        return still_waiting, task.cancelled()

    assert run(cancel()) == (True, True)
    assert opened.closed.wait(5)


def test_a_cancelled_call_that_fails_is_still_only_cancelled(pool) -> None:
    started, go = threading.Event(), threading.Event()

    def slow() -> Never:
        started.set()
        go.wait(5)
        raise OSError("too late")

    async def cancel():
        task = asyncio.ensure_future(pool.run(slow))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        go.set()
        await asyncio.wait((task,))
        return task.cancelled()

    assert run(cancel())


def test_a_burst_uses_every_worker_and_no_more(pool) -> None:
    together = threading.Barrier(4)

    async def burst():
        await asyncio.gather(*(pool.run(together.wait, 5) for _ in range(8)))
        return pool.workers

    assert run(burst()) == 4


def test_idle_workers_end(pool) -> None:
    run(pool.run(int))
    assert pool.workers == 1
    wait_until(lambda: pool.workers == 0)


def test_what_somebody_awaits_goes_before_what_is_only_to_be_closed() -> None:
    pool = KernelPool(1)
    started, go = threading.Event(), threading.Event()
    order = []

    class Closing:
        def close(self) -> None:
            order.append("closed")

    def first() -> None:
        started.set()
        go.wait(5)

    async def race() -> None:
        blocked = asyncio.ensure_future(pool.run(first))
        await asyncio.to_thread(started.wait, 5)
        pool.discard(Closing())
        awaited = asyncio.ensure_future(pool.run(order.append, "awaited"))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(blocked, awaited)

    run(race())
    pool.close()
    assert order == ["awaited", "closed"]


def test_closing_finishes_what_is_queued_and_refuses_more(pool) -> None:
    things = [Thing() for _ in range(20)]
    for thing in things:
        pool.discard(thing)
    pool.close()
    assert all(thing.closed.is_set() for thing in things)
    assert pool.workers == 0
    with pytest.raises(HooknetError):
        run(pool.run(int))


def test_what_is_discarded_after_the_end_is_closed_all_the_same(pool) -> None:
    pool.close()
    late = Thing()
    pool.discard(late)
    assert late.closed.is_set()


def test_a_discarded_thing_that_fails_to_close_harms_nobody(pool) -> None:
    class Broken:
        def close(self) -> Never:
            raise OSError(errno.EBADF, "Bad file descriptor")

    pool.discard(Broken())
    assert run(pool.run(lambda: 5)) == 5
