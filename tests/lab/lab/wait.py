"""Waiting for a condition, with a deadline: the only place in the tests where time is allowed to pass."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PAUSE = 0.01


def eventually(condition: Callable[[], T | None], *, within: float = 5.0, what: str = "") -> T:
    """The first true value of `condition`, asked again and again for `within` seconds.

    A condition that fails an assertion is not true yet. Raises AssertionError at the deadline, naming
    `what` and what the condition said last.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            last = value = condition()
        except AssertionError as error:
            last, value = error, None
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or condition}; last seen: {last!r}")
        time.sleep(PAUSE)


def never(condition: Callable[[], object], *, during: float, what: str = "") -> None:
    """Watch for `during` seconds that `condition` stays false. Always costs that time: a last resort."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        value = condition()
        assert not value, f"{what or condition}: {value!r}"
        time.sleep(PAUSE)
