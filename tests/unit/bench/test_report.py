"""What becomes of measurements: goals are judged, rows are written down and merged.

`script/bench --smoke` shows that the measuring works.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import report
from figures import Goal, Row, in_turn, number, over, p95
from peers import Reference


def row(*goals: Goal, **values: float) -> Row:
    return Row(key="wall 50", label="50 at once", unit="s", values=values, goals=goals)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (Goal(limit=0.45), 0.45, "met"),
        (Goal(limit=0.45), 0.451, "MISSED"),
        (Goal(of="debian", times=0.15), 0.447, "met: 0.149 times"),
        (Goal(of="debian", times=0.15), 0.459, "MISSED: 0.153 times"),
        (Goal(of="netavark"), 0.1, "not compared"),
        (Goal(limit=0), 0, "met"),
        (Goal(limit=0), 1, "MISSED"),
    ],
)
def test_a_goal_is_met_up_to_its_bound_and_not_beyond(goal: Goal, value: float, verdict: str) -> None:
    assert [text for _, text in row(goal, hooknet=value, debian=3.0).verdicts()] == [verdict]


def test_goals_are_about_hooknet_and_nobody_else() -> None:
    assert row(Goal(limit=0.45), debian=3.0).verdicts() == []


def test_a_machine_that_is_slow_for_a_minute_costs_no_network_anything() -> None:
    assert over([60, 600, 61], [20, 560, 20]) == 40


def test_the_95th_percent() -> None:
    assert p95(list(range(1, 101))) == 95
    assert p95(list(range(1, 21))) == 19
    assert p95([7]) == 7


def test_each_turn_is_begun_by_another_one() -> None:
    assert [in_turn("abc", turn) for turn in range(4)] == [[*"abc"], [*"bca"], [*"cab"], [*"abc"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3, "3"), (0.00123, "0.00123"), (1.5, "1.50"), (19.87, "19.9"), (1928.4, "1928")],
)
def test_three_digits_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_has_a_column_for_each_peer_and_says_what_became_of_each_goal() -> None:
    lines = report.table([row(Goal(limit=0.45), Goal(of="debian", times=0.15), debian=3.0, hooknet=0.5)])
    assert lines.splitlines()[0] == "| | hooknet | debian | unit | goal | |"
    assert "| 0.500 | 3 | s | ≤ 0.450 s; ≤ 0.15 times debian | MISSED; MISSED: 0.167 times |" in lines


def test_rows_that_were_not_measured_again_stay_in_their_place(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.json"
    first, second, third = (report.row_json(row(hooknet=n)) | {"key": f"row {n}"} for n in (1, 2, 3))
    page.write_text(report.as_json({}, [first, second]), encoding="utf-8")
    again = first | {"values": {"hooknet": 9}}
    assert report.merged(page, [again, third]) == [again, second, third]
    assert report.row_from(json.loads(page.read_text())["rows"][1]).values == {"hooknet": 2}


def test_what_is_kept_of_samples_is_their_spread() -> None:
    kept = Row(key="k", label="l", unit="ms", values={}, samples={"hooknet": [3.0, 1.0, 2.0]})
    spread = {"count": 3, "min": 1.0, "median": 2.0, "p95": 3.0, "max": 3.0}
    assert report.row_json(kept)["samples"] == {"hooknet": spread}


def test_a_page_without_the_place_for_a_table_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table -->\nold\n<!-- /table -->\n", encoding="utf-8")
    report.put_into(page, "table", "new")
    assert page.read_text() == "<!-- table -->\nnew\n<!-- /table -->\n"
    with pytest.raises(ValueError, match="no place for profile"):
        report.put_into(page, "profile", "new")


def test_a_peer_is_a_directory_with_plugins_of_any_type(tmp_path: Path) -> None:
    for name in ("macvlan", "dhcp", "ipvlan", "static"):
        (tmp_path / name).touch()
    assert Reference.parse(f"new={tmp_path}") == Reference(name="new", folder=tmp_path)
    other = Reference.parse(f"new={tmp_path}:ipvlan:static")
    assert (other.main, other.ipam) == ("ipvlan", "static")


@pytest.mark.parametrize(("text", "why"), [("new", "is not NAME=DIR"), ("new=/nonexistent", "there is no")])
def test_what_is_no_peer_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Reference.parse(text)
