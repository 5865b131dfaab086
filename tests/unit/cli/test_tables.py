"""Tables: aligned, never wider than the terminal, never repainting it."""

from __future__ import annotations

from typing import Any

import pytest

from hooknet.cli.tables import Column, pairs, render, width

COLUMNS = (
    Column("name", "NAME"),
    Column("ms", "MS", right=True),
    Column("why", "WHY", 2),
    Column("extra", "EXTRA", 1),
)
ROWS = [
    {"name": "web", "ms": 7, "why": "because", "extra": "x" * 30},
    {"name": "a-very-long-name", "ms": 1234, "why": "", "extra": None},
]


def test_columns_are_aligned_left_or_right() -> None:
    assert render(COLUMNS, ROWS, None).splitlines() == [
        "NAME                MS  WHY      EXTRA",
        "web                  7  because  " + "x" * 30,
        "a-very-long-name  1234",
    ]


def test_a_column_that_is_empty_everywhere_is_left_out_but_a_necessary_one_stays() -> None:
    table = render(COLUMNS, [{"name": "", "ms": 1}], None)
    assert table.splitlines()[0].split() == ["NAME", "MS"]


@pytest.mark.parametrize("limit", range(14, 80))
def test_no_line_is_wider_than_the_terminal(limit: Any) -> None:
    for row in render(COLUMNS, ROWS, limit).splitlines():
        assert len(row) <= limit


def test_what_matters_least_goes_first() -> None:
    titles = [render(COLUMNS, ROWS, limit).splitlines()[0].split() for limit in (70, 40, 25)]
    assert titles == [["NAME", "MS", "WHY", "EXTRA"], ["NAME", "MS", "WHY"], ["NAME", "MS"]]


def test_what_must_stay_is_cut_and_says_so() -> None:
    assert render(COLUMNS, ROWS, 16).splitlines()[2] == "a-very-lo…  1234"


def test_control_characters_do_not_reach_the_terminal() -> None:
    table = render((Column("name", "NAME"),), [{"name": "a\x1b[2Jb\nc"}], None)
    assert table == "NAME\na·[2Jb·c"


def test_pairs_are_aligned_and_leave_out_what_is_unknown() -> None:
    assert pairs([("mac", "02:…"), ("hostname", None), ("note", ""), ("mtu", 1500)], indent=2) == (
        "  mac  02:…\n  mtu  1500"
    )


def test_the_width_is_the_terminal_s_and_there_is_none_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert width() is None
    monkeypatch.setenv("COLUMNS", "55")
    assert width() == 55
