"""The plot: for each row that all peers have, their values as bars beside each other, in one SVG file.

Each row has a scale of its own, since they differ by unit; a bar that would be longer than its row (Debian's ADD
is a hundred times ours) is cut, with a gap that says so, and every bar carries its number.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from figures import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from figures import Row

SHOWN = (
    "add p50",
    "del p50",
    "wall 50",
    "wall 200",
    "podman over none",
    "rss 1000",
    "threads 1000",
    "fds 1000",
    "cpu 100",
)
COLOURS = {
    "hooknet": "#1b7f5c",
    "drop-in": "#6cc3a2",
    "floor": "#9aa0a6",
    "floor + start": "#c5c9ce",
    "debian": "#c0563b",
}
OTHERS = ("#5b6fb5", "#a27cc4", "#c79a3b")
WIDTH, LABEL, SCALE = 860, 250, 470
BAR, GAP, HEAD = 15, 14, 44
CUT = 6.0
"""A bar is cut when it is this many times as long as hooknet's."""

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.n{font-size:11px}.h{font-weight:600;font-size:15px}"
)
DARK = "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"


def svg(rows: Sequence[Row]) -> str:
    """The whole file."""
    shown = [row for key in SHOWN for row in rows if row.key == key and "hooknet" in row.values]
    names = list(dict.fromkeys(name for row in shown for name in row.values if name != "none"))
    colours = colours_for(names)
    parts: list[str] = [*legend(names, colours)]
    top = HEAD + GAP
    for row in shown:
        parts += row_of(row, top, colours)
        top += len(bars(row)) * BAR + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}">'
    )
    return "\n".join([head, f"<style>{STYLE}{DARK}</style>", *parts, "</svg>", ""])


def colours_for(names: Sequence[str]) -> dict[str, str]:
    others = iter(OTHERS * len(names))
    return {name: COLOURS.get(name) or next(others) for name in names}


def legend(names: Sequence[str], colours: dict[str, str]) -> Iterator[str]:
    yield text(10, 18, "hooknet beside its peers, one run: shorter is better", "h")
    left = 10
    for name in names:
        yield f'<rect x="{left}" y="30" width="11" height="11" fill="{colours[name]}"/>'
        yield text(left + 16, 40, name)
        left += 34 + 8 * len(name)


def bars(row: Row) -> list[tuple[str, float]]:
    return [(name, value) for name, value in row.values.items() if name != "none"]


def row_of(row: Row, top: int, colours: dict[str, str]) -> Iterator[str]:
    longest = min(max(value for _, value in bars(row)), row.values["hooknet"] * CUT)
    yield text(10, top + BAR, row.label.replace("`", ""))
    for number_of, (name, value) in enumerate(bars(row)):
        y = top + number_of * BAR
        width = max(2.0, min(value / longest, 1.0) * SCALE) if longest > 0 else 2.0
        yield f'<rect x="{LABEL}" y="{y + 2}" width="{width:.0f}" height="{BAR - 4}" fill="{colours[name]}"/>'
        if value > longest:
            yield f'<path d="M{LABEL + SCALE - 24} {y}l6 {BAR}h5l-6 -{BAR}z" fill="#fff"/>'
        yield text(LABEL + width + 6, y + BAR - 3, f"{number(value)} {row.unit}".strip(), "n")


def text(x: float, y: float, words: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{css}>{escape(words)}</text>'
