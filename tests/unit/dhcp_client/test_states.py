"""The transition table of RFC 2131 figure 5, and the drawing made from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from hooknet.dhcp.client import Client, ClientSettings, IllegalTransition, Patience
from hooknet.dhcp.core import Core
from hooknet.dhcp.states import TABLE, Event, State, after
from hooknet.testing import FakeClock, make_binding, make_request

ROOT = Path(__file__).resolve().parents[3]
LEGAL = [(state, event, target) for state, row in TABLE.items() for event, target in row.items()]
ILLEGAL = [(state, event) for state in State for event in Event if event not in TABLE[state]]

FIGURE_5 = [
    (State.INIT, Event.DISCOVER, State.SELECTING),
    (State.SELECTING, Event.OFFER, State.REQUESTING),
    (State.REQUESTING, Event.ACK, State.BOUND),
    (State.REQUESTING, Event.NAK, State.INIT),
    (State.REQUESTING, Event.CONFLICT, State.INIT),
    (State.BOUND, Event.T1, State.RENEWING),
    (State.RENEWING, Event.ACK, State.BOUND),
    (State.RENEWING, Event.NAK, State.INIT),
    (State.RENEWING, Event.T2, State.REBINDING),
    (State.REBINDING, Event.ACK, State.BOUND),
    (State.REBINDING, Event.NAK, State.INIT),
    (State.REBINDING, Event.EXPIRY, State.INIT),
    (State.INIT_REBOOT, Event.REBOOT_REQUEST, State.REBOOTING),
    (State.REBOOTING, Event.ACK, State.BOUND),
    (State.REBOOTING, Event.NAK, State.INIT),
]


def core_in(state: State) -> Core:
    core = Core(request=make_request(), settings=ClientSettings(), randomness=Random(1), utc=FakeClock().utc)
    core.state = state
    return core


@pytest.mark.parametrize(("state", "event", "target"), FIGURE_5)
def test_rfc_2131_figure_5_is_in_the_table(state: State, event: Event, target: State) -> None:
    assert after(state, event) is target


@pytest.mark.parametrize(("state", "event", "target"), LEGAL)
def test_a_legal_transition_leads_where_the_table_says(state: State, event: Event, target: State) -> None:
    core = core_in(state)
    core.move(event)
    assert core.state is target


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_an_illegal_transition_raises_and_leaves_the_state_unchanged(state: State, event: Event) -> None:
    core = core_in(state)
    with pytest.raises(IllegalTransition) as caught:
        core.move(event)
    assert core.state is state
    assert (caught.value.state, caught.value.event) == (state, event)
    assert state.value in str(caught.value)


def test_every_state_can_be_reached_from_init() -> None:
    reached, border = {State.INIT}, [State.INIT]
    while border:
        border = [target for state in border for target in TABLE[state].values() if target not in reached]
        reached.update(border)
    assert reached == set(State)


def test_every_event_is_in_the_table() -> None:
    assert {event for row in TABLE.values() for event in row} == set(Event)


def test_every_state_can_be_released_from() -> None:
    assert all(after(state, Event.RELEASE) is State.INIT for state in State)


def test_every_state_with_a_lease_in_use_ends_when_it_expires() -> None:
    in_use = {State.BOUND, State.RENEWING, State.REBINDING, State.INIT_REBOOT, State.REBOOTING, State.PROBING}
    assert all(after(state, Event.EXPIRY) is State.INIT for state in in_use)


def test_start_is_refused_when_something_is_under_way_and_changes_nothing() -> None:
    client = Client(make_request(), ClientSettings(), Random(1), FakeClock().utc)
    client.start(0.0, Patience.ATTACH)
    before = (client.state, client.deadline, client.listening)
    with pytest.raises(IllegalTransition):
        client.start(0.1, Patience.ATTACH)
    assert (client.state, client.deadline, client.listening) == before


def test_a_lease_is_restored_only_into_init() -> None:
    client = Client(make_request(), ClientSettings(), Random(1), FakeClock().utc)
    client.resume(0.0, make_binding())
    before = (client.state, client.deadline, client.binding)
    with pytest.raises(IllegalTransition):
        client.resume(1.0, make_binding(address="192.0.2.77/24"))
    assert (client.state, client.deadline, client.binding) == before


def test_the_drawing_in_the_docs_is_what_the_table_says() -> None:
    drawn = subprocess.run(
        [sys.executable, str(ROOT / "script" / "draw-states"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert drawn.returncode == 0, drawn.stderr
