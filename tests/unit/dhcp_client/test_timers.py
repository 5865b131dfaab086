"""When to try again, when to renew, when to give up: RFC 2131 sections 4.1 and 4.4.5."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import timers
from hooknet.dhcp.timers import Failures, Patience, Schedule, backoff_wait, next_extension, repeat_wait
from hooknet.testing import make_binding


class Middle:
    """Randomness that always takes the middle."""

    def getrandbits(self, k: int, /) -> int:
        return 1 << (k - 1)

    def uniform(self, a: float, b: float, /) -> float:
        return (a + b) / 2


def test_rfc_2131_4_1_messages_are_repeated_after_4_8_16_32_64_64_seconds() -> None:
    waits = [repeat_wait(tries, Patience.BACKGROUND, Middle()) for tries in range(1, 8)]
    assert waits == [4, 8, 16, 32, 64, 64, 64]


def test_inside_an_add_messages_are_repeated_after_1_2_4_seconds() -> None:
    assert [repeat_wait(tries, Patience.ATTACH, Middle()) for tries in range(1, 4)] == [1, 2, 4]


@given(tries=st.integers(1, 10_000), seed=st.integers())
def test_rfc_2131_4_1_each_wait_is_randomised_by_a_second(tries: int, seed: int) -> None:
    wait = repeat_wait(tries, Patience.BACKGROUND, Random(seed))
    nominal = repeat_wait(tries, Patience.BACKGROUND, Middle())
    assert abs(wait - nominal) <= 1.0


def test_the_waits_of_two_hosts_differ() -> None:
    assert repeat_wait(1, Patience.ATTACH, Random(1)) != repeat_wait(1, Patience.ATTACH, Random(2))


def test_rfc_2131_3_1_a_request_is_given_up_after_a_minute() -> None:
    waits = [
        repeat_wait(tries, Patience.BACKGROUND, Middle())
        for tries in range(1, timers.most_requests(Patience.BACKGROUND) + 1)
    ]
    assert sum(waits) == 60


def test_inside_an_add_a_request_is_given_up_in_time_for_another_server() -> None:
    waits = [
        repeat_wait(tries, Patience.ATTACH, Middle())
        for tries in range(1, timers.most_requests(Patience.ATTACH) + 1)
    ]
    assert sum(waits) == 7


def test_rfc_2131_4_4_5_half_of_what_is_left_is_waited_for() -> None:
    assert next_extension(1000.0, 5000.0) == 3000.0


def test_rfc_2131_4_4_5_a_minute_is_waited_for_at_least() -> None:
    assert next_extension(1000.0, 1100.0) == 1060.0


@pytest.mark.parametrize("left", [0.0, 0.1, 10.0, 59.0, 60.0])
def test_no_wait_sleeps_past_t2_or_the_end(left: float) -> None:
    assert next_extension(1000.0, 1000.0 + left) == math.inf


@given(now=st.floats(0, 1e9), left=st.floats(0, 1e10))
def test_repetitions_are_a_minute_apart_and_before_the_end(now: float, left: float) -> None:
    at = next_extension(now, now + left)
    assert at == math.inf or (at >= now + 59.99 and at < now + left)


@given(
    since=st.floats(0, 1e8),
    lease_time=st.integers(1, 0xFFFFFFFE),
    t1=st.integers(0, 0xFFFFFFFF),
    t2=st.integers(0, 0xFFFFFFFF),
    seed=st.integers(),
)
def test_fault_18_t1_t2_and_expiry_are_in_order_whatever_a_lease_says(
    since: float, lease_time: int, t1: int, t2: int, seed: int
) -> None:
    binding = make_binding(since=since, lease_time=lease_time, t1=t1, t2=t2)
    schedule = Schedule.of(binding, Random(seed))
    assert since <= schedule.t1 <= schedule.t2 <= schedule.expires == since + lease_time


def test_an_infinite_lease_has_no_timer() -> None:
    schedule = Schedule.of(make_binding(lease_time=None), Random(1))
    assert (schedule.t1, schedule.t2, schedule.expires) == (math.inf, math.inf, math.inf)


@pytest.mark.parametrize("lease_time", [10, 30, 60, 120, 0x80000000, 0xFFFFFFFE])
def test_t1_and_t2_are_fuzzed_a_little_and_stay_apart(lease_time: int) -> None:
    binding = make_binding(lease_time=lease_time)
    assert binding.lease.t1 is not None
    schedules = [Schedule.of(binding, Random(seed)) for seed in range(50)]
    assert len({schedule.t1 for schedule in schedules}) > 40
    most = min(0.05 * binding.lease.t1, 30.0)
    assert all(abs(schedule.t1 - binding.t1_at) <= most for schedule in schedules)
    assert all(schedule.t1 < schedule.t2 < schedule.expires for schedule in schedules)


def test_the_first_failure_is_not_waited_for_and_later_ones_ever_longer() -> None:
    waits = [backoff_wait(failures, Patience.BACKGROUND, Middle()) for failures in range(1, 12)]
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_inside_an_add_the_waits_after_failures_begin_with_a_second() -> None:
    assert [backoff_wait(failures, Patience.ATTACH, Middle()) for failures in range(1, 5)] == [0, 1, 2, 4]


def test_a_lease_that_lived_for_a_minute_ends_a_series_of_failures() -> None:
    failures = Failures()
    assert [failures.add(), failures.add(59.0), failures.add(60.0), failures.add()] == [1, 2, 1, 2]


def test_hours_of_silence_do_not_overflow() -> None:
    assert timers.doubled(1.0, 100_000, 64.0) == 64.0
