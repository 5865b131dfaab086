"""What the disk refused and must not be lost, as little of it as possible: it waits in memory.

A disk may be full for days, and everything that happens meanwhile ends up here. So nothing is kept twice: of an
attachment only its newest row, and nothing at all of one that came and went without ever being on disk (an ADD that
was refused); of an identity its last address; of a delivery its last change; of renewals that follow each other in a
stream the last one. What grows is what plugins are owed, and the attachments that are in use.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, unique
from typing import Any


@unique
class Sort(Enum):
    """What a statement is about; its `subject` says which one."""

    ROW = "row"  # an attachment's row is written
    NO_ROW = "no row"  # an attachment's row is deleted
    MEMORY = "memory"  # the address of an identity
    DELIVERY = "delivery"  # a new delivery; the subject is its plugin and stream, and whether it renews
    OUTBOX = "outbox"  # a delivery is done or postponed
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Statement:
    """One change of the database. Of two with the same sort and subject, the later one makes the earlier void."""

    sort: Sort
    sql: str
    row: Sequence[Any]
    subject: tuple[Any, ...] = ()


class Backlog:
    """Statements that wait for the disk, and which attachments have a row there. For the writer's thread only."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Any, ...], Statement] = {}
        self._last: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._on_disk: set[tuple[Any, ...]] = set()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def is_on_disk(self, subject: tuple[Any, ...]) -> None:
        """An attachment has a row."""
        self._on_disk.add(subject)

    def keep(self, statements: Iterable[Statement]) -> None:
        """They were refused: they wait, without what they make void."""
        for statement in statements:
            match statement.sort:
                case Sort.ROW | Sort.NO_ROW:
                    self._keep_row(statement)
                case Sort.MEMORY | Sort.OUTBOX:
                    self._replace((statement.sort, *statement.subject), statement)
                case Sort.DELIVERY:
                    self._keep_delivery(statement)
                case Sort.OTHER:
                    self._replace((statement.sort, statement.sql), statement)

    def with_new(self, statements: Sequence[Statement]) -> list[Statement]:
        """Everything that is to be written now, oldest first."""
        return [*self._waiting.values(), *statements]

    def written(self, statements: Iterable[Statement]) -> None:
        """They are on disk, and nothing waits any more."""
        for statement in statements:
            if statement.sort is Sort.ROW:
                self._on_disk.add(statement.subject)
            elif statement.sort is Sort.NO_ROW:
                self._on_disk.discard(statement.subject)
        self._waiting.clear()
        self._last.clear()

    def _keep_row(self, statement: Statement) -> None:
        place = (Sort.ROW, *statement.subject)
        if statement.sort is Sort.NO_ROW and statement.subject not in self._on_disk:
            self._waiting.pop(place, None)
        else:
            self._replace(place, statement)

    def _keep_delivery(self, statement: Statement) -> None:
        plugin, stream, renews = statement.subject
        before = self._last.get((plugin, stream))
        if renews and before is not None and self._waiting[before].subject == statement.subject:
            del self._waiting[before]
        place = (Sort.DELIVERY, next(self._numbers))
        self._waiting[place] = statement
        self._last[plugin, stream] = place

    def _replace(self, place: tuple[Any, ...], statement: Statement) -> None:
        self._waiting.pop(place, None)
        self._waiting[place] = statement
