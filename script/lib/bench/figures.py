"""Rows of the table: what was measured for whom, what was hoped for, and whether it was met."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What hooknet's value is to stay below: `limit`, or `times` the value of the peer `of` in the same row."""

    limit: float | None = None
    of: str = ""
    times: float = 1.0

    def bound(self, values: Mapping[str, float]) -> float | None:
        """In the row's unit; None when the other peer was not measured."""
        if self.limit is not None:
            return self.limit
        return values[self.of] * self.times if self.of in values else None

    def words(self, unit: str) -> str:
        if self.limit is not None:
            return f"≤ {number(self.limit)} {unit}".rstrip()
        return f"≤ {self.times:g} times {self.of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. `values`: peer to number, in `unit`. `subject`: the peer that the goals are about."""

    key: str
    label: str
    unit: str
    values: Mapping[str, float]
    goals: tuple[Goal, ...] = ()
    note: str = ""
    subject: str = "hooknet"
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def verdicts(self) -> list[tuple[Goal, str]]:
        """Each goal with what became of it: how far the value is from its bound."""
        value = self.values.get(self.subject)
        if value is None:
            return []
        return [(goal, verdict(goal, value, self.values)) for goal in self.goals]


def verdict(goal: Goal, value: float, values: Mapping[str, float]) -> str:
    bound = goal.bound(values)
    if bound is None:
        return "not compared"
    met = "met" if value <= bound else "MISSED"
    if goal.limit is not None:
        return met
    other = values[goal.of]
    return f"{met}: {number(value / other)} times" if other else met


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def over(samples: Sequence[float], base: Sequence[float]) -> float:
    """The median of what each sample is above the one that was taken beside it, in the same turn.

    A machine that is slow for a minute is slow for both: differences of medians would take that for a cost.
    """
    return statistics.median(one - other for one, other in zip(samples, base, strict=True))


def in_turn(things: Sequence[T], turn: int) -> list[T]:
    """All of them, begun by another one in each turn."""
    first = turn % len(things)
    return [*things[first:], *things[:first]]


def p95(samples: Sequence[float]) -> float:
    """The value that 95 % of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * 95 // 100) - 1)]


def number(value: float) -> str:
    """Three digits that matter, and no fraction where the value has none."""
    if value == round(value):
        return str(round(value))
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(digits, 0)}f}"
