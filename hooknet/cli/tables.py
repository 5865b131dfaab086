"""Tables for a terminal: aligned, without lines, and as wide as the terminal at most.

When the terminal is too narrow, first the columns that matter least go, then the widest of those that are
left is cut with an ellipsis; never a line break in a row. When the output is not a terminal, nothing is
cut: a script or a pager gets it all.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP = 2
NARROWEST = 6
CONTROLS = dict.fromkeys((*range(32), *range(0x7F, 0xA0)), "·")


@dataclass(frozen=True, slots=True)
class Column:
    """`key`: of the row. `importance`: columns with the smallest go first; 0 can go, None never goes."""

    key: str
    title: str
    importance: int | None = None
    right: bool = False


def counted(number: int, what: str) -> str:
    """`1 lease`, `2 leases`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def width() -> int | None:
    """Columns of the terminal; None when the output is not one. `COLUMNS` overrides, as everywhere."""
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):
        return None


def render(columns: Sequence[Column], rows: Sequence[Mapping[str, object]], limit: int | None) -> str:
    """The table as text with a title line; columns that are empty in every row are left out."""
    cells = {column.key: [text(row.get(column.key)) for row in rows] for column in columns}
    shown = [column for column in columns if column.importance is None or any(cells[column.key])]
    widths = {column.key: widest(column, cells) for column in shown}
    if limit is not None:
        shown = drop(shown, widths, limit)
        cut(shown, widths, limit)
    lines = [line(shown, {column.key: column.title for column in shown}, widths)]
    lines += [
        line(shown, {column.key: cells[column.key][index] for column in shown}, widths)
        for index in range(len(rows))
    ]
    return "\n".join(lines)


def pairs(rows: Sequence[tuple[str, object]], *, indent: int = 0) -> str:
    """`name  value` lines, aligned; those without a value are left out."""
    kept = [(name, text(value)) for name, value in rows if text(value)]
    left = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"{' ' * indent}{name:{left}}{' ' * GAP}{value}" for name, value in kept)


def text(value: object) -> str:
    """A cell: control characters can't reach the terminal."""
    return "" if value is None else str(value).translate(CONTROLS)


def widest(column: Column, cells: Mapping[str, Sequence[str]]) -> int:
    return max(len(column.title), *(len(cell) for cell in cells[column.key]), 0)


def total(shown: Sequence[Column], widths: Mapping[str, int]) -> int:
    return sum(widths[column.key] for column in shown) + GAP * (len(shown) - 1)


def drop(shown: Sequence[Column], widths: Mapping[str, int], limit: int) -> list[Column]:
    """Leave out the least important columns until the rest fits, or only the necessary ones are left."""
    kept = list(shown)
    for column in sorted(
        (column for column in shown if column.importance is not None),
        key=lambda column: column.importance or 0,
    ):
        if total(kept, widths) <= limit:
            break
        kept.remove(column)
    return kept


def cut(shown: Sequence[Column], widths: dict[str, int], limit: int) -> None:
    """Narrow the widest column, again and again, until the table fits."""
    while total(shown, widths) > limit:
        widest_key = max((column.key for column in shown), key=lambda key: widths[key])
        if widths[widest_key] <= NARROWEST:
            return
        widths[widest_key] -= 1


def line(shown: Sequence[Column], cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    parts = []
    for column in shown:
        room = widths[column.key]
        cell = cells[column.key]
        cell = cell if len(cell) <= room else cell[: room - 1] + "…"
        parts.append(cell.rjust(room) if column.right else cell.ljust(room))
    return (" " * GAP).join(parts).rstrip()
