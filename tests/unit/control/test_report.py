"""What the daemon says of the parents that containers hang on."""

from __future__ import annotations

import pytest

from hooknet.kernel.watch import Seen
from hooknet.report import parent_problem, parent_view


def test_a_parent_that_works_is_no_problem() -> None:
    assert parent_problem(parent_view("eth7", Seen("eth7", up=True, carrier=True), 2)) is None


@pytest.mark.parametrize(
    ("seen", "what", "todo"),
    [
        (Seen("eth7", up=True, carrier=False), "has no carrier", "cable"),
        (Seen("eth7", up=False, carrier=False), "is down", "ip link set eth7 up"),
        (Seen("eth7", up=False, carrier=True), "is down", "ip link set eth7 up"),
        (None, "is gone", "restart the containers"),
    ],
)
def test_each_way_to_lose_a_parent_is_told_with_what_to_do(seen: Seen | None, what: str, todo: str) -> None:
    problem = parent_problem(parent_view("eth7", seen, 2))
    assert problem is not None
    assert (problem.what, "2 attached" in problem.why) == (f"the parent eth7 {what}", True)
    assert todo in problem.todo


def test_a_carrier_counts_only_while_the_link_is_up() -> None:
    assert not parent_view("eth7", Seen("eth7", up=False, carrier=True), 1).carrier
