"""Strikes, quarantine, probation: pure, with time as an argument."""

from __future__ import annotations

import pytest

from hooknet.hooks.limits import Limits
from hooknet.hooks.standing import Standing


@pytest.fixture
def standing():
    return Standing(Limits(strikes=3, cool_off=300, cool_off_most=1000))


def strike(standing, times, now=0.0, hook="pre_lease"):
    return [standing.struck(hook, now) for _ in range(times)]


def test_the_third_strike_in_a_row_quarantines(standing):
    assert strike(standing, 3) == [None, None, 300]
    assert standing.quarantined(299.9)
    assert standing.left(100) == 200


def test_strikes_of_different_hooks_do_not_add_up(standing):
    strike(standing, 2)
    strike(standing, 2, hook="release")
    assert not standing.quarantined(1)


def test_a_success_of_another_hook_does_not_save_it(standing):
    strike(standing, 2)
    standing.succeeded("release")
    assert strike(standing, 1) == [300]


def test_calls_that_end_during_the_quarantine_do_not_lengthen_it(standing):
    strike(standing, 3)
    assert strike(standing, 5, now=10) == [None] * 5
    assert standing.left(10) == 290


def test_one_strike_on_probation_quarantines_again_for_twice_as_long_up_to_a_bound(standing):
    strike(standing, 3)
    now, lengths = 300.0, []
    for _ in range(4):
        assert not standing.quarantined(now)
        seconds = standing.struck("pre_lease", now)
        lengths.append(seconds)
        now += seconds
    assert lengths == [600, 1000, 1000, 1000]


def test_a_success_on_probation_gives_all_strikes_back(standing):
    strike(standing, 3)
    assert not standing.quarantined(300)
    standing.succeeded("pre_lease")
    assert strike(standing, 3, now=301) == [None, None, 300]


def test_a_pardon_forgets_everything(standing):
    strike(standing, 3)
    standing.pardon()
    assert (standing.quarantined(1), standing.strikes, standing.left(1)) == (False, 0, 0.0)
    assert strike(standing, 3, now=2)[-1] == 300
