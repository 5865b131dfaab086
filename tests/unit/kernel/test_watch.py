"""What a difference between two looks at a link is called."""

from __future__ import annotations

from hooknet.kernel.watch import Change, LinkEvent, Seen, difference

UP, DOWN = Seen("eth0", up=True, carrier=True), Seen("eth0", up=False, carrier=False)
UNPLUGGED = Seen("eth0", up=True, carrier=False)


def test_nothing_is_told_of_a_link_that_stayed_as_it_was() -> None:
    assert difference(2, UP, UP) == []
    assert difference(2, None, None) == []


def test_a_carrier_goes_and_comes() -> None:
    assert difference(2, UP, UNPLUGGED) == [LinkEvent(Change.DOWN, "eth0", 2)]
    assert difference(2, UNPLUGGED, UP) == [LinkEvent(Change.UP, "eth0", 2)]


def test_a_link_without_a_carrier_that_is_set_down_can_be_no_worse() -> None:
    assert difference(2, UP, DOWN) == [LinkEvent(Change.DOWN, "eth0", 2)]
    assert difference(2, UNPLUGGED, DOWN) == []


def test_a_link_appears_and_is_deleted() -> None:
    assert difference(2, None, UP) == [LinkEvent(Change.APPEARED, "eth0", 2)]
    assert difference(2, UP, None) == [LinkEvent(Change.DELETED, "eth0", 2)]


def test_a_link_that_goes_down_to_be_renamed_tells_both_under_its_old_name() -> None:
    events = difference(2, UP, Seen("lan0", up=False, carrier=False))
    assert events == [LinkEvent(Change.DOWN, "eth0", 2), LinkEvent(Change.RENAMED, "eth0", 2, "lan0")]
