"""What renewals do in company: one worker for a turn's calls, each its own answer, and sockets heard together."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

import pytest
from kernel_calls import FOREIGN, HOME, Thing, run

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import company as company_module
from hooknet.kernel.company import Company
from hooknet.kernel.pool import KernelPool


class CountingPool(KernelPool):
    """Counts how often its workers were given something."""

    given = 0

    def start(self, fn, *args, **kwargs):
        self.given += 1
        return super().start(fn, *args, **kwargs)


@pytest.fixture
def pool():
    pool = CountingPool(4, idle=0.5)
    yield pool
    pool.close()


def test_the_calls_of_one_turn_are_one_visit_of_one_worker_and_each_has_its_own_answer(pool, place) -> None:
    async def together():
        company = Company(pool)
        calls = (
            company.run_in(FOREIGN, lambda n=n: (n, place.now(), threading.get_ident())) for n in range(20)
        )
        return await asyncio.gather(*calls), await pool.run(place.now)

    answers, afterwards = run(together())
    assert [number for number, _, _ in answers] == list(range(20))
    assert {where for _, where, _ in answers} == {FOREIGN}
    assert len({thread for _, _, thread in answers}) == 1
    assert afterwards == HOME
    assert pool.given == 1


def test_what_one_of_them_raises_is_its_own(pool, place) -> None:
    async def together():
        company = Company(pool)
        calls = (company.run_in(FOREIGN, lambda n=n: 1 / n) for n in (1, 0, 2))
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second, third = run(together())
    assert (first, third) == (1.0, 0.5)
    assert isinstance(second, ZeroDivisionError)


def test_calls_of_another_turn_are_another_visit(pool, place) -> None:
    async def one_by_one():
        company = Company(pool)
        return [await company.run_in(FOREIGN, place.now) for _ in range(3)]

    assert run(one_by_one()) == [FOREIGN] * 3
    assert pool.given == 3


def test_a_namespace_that_can_not_be_entered_is_the_trouble_of_its_call_only(pool, place) -> None:
    place.locked.add(FOREIGN)

    async def together():
        company = Company(pool)
        calls = (company.run_in(where, place.now) for where in (FOREIGN, HOME))
        return await asyncio.gather(*calls, return_exceptions=True)

    refused, answered = run(together())
    assert isinstance(refused, HooknetError)
    assert refused.kind is Kind.BAD_NETNS
    assert answered == HOME


def test_a_stranded_worker_leaves_the_rest_of_the_company_to_its_successor(pool, place) -> None:
    def lock_the_door() -> None:
        place.locked.add(HOME)

    async def strand():
        company = Company(pool)
        stranded = asyncio.ensure_future(company.run_in(FOREIGN, lock_the_door))
        others = [asyncio.ensure_future(company.run_in(FOREIGN, place.now)) for _ in range(3)]
        with pytest.raises(HooknetError) as caught:
            await stranded
        place.locked.clear()
        return caught.value.kind, await asyncio.gather(*others, return_exceptions=True)

    kind, others = run(strand())
    assert kind is Kind.INTERNAL
    assert all(other == FOREIGN or isinstance(other, HooknetError) for other in others)
    assert FOREIGN in others


def test_when_the_pool_is_closed_each_of_them_is_told(pool, place) -> None:
    pool.close()

    async def together():
        company = Company(pool)
        calls = (company.run_in(FOREIGN, place.now) for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(answer, HooknetError) for answer in run(together()))


def test_who_is_cancelled_before_its_call_has_begun_waits_for_nobody(pool, place) -> None:
    started, go, called = threading.Event(), threading.Event(), []

    def slow() -> None:
        started.set()
        go.wait(5)

    async def cancel():
        company = Company(pool)
        first = asyncio.ensure_future(company.run_in(FOREIGN, slow))
        second = asyncio.ensure_future(company.run_in(FOREIGN, called.append, "second"))
        third = asyncio.ensure_future(company.run_in(FOREIGN, called.append, "third"))
        await asyncio.to_thread(started.wait, 5)
        second.cancel()
        await asyncio.wait((second,), timeout=5)
        cancelled_while_slow = second.cancelled() and not first.done()
        go.set()
        await asyncio.gather(first, third)
        return cancelled_while_slow

    assert run(cancel())
    assert called == ["third"]


def test_who_is_cancelled_while_its_call_is_under_way_waits_and_what_it_opened_is_closed(pool, place) -> None:
    started, go, opened = threading.Event(), threading.Event(), Thing()

    def slow():
        started.set()
        go.wait(5)
        return opened

    async def cancel():
        task = asyncio.ensure_future(Company(pool).run_in(FOREIGN, slow))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=0.05)
        go.set()
        with suppress(asyncio.CancelledError):
            await task
        return not done, task.cancelled()

    assert run(cancel()) == (True, True)
    assert opened.closed.wait(5)


def test_who_is_cancelled_when_its_call_is_over_does_not_wait_for_the_others(pool, place) -> None:
    go, started, opened = threading.Event(), threading.Event(), Thing()

    def slow() -> None:
        started.set()
        go.wait(5)

    async def cancel():
        company = Company(pool)
        first = asyncio.ensure_future(company.run_in(FOREIGN, lambda: opened))
        second = asyncio.ensure_future(company.run_in(FOREIGN, slow))
        await asyncio.to_thread(started.wait, 5)
        first.cancel()
        await asyncio.wait((first,), timeout=5)
        cancelled_while_slow = first.cancelled() and not second.done()
        go.set()
        await second
        return cancelled_while_slow

    assert run(cancel())
    assert opened.closed.wait(5)


# sockets


class Ear:
    """A pipe that plays a socket, and what was read from it, with the number of the look in which it was."""

    def __init__(self) -> None:
        self.out, self.into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.heard = []

    def fileno(self) -> int:
        return self.out

    def readable(self) -> bool:
        try:
            self.heard.append(os.read(self.out, 100))
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self.out)
        os.close(self.into)


@pytest.fixture
def ears():
    ears = [Ear() for _ in range(3)]
    yield ears
    for ear in ears:
        ear.close()


async def until(condition) -> None:
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen in time")


def test_sockets_are_heard_together_and_not_one_by_one_as_answers_come(pool, ears, monkeypatch) -> None:
    monkeypatch.setattr(company_module, "HEARD_AFTER", 0.5)

    async def listen():
        company = Company(pool)
        for ear in ears:
            company.hear(ear, ear.readable)
            os.write(ear.into, b"yes")
        await asyncio.sleep(0.01)
        early = [ear.heard for ear in ears if ear.heard]
        await until(lambda: ears[0].heard)
        together = [ear.heard for ear in ears]
        for ear in ears:
            company.ignore(ear)
        return early, together

    assert run(listen()) == ([], [[b"yes"]] * 3)


def test_a_socket_that_has_heard_nothing_is_listened_to_as_any_other(pool, ears, monkeypatch) -> None:
    monkeypatch.setattr(company_module, "HEARD_AFTER", 0.01)

    async def listen():
        company = Company(pool)
        ear = ears[0]
        company.hear(ear, ear.readable)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(company_module, "HEARD_AFTER", 60.0)
        for word in (b"late", b"later"):
            os.write(ear.into, word)
            await until(lambda word=word: word in ear.heard)
        company.ignore(ear)
        os.write(ear.into, b"too late")
        await asyncio.sleep(0.02)
        return ear.heard

    assert run(listen()) == [b"late", b"later"]


def test_what_comes_after_the_first_answer_is_heard_too(pool, ears, monkeypatch) -> None:
    monkeypatch.setattr(company_module, "HEARD_AFTER", 0.01)

    async def listen():
        company = Company(pool)
        ear = ears[0]
        company.hear(ear, ear.readable)
        for word in (b"first", b"second", b"third"):
            os.write(ear.into, word)
            await until(lambda word=word: word in ear.heard)
        monkeypatch.setattr(company_module, "HEARD_AFTER", 60.0)
        os.write(ear.into, b"flood")  # as any other by now
        await until(lambda: b"flood" in ear.heard)
        company.ignore(ear)
        return ear.heard

    assert run(listen()) == [b"first", b"second", b"third", b"flood"]


def test_one_that_fails_to_tell_does_not_hurt_the_others(pool, ears, monkeypatch) -> None:
    monkeypatch.setattr(company_module, "HEARD_AFTER", 0.01)

    def broken() -> bool:
        raise ValueError("what was heard is unheard of")

    async def listen():
        company = Company(pool)
        company.hear(ears[0], broken)
        company.hear(ears[1], ears[1].readable)
        os.write(ears[1].into, b"yes")
        await until(lambda: ears[1].heard)
        for ear in ears[:2]:
            company.ignore(ear)
        return ears[1].heard

    assert run(listen()) == [b"yes"]


def test_one_that_is_ignored_before_the_look_is_not_read(pool, ears, monkeypatch) -> None:
    monkeypatch.setattr(company_module, "HEARD_AFTER", 0.01)

    async def listen():
        company = Company(pool)
        for ear in ears[:2]:
            company.hear(ear, ear.readable)
            os.write(ear.into, b"yes")
        company.ignore(ears[0])
        await until(lambda: ears[1].heard)
        company.ignore(ears[1])
        return ears[0].heard

    assert run(listen()) == []
