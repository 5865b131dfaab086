"""The watcher, in a namespace with links that change."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import Never

import pytest

from hooknet.kernel import watch
from hooknet.kernel.pool import KernelPool
from hooknet.kernel.watch import Change, LinkWatcher, Seen

pytestmark = pytest.mark.lab


class Host(KernelPool):
    """A pool whose home is a namespace of the test."""

    def __init__(self, space) -> None:
        super().__init__(4)
        self.space = space

    async def run(self, fn, *args, **kwargs):
        return await self.run_in(self.space.fd, fn, *args, **kwargs)


def watching(lan, script):
    """Run `script(events, watcher)` while the host's links are watched."""
    pool = Host(lan.host)

    async def body():
        events = []
        watcher = LinkWatcher(pool, lambda name, event: events.append((name, event.change, event.renamed)))
        await watcher.start()
        try:
            await asyncio.wait_for(script(events, watcher), 20)
        finally:
            await watcher.stop()
        return events

    try:
        return asyncio.run(body())
    finally:
        pool.close()


async def until(condition) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


def test_what_is_there_already_is_known_and_not_told(lan) -> None:
    async def script(events, watcher) -> None:
        assert watcher.find("up0") == Seen("up0", up=True, carrier=True)
        assert watcher.find("eth7") is None
        assert events == []

    watching(lan, script)


def test_a_carrier_that_flaps_is_told_each_time(lan) -> None:
    async def script(events, watcher) -> None:
        lan.outside.ip("link set lan0 down")
        await until(lambda: ("up0", Change.DOWN, "") in events)
        assert watcher.find("up0") == Seen("up0", up=True, carrier=False)
        lan.outside.ip("link set lan0 up")
        await until(lambda: ("up0", Change.UP, "") in events)

    assert [change for _, change, _ in watching(lan, script)] == [Change.DOWN, Change.UP]


def test_a_parent_that_is_renamed_is_told_under_its_old_name(lan) -> None:
    async def script(events, watcher) -> None:
        lan.host.ip("link set up0 down")
        lan.host.ip("link set up0 name wan0")
        await until(lambda: ("up0", Change.RENAMED, "wan0") in events)
        assert watcher.find("wan0") == Seen("wan0", up=False, carrier=False)

    watching(lan, script)


def test_a_parent_that_is_deleted_and_comes_back_is_told(lan) -> None:
    async def script(events, watcher) -> None:
        lan.host.ip("link del up0")
        await until(lambda: ("up0", Change.DELETED, "") in events)
        lan.host.ip("link add up0 type veth peer name peer0")
        await until(lambda: ("up0", Change.APPEARED, "") in events)

    watching(lan, script)


class Deaf:
    """A socket that has lost what came while it was asked not to look."""

    def __init__(self, real) -> None:
        self.real = real
        self.lost = False

    def __getattr__(self, name):
        return getattr(self.real, name)

    def recv(self, size) -> Never:
        self.real.recv(size)
        if not self.lost:
            self.lost = True
            raise OSError(errno.ENOBUFS, "No buffer space available")
        raise BlockingIOError


def test_fault_36_lost_notifications_are_made_up_for_by_a_dump(lan, monkeypatch) -> None:
    subscribe = watch.subscribe
    monkeypatch.setattr(watch, "subscribe", lambda: Deaf(subscribe()))

    async def script(events, watcher) -> None:
        lan.host.ip("link set up0 down")
        await until(lambda: ("up0", Change.DOWN, "") in events)

    watching(lan, script)


def test_fault_36_a_real_overflow_is_noticed_and_made_up_for(lan, monkeypatch) -> None:
    subscribe = watch.subscribe

    def small():
        opened = subscribe()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        return opened

    monkeypatch.setattr(watch, "subscribe", small)
    dumps = []
    snapshot = watch.snapshot
    monkeypatch.setattr(watch, "snapshot", lambda: dumps.append(1) or snapshot())

    async def script(events, watcher) -> None:
        for _ in range(20):  # the loop does not look meanwhile, so the buffer overruns
            lan.host.ip("link set up0 mtu 1400")
            lan.host.ip("link set up0 mtu 1500")
        lan.host.ip("link set up0 name wan0 down")
        await until(lambda: ("up0", Change.RENAMED, "wan0") in events)

    watching(lan, script)
    assert len(dumps) > 1


def test_fault_36_a_dump_that_fails_is_tried_again(lan, monkeypatch) -> None:
    snapshot, failures = watch.snapshot, [OSError(errno.ENOBUFS, "no")]
    monkeypatch.setattr(watch, "AGAIN", 0.01)

    def unreliable():
        if len(attempts) == 1 and failures:
            raise failures.pop()
        attempts.append(1)
        return snapshot()

    attempts = []
    monkeypatch.setattr(watch, "snapshot", unreliable)

    async def script(events, watcher) -> None:
        watcher._resynchronize()
        await until(lambda: len(attempts) == 2)

    watching(lan, script)
    assert failures == []


def test_a_callback_that_raises_does_not_end_the_watching(lan) -> None:
    pool = Host(lan.host)
    heard = []

    def callback(name, event) -> Never:
        heard.append(event.change)
        raise ValueError("not my day")

    async def body() -> None:
        watcher = LinkWatcher(pool, callback)
        await watcher.start()
        lan.host.ip("link set up0 down")
        await until(lambda: Change.DOWN in heard)
        lan.host.ip("link set up0 up")
        await until(lambda: Change.UP in heard)
        await watcher.stop()

    asyncio.run(body())
    pool.close()


def test_the_watcher_hears_of_its_own_netns_only(lan) -> None:
    async def script(events, watcher) -> None:
        lan.attach()
        lan.outside.ip("link add extra0 type veth peer name extra1")
        lan.host.ip("link add mine0 type veth peer name mine1")
        await until(lambda: ("mine0", Change.APPEARED, "") in events)
        assert not any(name.startswith("extra") for name, _, _ in events)

    watching(lan, script)
