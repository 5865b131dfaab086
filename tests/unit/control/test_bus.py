"""The event bus: bounded on every side, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import control_fakes as fakes
import pytest

from hooknet.lifecycle.bus import EventBus, who


def ticking() -> Any:
    """A clock that shows 0, 1, 2, … seconds."""
    counter = itertools.count()
    return lambda: float(next(counter))


async def everything(subscription: Any) -> Any:
    return [event async for event in subscription]


async def take(subscription: Any, number: Any) -> Any:
    return [await anext(subscription) for _ in range(number)]


def test_an_event_has_its_number_its_time_its_kind_and_its_fields() -> None:
    async def scene() -> Any:
        bus = EventBus(clock=ticking())
        bus.publish("add", **who(fakes.view("web").attachment), ms=3.5)
        return await everything(bus.subscribe(follow=False))

    (event,) = asyncio.run(scene())
    assert event == {
        "seq": 1, "time": 0.0, "kind": "add",
        "container": "web", "container_id": fakes.view("web").attachment.container_id, "network": "lan",
        "ifname": "eth0", "ms": 3.5,
    }  # fmt: skip


def test_an_unknown_kind_is_a_bug_and_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="ad"):
        EventBus().publish("ad")


def test_each_subscriber_gets_every_event_in_order() -> None:
    async def scene() -> Any:
        bus = EventBus()
        readers = [bus.subscribe() for _ in range(3)]
        for number in range(5):
            bus.publish("dhcp", number=number)
        return [[event["number"] for event in await take(reader, 5)] for reader in readers]

    assert asyncio.run(scene()) == [[0, 1, 2, 3, 4]] * 3


def test_a_subscriber_that_waits_is_woken() -> None:
    async def scene() -> Any:
        bus = EventBus()
        waiting = asyncio.ensure_future(anext(bus.subscribe()))
        await asyncio.sleep(0)
        bus.publish("del")
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(scene())["kind"] == "del"


def test_a_slow_subscriber_loses_the_oldest_and_first_reads_how_many() -> None:
    async def scene() -> Any:
        bus = EventBus(depth=3)
        slow, quick = bus.subscribe(), bus.subscribe()
        seen = []
        for number in range(10):
            bus.publish("dhcp", number=number)
            seen += await take(quick, 1)
        return seen, await take(slow, 4)

    seen, late = asyncio.run(scene())
    assert [event["number"] for event in seen] == list(range(10))
    assert (late[0]["kind"], late[0]["count"]) == ("dropped", 7)
    assert [event["number"] for event in late[1:]] == [7, 8, 9]


def test_the_marker_counts_only_what_was_lost_since_the_last_one() -> None:
    async def scene() -> Any:
        bus = EventBus(depth=1)
        reader = bus.subscribe()
        counts = []
        for lost in (2, 1):
            for _ in range(lost + 1):
                bus.publish("dhcp")
            marker, _ = await take(reader, 2)
            counts.append(marker["count"])
        return counts

    assert asyncio.run(scene()) == [2, 1]


def test_the_history_is_bounded_and_since_cuts_it() -> None:
    async def scene() -> Any:
        bus = EventBus(clock=ticking(), history=4)
        for number in range(10):
            bus.publish("dhcp", number=number)
        whole = await everything(bus.subscribe(follow=False))
        later = await everything(bus.subscribe(since=8.0, follow=False))
        return [event["number"] for event in whole], [event["number"] for event in later]

    assert asyncio.run(scene()) == ([6, 7, 8, 9], [8, 9])


def test_a_follower_with_since_gets_the_past_and_then_the_present_without_a_gap() -> None:
    async def scene() -> Any:
        bus = EventBus(clock=ticking())
        bus.publish("add", number=0)
        bus.publish("add", number=1)
        reader = bus.subscribe(since=1.0)
        bus.publish("add", number=2)
        return [event["number"] for event in await take(reader, 2)]

    assert asyncio.run(scene()) == [1, 2]


def test_a_listener_that_raises_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard = []
    bus = EventBus()

    def broken(_event: Any) -> None:
        raise RuntimeError("listener")

    bus.listen(broken)
    bus.listen(heard.append)
    bus.publish("add")
    assert [event["kind"] for event in heard] == ["add"]
    assert "listener" in caplog.text


def test_closing_the_bus_ends_every_subscription_after_what_is_queued() -> None:
    async def scene() -> Any:
        bus = EventBus()
        reader = bus.subscribe()
        bus.publish("daemon", state="stopping")
        bus.close()
        return await everything(reader), bus.subscribers

    events, subscribers = asyncio.run(scene())
    assert [event["state"] for event in events] == ["stopping"]
    assert subscribers == 0


def test_a_closed_subscription_costs_the_bus_nothing() -> None:
    async def scene() -> Any:
        bus = EventBus()
        reader = bus.subscribe()
        await reader.aclose()
        bus.publish("add")
        return bus.subscribers, await everything(reader)

    assert asyncio.run(scene()) == (0, [])
