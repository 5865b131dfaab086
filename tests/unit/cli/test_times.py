"""Times as people read and write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hooknet.cli.times import clock, relative, since, span

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (1, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (80, "1 min 20 s"),
        (601, "10 min"),
        (3600, "1 h"),
        (39600, "11 h"),
        (5400, "1 h 30 min"),
        (86400, "1 d"),
        (93784, "1 d 2 h"),
        (20 * 86400 + 3600, "20 d"),
    ],
)
def test_spans_are_short(seconds: Any, text: Any) -> None:
    assert span(seconds) == text


def test_the_future_is_in_and_the_past_is_ago() -> None:
    assert relative((NOW + timedelta(hours=11)).isoformat(), NOW) == "in 11 h"
    assert relative((NOW - timedelta(seconds=30)).isoformat(), NOW) == "30 s ago"
    assert relative("2025-03-01T12:00:05Z", NOW) == "in 5 s"
    assert relative(None, NOW) == ""


def test_since_takes_an_age() -> None:
    assert since("90s", 1000.0) == 910.0
    assert since("1.5h", 10000.0) == 4600.0


def test_since_takes_a_moment() -> None:
    assert since("2025-03-01T12:00:00Z", 0.0) == NOW.timestamp()
    assert since("2025-03-01T13:00:00+01:00", 0.0) == NOW.timestamp()


def test_since_takes_a_time_of_today() -> None:
    now = datetime.now().astimezone().replace(hour=23, minute=59)
    found = datetime.fromtimestamp(since("00:30", now.timestamp())).astimezone()
    assert (found.date(), found.hour, found.minute) == (now.date(), 0, 30)


@pytest.mark.parametrize("text", ["", "yesterday", "10", "m", "25:00", "-5m"])
def test_since_says_what_it_takes(text: Any) -> None:
    with pytest.raises(ValueError, match="10m"):
        since(text, 0.0)


def test_a_moment_of_another_day_shows_its_date() -> None:
    assert len(clock(datetime.now(UTC).timestamp())) == 8
    assert clock(0.0).startswith(("1970-01-01", "1969-12-31"))
