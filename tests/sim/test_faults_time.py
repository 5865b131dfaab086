"""What clocks, links and lease times do wrong, and what must come of it; the faults' numbers are in the names."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from hooknet.dhcp.client import ClientSettings, State
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.options import Code
from hooknet.testing import (
    FOREVER,
    YEAR,
    Faults,
    Host,
    Lan,
    make_binding,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def attached(lan: Lan, settings: ClientSettings | None = None, **request: object) -> Host:
    """A host with a lease whose ADD was answered, a few seconds ago."""
    host = lan.host("web", settings, **request)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    lan.run(5)
    return host


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


# 7: the wall clock jumps


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_fault_7_a_wall_clock_that_jumps_by_a_year_moves_no_renewal(jump: float) -> None:
    quiet, jumping = Lan(seed=1), Lan(seed=1)
    times = []
    for lan, by in ((quiet, 0.0), (jumping, jump)):
        lan.server(lease_time=3600)
        host = attached(lan)
        lan.clock.set_wall_clock(by)
        lan.run(10 * 3600)
        times.append(host.times(MessageType.REQUEST))
        assert set(host.reasons) == {"BOUND", "RENEWED"}
    assert times[0] == times[1]


# 8: suspend


def test_fault_8_a_host_that_slept_past_t1_renews_when_it_wakes() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.sleep(2500)
    lan.run(2500.1)
    assert host.reasons == ["BOUND", "RENEWED"]


def test_fault_8_a_host_that_slept_past_t2_rebinds_when_it_wakes() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    host.sleep(3300)
    lan.run(3300.1)
    assert host.reasons == ["BOUND", "RENEWED"]
    assert server.count(MessageType.REQUEST) == 2
    assert int(host.sent[-1].send.destination) == 0xFFFFFFFF


def test_fault_8_a_host_that_slept_past_the_end_starts_again_at_once() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.sleep(3700)
    lan.run(3700.1)
    assert host.reasons == ["BOUND", "EXPIRED", "BOUND"]
    assert host.address == IPv4Address("192.0.2.50")


@pytest.mark.parametrize("asleep", [1000.0, 2500.0, 3300.0, 3700.0])
def test_fault_8_after_any_sleep_the_deadline_lies_ahead(asleep: float) -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    server.online = False
    host.sleep(asleep)
    lan.run(asleep)
    assert host.client.deadline is not None
    assert host.client.deadline > lan.now


# 10: the link


def test_fault_10_nothing_is_sent_while_the_link_is_down() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.unplug()
    before = len(host.sent)
    lan.run(3500)
    assert len(host.sent) == before
    assert host.address is not None


def test_fault_10_a_lease_that_runs_out_while_the_link_is_down_is_dropped_then() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    host.unplug()
    lan.run(3601)
    assert (host.address, host.reasons[-1]) == (None, "EXPIRED")
    host.plug()
    lan.run(10)
    assert host.reasons[-1] == "BOUND"


def test_fault_10_when_the_link_is_back_the_lease_is_verified_within_five_seconds() -> None:
    lan = Lan()
    server = lan.server(lease_time=3600)
    host = attached(lan)
    host.unplug()
    lan.run(60)
    host.plug()
    assert host.state is State.INIT_REBOOT
    lan.run(5.1)
    assert (host.state, host.reasons) == (State.BOUND, ["BOUND", "RENEWED"])
    asked = server.heard[-1]
    assert asked.requested_address == host.address
    assert int(asked.ciaddr) == 0
    assert Code.SERVER_ID not in asked.options


def test_fault_10_a_flapping_link_makes_no_flood() -> None:
    lan = Lan()
    lan.server(lease_time=3600)
    host = attached(lan)
    before = len(host.sent)
    for _ in range(600):
        host.unplug()
        lan.run(0.05)
        host.plug()
        lan.run(0.05)
    lan.run(15)
    assert len(host.sent) - before <= 9
    assert host.address is not None


def test_fault_10_many_hosts_do_not_ask_at_once_when_the_link_is_back() -> None:
    lan = Lan()
    lan.server(pool=[f"192.0.2.{last}" for last in range(50, 100)], lease_time=3600)
    hosts = [lan.host() for _ in range(50)]
    for host in hosts:
        host.attach()
        host.answered()
    lan.run(5)
    for host in hosts:
        host.unplug()
        host.plug()
    lan.run(6)
    asked = sorted(host.times(MessageType.REQUEST)[-1] for host in hosts)
    assert asked[-1] - asked[0] > 3
    assert max(sum(at <= one < at + 0.5 for one in asked) for at in asked) < 20


def test_fault_10_an_add_under_way_goes_on_at_once() -> None:
    lan = Lan()
    lan.server()
    host = lan.host()
    host.unplug()
    host.attach()
    lan.run(3)
    assert not host.sent
    host.plug()
    lan.run(0.1)
    assert host.lease is not None


# 18: strange times


@pytest.mark.parametrize("lease_time", [1, 2, 3, 10])
def test_fault_18_a_lease_of_seconds_makes_no_busy_loop(lease_time: int) -> None:
    lan = Lan()
    lan.server(lease_time=lease_time)
    host = attached(lan)
    before = len(host.sent)
    lan.run(300)
    assert 10 < len(host.sent) - before < 700


def test_fault_18_a_lease_of_one_second_is_not_used_for_two_and_asked_for_ever_more_rarely() -> None:
    lan = Lan()
    lan.server(lease_time=1)
    host = attached(lan)
    lan.run(3600)
    assert all(use.until - use.since <= 1.0 for use in host.used)
    assert gaps(host.times(MessageType.DISCOVER))[-1] > 200


def test_fault_18_a_lease_time_of_0_grants_nothing() -> None:
    lan = Lan()
    lan.server(lease_time=0)
    host = lan.host()
    host.attach()
    lan.run(60)
    assert host.reasons == []


@pytest.mark.parametrize("lease_time", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE])
def test_fault_18_huge_lease_times_do_not_turn_negative(lease_time: int) -> None:
    lan = Lan()
    lan.server(lease_time=lease_time)
    host = attached(lan)
    assert host.client.deadline is not None
    assert host.client.deadline - lan.now > 30 * YEAR
    lan.run(80 * YEAR)
    assert set(host.reasons) == {"BOUND", "RENEWED"}


@pytest.mark.parametrize(
    ("t1", "t2"), [(3600, 1800), (5000, 6000), (0, 0), (1800, 1800), (0xFFFFFFFF, 0xFFFFFFFF), (10, None)]
)
def test_fault_18_nonsense_in_t1_and_t2_is_replaced(t1: int, t2: int | None) -> None:
    lan = Lan()
    lan.server(lease_time=3600, t1=t1, t2=t2)
    host = attached(lan)
    lan.run(2 * 3600)
    assert set(host.reasons) == {"BOUND", "RENEWED"}
    assert len(host.used) == 1


@pytest.mark.parametrize("lease_time", [10, 30, 60, 120, 600])
def test_fault_18_short_leases_are_kept_for_a_day(lease_time: int) -> None:
    lan = Lan()
    lan.server(lease_time=lease_time)
    host = attached(lan)
    lan.run(86400 if lease_time >= 60 else 3600)
    assert len(host.used) == 1


def test_fault_18_an_infinite_t1_of_a_finite_lease_is_replaced() -> None:
    lan = Lan()
    lan.server(lease_time=600, t1=FOREVER, t2=FOREVER)
    host = attached(lan)
    lan.run(1200)
    assert set(host.reasons) == {"BOUND", "RENEWED"}


# 35: many leases


def leased(lan: Lan, number: int) -> list[Host]:
    pool = [str(IPv4Address("198.18.0.1") + each) for each in range(number)]
    lan.server(network="198.18.0.0/16", address="198.18.255.1", pool=pool, lease_time=3600)
    hosts = [lan.host(f"host{each}") for each in range(number)]
    bindings = [
        make_binding(since=lan.now, address=f"{address}/16", server=IPv4Address("198.18.255.1"))
        for address in pool
    ]
    for host, binding in zip(hosts, bindings, strict=True):
        host.stored = binding
        host.restart_daemon()
    return hosts


def busiest_second(hosts: list[Host]) -> int:
    times = sorted(one.at for host in hosts for one in host.sent)
    return max(sum(at <= one < at + 1 for one in times) for at in times[::20])


def test_fault_35_a_thousand_leases_of_one_second_are_not_renewed_in_one() -> None:
    lan = Lan()
    hosts = leased(lan, 1000)
    lan.faults = Faults(loss=1.0)
    lan.run(1800 + 31)
    assert all(len(host.sent) >= 1 for host in hosts)
    assert busiest_second(hosts) < 60


def test_fault_35_a_thousand_overdue_leases_are_spread_after_a_restart() -> None:
    lan = Lan()
    hosts = leased(lan, 1000)
    lan.clock.advance(lan.now + 2000)
    lan._events.clear()
    for host in hosts:
        host.restart_daemon()
    lan.faults = Faults(loss=1.0)
    lan.run(6)
    assert all(len(host.sent) == 1 for host in hosts)
    assert busiest_second(hosts) < 300
