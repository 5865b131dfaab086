"""The world of the podman lab tests: one for all of them; the tests use names of their own in it."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest
from lab.world import required


def load(name):
    """A module of this folder; with importlib's import mode, folders of tests are not on the path."""
    spec = importlib.util.spec_from_file_location(f"lab_podman_{name}", Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


world_module = load("world")


@pytest.fixture(scope="session")
def podman_world(tmp_path_factory):
    """Without one, these tests fail in CI and in script/test, and skip elsewhere, as all lab tests do."""
    if lacking := world_module.missing():
        (pytest.fail if required() else pytest.skip)(f"no lab: a podman of our own {lacking}")
    with world_module.World(tmp_path_factory.mktemp("podman")) as world:
        yield world


class Told:
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
        async with asyncio.timeout(world_module.DEADLINE):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    def actions(self, name):
        """What happened to the container, network or pod of that name, in order."""
        return [event.action for event in self.events if event.name == name]


@pytest.fixture
def told():
    return Told
