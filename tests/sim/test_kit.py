"""The simulated LAN itself: what a test may rely on."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from hooknet.dhcp.messages import MessageType
from hooknet.model import PostLeaseReason
from hooknet.testing import (
    YEAR,
    FakeClock,
    Faults,
    Heard,
    Host,
    Lan,
    make_attachment,
    make_binding,
    make_container,
    make_lease,
    make_request,
    twice,
)


def attached(lan: Lan, name: str = "web") -> Host:
    host = lan.host(name)
    host.attach()
    lan.run_until(lambda: host.lease is not None)
    host.answered()
    return host


def history_of(seed: int) -> list[str]:
    lan = Lan(seed=seed, faults=Faults(loss=0.3, duplicate=0.3, reorder=0.3))
    lan.server(lease_time=60)
    lan.host("web").attach()
    lan.run(3600)
    return lan.history


def test_the_same_seed_is_the_same_history() -> None:
    assert history_of(7) == history_of(7)


def test_another_seed_is_another_history() -> None:
    assert history_of(7) != history_of(8)


def test_lost_frames_do_not_arrive() -> None:
    lan = Lan(faults=Faults(loss=1.0))
    server = lan.server()
    lan.host().attach()
    lan.run(60)
    assert not server.heard


def test_doubled_frames_arrive_twice() -> None:
    lan = Lan(faults=Faults(duplicate=1.0))
    server = lan.server()
    lan.host().attach()
    lan.run(0.5)
    assert server.count(MessageType.DISCOVER) == 2


def test_frames_keep_their_order_unless_they_are_late() -> None:
    assert in_order(Faults(delay=(0.0, 1.0)))
    assert not in_order(Faults(delay=(0.0, 1.0), reorder=0.5))


def in_order(faults: Faults) -> bool:
    lan = Lan(seed=1, faults=faults)
    server = lan.server()
    host = lan.host()
    for _ in range(20):
        host.attach()
        host.release()
    lan.run(30)
    heard = [message.xid for message in server.heard if message.type is MessageType.DISCOVER]
    return heard == [message.xid for message in host.messages(MessageType.DISCOVER)]


def test_a_lossy_lan_still_gives_leases_and_keeps_them() -> None:
    lan = Lan(seed=5, faults=Faults(loss=0.2, duplicate=0.1, reorder=0.1))
    lan.server(lease_time=3600)
    host = attached(lan)
    lan.run(30 * 86400)
    assert host.lease is not None
    assert len(host.used) == 1


def test_run_until_tells_what_happened_when_it_does_not_come_true() -> None:
    lan = Lan()
    host = lan.host("web")
    host.attach()
    with pytest.raises(AssertionError, match=r"(?s)not within 5.* s.*web: DISCOVER"):
        lan.run_until(lambda: host.lease is not None, within=5)


def test_checks_are_called_after_every_event() -> None:
    lan = Lan()
    seen: list[float] = []
    lan.checks.append(lambda: seen.append(lan.now))
    lan.server()
    attached(lan)
    assert len(seen) >= 4
    assert seen == sorted(seen)


def test_a_test_hears_what_plugins_would_hear() -> None:
    lan = Lan()
    lan.server()
    host = lan.host("web")
    heard: list[Heard] = []
    host.listeners.append(heard.append)
    host.attach()
    lan.run(1)
    assert [one.reason for one in heard] == [PostLeaseReason.BOUND]


def test_a_server_gives_a_client_its_own_address_again() -> None:
    lan = Lan()
    lan.server()
    first, second = attached(lan, "one"), attached(lan, "two")
    assert (first.address, second.address) == (IPv4Address("192.0.2.50"), IPv4Address("192.0.2.51"))
    first.release()
    lan.run(1)
    first.attach()
    lan.run(1)
    assert first.address == IPv4Address("192.0.2.50")


def test_a_script_holds_for_as_often_as_it_says_and_the_latest_counts() -> None:
    lan = Lan()
    server = lan.server()
    server.on(MessageType.DISCOVER, lambda server, message: ())
    server.on(MessageType.DISCOVER, twice, times=1)
    host = attached(lan)
    assert host.address is not None
    other = lan.host("db")
    other.attach()
    lan.run(10)
    assert other.lease is None
    server.behave()
    lan.run_until(lambda: other.lease is not None)


def test_a_renewal_reaches_the_server_that_is_written_to_and_no_other() -> None:
    lan = Lan()
    first = lan.server(lease_time=600)
    host = attached(lan)
    second = lan.server()
    lan.run(400)
    assert first.count(MessageType.REQUEST) == 2
    assert second.count(MessageType.REQUEST) == 0
    assert host.reasons == ["BOUND", "RENEWED"]


def test_the_boot_clock_never_goes_back() -> None:
    clock = FakeClock(100.0)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(99.0)


def test_the_wall_clock_jumps_and_the_boot_clock_does_not() -> None:
    clock = FakeClock(100.0)
    before = clock.utc(100.0)
    clock.set_wall_clock(-YEAR)
    assert clock.now == 100.0
    assert (before - clock.utc(100.0)).total_seconds() == YEAR


def test_models_have_defaults_and_take_changes() -> None:
    assert make_attachment(network="dmz").network == "dmz"
    assert make_container(labels={"a": "b"}).labels == {"a": "b"}
    assert make_request(hostname=None).hostname is None
    assert make_lease(address="198.51.100.7/25").address == IPv4Interface("198.51.100.7/25")
    assert make_binding(since=5.0, lease_time=60).expires_at == 65.0


def test_times_of_a_made_lease_fit_together() -> None:
    short, infinite = make_lease(lease_time=80), make_lease(lease_time=None)
    assert (short.t1, short.t2) == (40, 70)
    assert (infinite.t1, infinite.t2, infinite.expires) == (None, None, None)
    assert make_lease(lease_time=80, t1=5).t1 == 5


def test_the_example_in_the_docs_runs() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "dhcp-states.md"
    _, _, rest = page.read_text(encoding="utf-8").partition("```python\n")
    example, _, _ = rest.partition("```")
    assert "lan.run_until" in example
    exec(compile(example, str(page), "exec"), {})
