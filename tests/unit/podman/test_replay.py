"""hooknet.podman.replay: catching up without repeating."""

from __future__ import annotations

import pytest

from hooknet.podman.events import NANOSECONDS, PodmanEvent
from hooknet.podman.replay import OVERLAP, Seen, rfc3339_nano

START = 1_795_468_371 * NANOSECONDS


def event(at, action="start", who="c1"):
    return PodmanEvent(type="container", action=action, id=who, time_nano=at)


def test_an_event_is_seen_once():
    seen = Seen(START)
    assert seen.first_time(event(START + 5))
    assert not seen.first_time(event(START + 5))


@pytest.mark.parametrize("other", [event(START + 6), event(START + 5, "died"), event(START + 5, who="c2")])
def test_events_differ_by_id_action_and_time(other):
    seen = Seen(START)
    seen.first_time(event(START + 5))
    assert seen.first_time(other)


def test_since_is_a_little_before_the_newest_and_not_before_the_last():
    seen = Seen(START)
    seen.first_time(event(START + 90 * NANOSECONDS))
    seen.first_time(event(START + 80 * NANOSECONDS))
    expected = rfc3339_nano(START + 90 * NANOSECONDS - OVERLAP)
    assert seen.since(START + 1000 * NANOSECONDS) == expected


def test_before_any_event_since_is_a_little_before_the_start():
    assert Seen(START).since(START + NANOSECONDS) == rfc3339_nano(START - OVERLAP)


def test_a_clock_that_was_set_back_does_not_ask_for_the_future():
    seen = Seen(START)
    seen.first_time(event(START + 3600 * NANOSECONDS))
    assert seen.since(START) == rfc3339_nano(START - OVERLAP)


def test_a_time_from_nowhere_does_not_stop_us_from_asking():
    seen = Seen(START)
    seen.first_time(event((1 << 63) - 1))
    assert seen.since(START) == rfc3339_nano(START - OVERLAP)
    assert Seen(0).since(0) == "1970-01-01T00:00:00.000000000Z"


def test_the_memory_is_bounded_and_forgets_the_oldest():
    seen = Seen(START, remembered=3)
    for at in range(4):
        seen.first_time(event(START + at))
    assert not seen.first_time(event(START + 1))
    assert seen.first_time(event(START))


def test_times_are_written_with_all_nine_digits():
    assert rfc3339_nano(1_795_468_371_000_000_042) == "2026-11-23T21:12:51.000000042Z"
