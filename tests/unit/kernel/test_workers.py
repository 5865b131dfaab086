"""Who does what waits: how many workers are called for it, and which."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from hooknet.kernel.pool import Answers
from hooknet.kernel.workers import Worker, Workers


def wait_until(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)


@pytest.fixture
def workers():
    workers = Workers(4, idle=5.0, bereft=lambda: None)
    yield workers
    workers.close(5)


@pytest.fixture
def held(monkeypatch):
    """Threads begin only when the test lets them: `held.pop()()`."""
    held, start = [], Worker.start
    monkeypatch.setattr(Worker, "start", lambda worker: held.append(lambda: start(worker)))
    yield held
    while held:
        held.pop()()


def test_jobs_that_come_together_are_done_by_one_worker(workers, held) -> None:
    did = []
    for _ in range(10):
        workers.put(lambda: did.append(threading.current_thread()))
    assert len(held) == 1
    held.pop()()
    wait_until(lambda: len(did) == 10)
    assert len(set(did)) == 1


def test_a_job_that_blocks_has_a_worker_of_its_own(workers, held) -> None:
    workers.put(int)
    workers.put_blocking(int)
    assert len(held) == 2


def test_what_is_stuck_behind_another_job_gets_help(workers, held) -> None:
    go, done = threading.Event(), threading.Event()
    workers.put(lambda: go.wait(5))
    workers.put(done.set)
    held.pop()()
    wait_until(workers.needs_help)
    assert workers.help()
    held.pop()()
    assert done.wait(5)
    go.set()
    assert not workers.help()


def test_a_process_that_may_have_no_more_threads_goes_on_with_those_it_has(workers, monkeypatch) -> None:
    def refuse(_worker) -> None:
        raise RuntimeError("can't start new thread")

    go, done = threading.Event(), threading.Event()
    workers.put(lambda: go.wait(5))
    wait_until(lambda: workers._coming == 0)
    monkeypatch.setattr(Worker, "start", refuse)
    workers.put(done.set)
    go.set()
    assert done.wait(5)
    assert workers.count == 1


def test_without_any_worker_the_caller_hears_that_none_can_be_made(workers, monkeypatch) -> None:
    def refuse(_worker) -> None:
        raise RuntimeError("can't start new thread")

    start, did, done = Worker.start, [], threading.Event()
    monkeypatch.setattr(Worker, "start", refuse)
    for put in (workers.put, workers.put_blocking):
        with pytest.raises(RuntimeError, match="no thread can be made"):
            put(lambda: did.append("what was refused"))
    assert workers.put_last(lambda: did.append("what had to be closed"))
    monkeypatch.setattr(Worker, "start", start)
    workers.put(lambda: None)
    workers.put_last(done.set)
    assert done.wait(5)
    assert did == ["what had to be closed"]


def test_a_worker_that_an_error_of_ours_ends_is_missed(monkeypatch) -> None:
    bereft = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    workers = Workers(1, idle=5.0, bereft=bereft.set)
    workers.put(lambda: 1 / 0)
    assert bereft.wait(5)
    assert workers.count == 0
    workers.close(5)


def test_nobody_is_called_for_help_when_nothing_waits(workers, held) -> None:
    workers.put(int)
    assert not workers.needs_help()
    held.pop()()
    wait_until(lambda: workers._idle)
    assert not workers.help()
    assert workers.count == 1


def test_the_worker_that_slept_last_is_called_first(workers) -> None:
    together, did = threading.Barrier(3), []
    for _ in range(3):
        workers.put_blocking(lambda: together.wait(5))
    wait_until(lambda: len(workers._idle) == 3)
    last = workers._idle[-1]
    for _ in range(5):
        workers.put(lambda: did.append(threading.current_thread()))
        wait_until(lambda: len(workers._idle) == 3)
    assert set(did) == {last}


def test_closing_one_after_the_other_is_no_way_to_close_many(workers) -> None:
    together = threading.Barrier(4)
    for _ in range(4):
        workers.put_last(lambda: together.wait(5))
    wait_until(lambda: together.n_waiting == 0 and len(workers._idle) == 4)
    assert not together.broken


def test_what_is_only_to_be_closed_waits_behind_everything_else(workers, held) -> None:
    order = []
    workers.put_last(lambda: order.append("last"))
    workers.put(lambda: order.append("first"))
    held.pop()()
    wait_until(lambda: len(order) == 2)
    assert order == ["first", "last"]


class Loop:
    """An event loop that only notes what it was asked to call."""

    def __init__(self) -> None:
        self.asked = []
        self.closed = False

    def call_soon_threadsafe(self, what) -> None:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.asked.append(what)


def futures(count):
    loop = asyncio.new_event_loop()
    try:
        return [loop.create_future() for _ in range(count)]
    finally:
        loop.close()


def test_the_loop_is_woken_once_for_answers_that_come_together() -> None:
    loop, asked = Loop(), futures(4)
    answers = Answers(loop)
    for number, future in enumerate(asked[:3]):
        answers.give(future, number)
    (deliver,) = loop.asked
    deliver()
    assert [future.result() for future in asked[:3]] == [0, 1, 2]
    answers.give(asked[3], 3)
    assert len(loop.asked) == 2


def test_an_answer_that_nobody_wants_any_more_keeps_none_from_the_others() -> None:
    loop, (answered, failed, waiting) = Loop(), futures(3)
    answered.set_result("already")
    answers = Answers(loop)
    answers.give(answered, 1)
    answers.give(failed, None, OSError("no"))
    answers.give(waiting, 2)
    loop.asked[0]()
    assert isinstance(failed.exception(), OSError)
    assert waiting.result() == 2


def test_an_answer_for_a_loop_that_has_ended_is_nobodys() -> None:
    loop, (future,) = Loop(), futures(1)
    loop.closed = True
    Answers(loop).give(future, 1)
    assert not future.done()
