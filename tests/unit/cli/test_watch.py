"""--watch: again and again, through restarts of the daemon."""

from __future__ import annotations

import argparse
import json
from argparse import ArgumentTypeError
from typing import Any

import pytest

from hooknet.cli import reading
from hooknet.errors import HooknetError, Kind


def watching(answers: Any, log_format: Any = "table") -> Any:
    """Run a watched command over these answers; returns the pauses between them."""
    remaining = iter(answers)
    pauses = []

    def fetch() -> Any:
        answer = next(remaining)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    args = argparse.Namespace(watch=2.5, format=log_format)
    with pytest.raises((KeyboardInterrupt, StopIteration)):
        reading.show(args, fetch, lambda data: f"<{data}>", pause=pauses.append)
    return pauses


def test_it_shows_each_answer_and_pauses_between(capsys: pytest.CaptureFixture[str]) -> None:
    assert watching(["one", "two", KeyboardInterrupt()]) == [2.5, 2.5]
    shown = capsys.readouterr().out
    assert shown.index("<one>") < shown.index("<two>")
    assert "every 2.5 s" in shown


def test_a_daemon_that_is_away_is_shown_and_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    watching([HooknetError(Kind.TRY_LATER, "can't reach the daemon"), "back"])
    shown = capsys.readouterr().out
    assert shown.index("hooknet: can't reach the daemon") < shown.index("<back>")


def test_in_json_it_is_one_line_per_answer(capsys: pytest.CaptureFixture[str]) -> None:
    watching([{"n": 1}, HooknetError(Kind.TRY_LATER, "away"), {"n": 2}], "json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"n": 1}, {"error": "away"}, {"n": 2}]


def test_a_terminal_is_cleared_and_a_file_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watching(["one"])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    watching(["one"])
    assert capsys.readouterr().out.startswith(reading.CLEAR)


@pytest.mark.parametrize("text", ["0", "0.01", "-1", "1e9", "nan", "x"])
def test_an_interval_that_makes_no_sense_is_refused(text: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"give 0\.1 to 86400 seconds"):
        reading.interval(text)
