"""/v1/events: one JSON object per line, while it happens, and never at the cost of the daemon."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import control_fakes as fakes
import pytest

from hooknet.cli.client import ControlClient
from hooknet.frontends.control.access import Limits
from hooknet.lifecycle.bus import EventBus


def reader(api: Any, *query: Any) -> Any:
    return ControlClient(api.run_dir).stream("/v1/events", query)


def first_of(api: Any, stream: Any) -> Any:
    """The first event of a stream of what happens: an `add` that is published once the follower is there."""

    def publish() -> None:
        api.until(lambda: api.sources.bus.subscribers == 1)
        api.publish("add", container="web", ms=12.5)

    publisher = threading.Thread(target=publish)
    publisher.start()
    event = next(stream)
    publisher.join()
    return event


def test_a_follower_sees_what_happens_after_it_came_and_nothing_before(api: Any) -> None:
    api.publish("del", container="before")
    api.until(lambda: api.sources.bus._seq == 1)
    stream = reader(api)
    event = first_of(api, stream)
    assert (event["kind"], event["container"], event["ms"], event["seq"]) == ("add", "web", 12.5, 2)
    assert abs(event["time"] - time.time()) < 60
    stream.close()


def test_without_follow_the_stream_ends_after_what_is_remembered(api: Any) -> None:
    for name in ("a", "b"):
        api.publish("add", container=name)
    api.until(lambda: api.sources.bus._seq == 2)
    assert [event["container"] for event in reader(api, ("follow", "false"))] == ["a", "b"]


def test_since_leaves_out_what_is_older(api: Any) -> None:
    api.publish("add", container="old")
    api.until(lambda: api.sources.bus._seq == 1)
    assert list(reader(api, ("follow", "false"), ("since", repr(time.time() + 60)))) == []
    assert len(list(reader(api, ("follow", "false"), ("since", repr(time.time() - 60))))) == 1


def test_kinds_can_be_chosen(api: Any) -> None:
    for kind in ("add", "del", "release"):
        api.publish(kind, container="web")
    api.until(lambda: api.sources.bus._seq == 3)
    found = list(reader(api, ("follow", "false"), ("kind", "del"), ("kind", "release")))
    assert [event["kind"] for event in found] == ["del", "release"]


def test_a_follower_that_hangs_up_leaves_the_bus(api: Any) -> None:
    stream = reader(api)
    first_of(api, stream)
    stream.close()
    api.until(lambda: api.sources.bus.subscribers == 0)


def test_a_follower_beyond_the_limit_is_told_so(serve: Any, ask: Any) -> None:
    with serve(limits=Limits(streams=1, stop_deadline=0.5)) as api:
        stream = reader(api)
        first_of(api, stream)
        status, answer = ask(api, "GET", "/v1/events")
        assert (status, answer["error"]["kind"]) == (503, "try-later")
        stream.close()
        api.until(lambda: not api.server._handlers._streams)
        assert ask(api, "GET", "/v1/events?follow=false")[0] == 200


def test_a_follower_that_does_not_read_loses_events_and_is_told_how_many(serve: Any) -> None:
    with (
        serve(sources=fakes.FakeSources(bus=EventBus(depth=10))) as api,
        socket.socket(socket.AF_UNIX) as raw,
    ):
        raw.settimeout(10)
        raw.connect(str(api.socket))
        raw.sendall(b"GET /v1/events HTTP/1.1\r\nHost: hooknet\r\n\r\n")
        api.until(lambda: api.sources.bus.subscribers == 1)
        for number in range(400):
            api.publish("add", number=number, filler="x" * 4000)
        api.until(lambda: api.sources.bus._seq == 400)
        events = until_number(raw, 399)
    numbers = [event["number"] for event in events if event["kind"] == "add"]
    lost = sum(event["count"] for event in events if event["kind"] == "dropped")
    assert lost > 0
    assert len(numbers) + lost == 400
    assert numbers == sorted(numbers)


def until_number(raw: Any, last: Any) -> Any:
    """The events of a chunked answer, up to the one with that number."""
    events = []
    with raw.makefile("rb") as answer:
        for line in answer:
            if line.startswith(b"{"):
                events.append(json.loads(line))
                if events[-1].get("number") == last:
                    return events
    raise AssertionError(f"the stream ended before number {last}")


def test_a_stream_ends_in_order_when_the_daemon_stops(serve: Any) -> None:
    with serve() as api:
        stream = reader(api)
        first_of(api, stream)
        api.in_loop(api.server.stop())
        with pytest.raises(StopIteration):
            next(stream)
        assert api.sources.bus.subscribers == 0
