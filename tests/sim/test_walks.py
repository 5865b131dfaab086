"""Random histories, and what must hold in all of them (`hooknet.testing.walks` has the invariants).

Two ways to the same world: hypothesis looks for a short history that breaks an invariant and shrinks it; walks are
long, and a seed is all that is needed to take one again: script/sim-replay SEED.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hooknet.dhcp import acd, keeping, timers
from hooknet.dhcp.client import Client, Patience
from hooknet.testing.walks import ADDRESSES, BEHAVIOURS, LEASE_TIMES, SCRIPTED, WAITS, World, walk

REPLAY = Path(__file__).resolve().parents[2] / "script" / "sim-replay"

HOSTS = st.integers(0, 2)
SERVERS = st.integers(0, 1)
ADDRESS = st.sampled_from(ADDRESSES)


class ClientOnALan(RuleBasedStateMachine):
    """Client, LAN and faults, driven by hypothesis."""

    @initialize(seed=st.integers(0, 2**32))
    def build(self, seed: int) -> None:
        self.world = World(seed)
        for host in range(3):
            self.world.attach(host, Patience.ATTACH)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "world"):
            for follower in self.world.followers:
                follower.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()

    @rule(host=HOSTS, patience=st.sampled_from(Patience))
    def attach(self, host: int, patience: Patience) -> None:
        self.world.attach(host, patience)

    @rule(host=HOSTS)
    def answered(self, host: int) -> None:
        self.world.answered(host)

    @rule(host=HOSTS)
    def release(self, host: int) -> None:
        self.world.release(host)

    @rule(host=HOSTS)
    def restart_daemon(self, host: int) -> None:
        self.world.restart_daemon(host)

    @rule(host=HOSTS)
    def unplug(self, host: int) -> None:
        self.world.unplug(host)

    @rule(host=HOSTS)
    def plug(self, host: int) -> None:
        self.world.plug(host)

    @rule(host=HOSTS, seconds=st.sampled_from(WAITS))
    def sleep(self, host: int, seconds: float) -> None:
        self.world.sleep(host, seconds)

    @rule(server=SERVERS)
    def server_goes(self, server: int) -> None:
        self.world.server_goes(server)

    @rule(server=SERVERS)
    def server_comes(self, server: int) -> None:
        self.world.server_comes(server)

    @rule(
        server=SERVERS,
        kind=st.sampled_from(SCRIPTED),
        behaviour=st.sampled_from(sorted(BEHAVIOURS)),
        times=st.sampled_from((1, 5, 1000)),
    )
    def server_behaves(self, server: int, kind: object, behaviour: str, times: int) -> None:
        self.world.server_behaves(server, kind, behaviour, times)  # type: ignore[arg-type]  # sampled

    @rule(times=st.sampled_from((1, 1000)))
    def everybody_refuses(self, times: int) -> None:
        self.world.everybody_refuses(times)

    @rule(server=SERVERS)
    def server_behaves_well(self, server: int) -> None:
        self.world.server_behaves_well(server)

    @rule(server=SERVERS)
    def server_forgets(self, server: int) -> None:
        self.world.server_forgets(server)

    @rule(server=SERVERS, old=ADDRESS, new=ADDRESS)
    def server_moves(self, server: int, old: str, new: str) -> None:
        self.world.server_moves(server, old, new)

    @rule(server=SERVERS, lease_time=st.sampled_from(LEASE_TIMES))
    def server_grants(self, server: int, lease_time: int) -> None:
        self.world.server_grants(server, lease_time)

    @rule(address=ADDRESS)
    def squat(self, address: str) -> None:
        self.world.squat(address)

    @rule(host=HOSTS)
    def squat_on(self, host: int) -> None:
        self.world.squat_on(host)

    @rule()
    def squatters_go(self) -> None:
        self.world.squatters_go()

    @rule(loss=st.sampled_from((0.0, 0.1, 0.5)), duplicate=st.floats(0, 0.5), reorder=st.floats(0, 0.5))
    def weather(self, loss: float, duplicate: float, reorder: float) -> None:
        self.world.weather(loss, duplicate, reorder)

    @rule(host=HOSTS, payload=st.binary(max_size=600))
    def noise(self, host: int, payload: bytes) -> None:
        self.world.noise(host, payload)

    @rule(seconds=st.floats(-3e7, 3e7))
    def wall_clock_jumps(self, seconds: float) -> None:
        self.world.wall_clock_jumps(seconds)

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)


TestClientOnALan = ClientOnALan.TestCase
TestClientOnALan.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("seed", range(6))
def test_a_random_walk_breaks_no_invariant(seed: int) -> None:
    walk(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_random_walks_break_no_invariant(seed: int) -> None:
    walk(seed)


def test_the_same_seed_is_the_same_walk() -> None:
    assert walk(3, steps=30).lan.history == walk(3, steps=30).lan.history


def test_a_walk_that_fails_names_its_seed_and_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "lose", lambda core, reason: ())
    with pytest.raises(AssertionError, match=r"(?s)seed 0: .*script/sim-replay 0\n"):
        walk(0)


def test_a_seed_is_replayed_with_one_command() -> None:
    replayed = subprocess.run(
        [sys.executable, str(REPLAY), "3", "--lines", "2000"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "DISCOVER" in replayed.stdout


# The invariants are worth something: each of these mistakes in the client breaks one within a few walks.

MISTAKES = {
    "a NAK does not take the address away": (keeping, "lose", lambda core, reason: ()),
    "no back-off after failures": (timers, "backoff_wait", lambda *given: 0.0),
    "no wait after conflicts": (acd, "conflict_wait", lambda *given: 0.0),
    "renewals twice a second": (timers, "next_extension", lambda now, end: now + 0.5),
    "repetitions three times a second": (timers, "repeat_wait", lambda *given: 0.3),
    "an expired lease is kept": (Client, "_alarms", lambda self: iter(())),
}


def breaks(seed: int) -> bool:
    """Whether this walk finds something wrong."""
    try:
        walk(seed)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_invariants_notice(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MISTAKES[mistake])  # type: ignore[arg-type]  # module or class
    assert any(breaks(seed) for seed in range(40))
