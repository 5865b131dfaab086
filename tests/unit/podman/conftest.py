"""Fixtures of the podman room: a fake service, a recorder of what a stream says, and a clock that waits for
nobody."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEADLINE = 10


def load(name):
    """A module of this folder; the tests run with importlib's import mode, where folders are not on the
    path."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


fake_podman = load("fake_podman")


@pytest.fixture
def make_event():
    return fake_podman.event


@pytest.fixture
def podman(tmp_path):
    with fake_podman.FakePodman(tmp_path / "podman.sock") as service:
        yield service


@pytest.fixture
def no_podman(tmp_path):
    """A service that is not running yet."""
    return fake_podman.FakePodman(tmp_path / "podman.sock")


class Recorder:
    """What a stream told, on the loop. `await until(...)` waits for a condition over it, with a deadline."""

    def __init__(self):
        self.events, self.states, self.resyncs = [], [], []
        self._changed = asyncio.Event()

    def deliver(self, event):
        self.events.append(event)
        self._changed.set()

    def state(self, state):
        self.states.append(state)
        self._changed.set()

    def resync(self, why):
        self.resyncs.append(why)
        self._changed.set()

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    @property
    def actions(self):
        return [event.action for event in self.events]


@pytest.fixture
def recorder():
    return Recorder


class PatientClock:
    """Real time, but every pause lasts until the test allows it; `pauses` are those that were asked for."""

    def __init__(self):
        self.pauses = []
        self.offset = 0.0
        self._condition = threading.Condition()
        self._allowed = 0
        self._awake = False

    def now(self):
        return time.monotonic() + self.offset

    def wall(self):
        return time.time_ns()

    def sleep(self, seconds):
        with self._condition:
            self.pauses.append(seconds)
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._awake or self._allowed >= len(self.pauses))

    def wake(self):
        with self._condition:
            self._awake = True
            self._condition.notify_all()

    def allow(self, count=1):
        """Let the next `count` pauses end, and wait until the one after them was asked for, or not."""
        with self._condition:
            self._allowed += count
            self._condition.notify_all()

    def wait_for_pauses(self, count):
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.pauses) >= count, DEADLINE)


@pytest.fixture
def clock():
    return PatientClock()
