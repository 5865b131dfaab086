"""By which way an ADD's broadcasts leave: in a crowd the parent first, and the interface when nobody answers."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from hooknet.dhcp.effects import Delivery, Send
from hooknet.dhcp.messages import MessageType
from hooknet.lifecycle.way_out import CROWD, WayOut
from hooknet.model import MacvlanMode

INTERFACE = None
DISCOVER, REQUEST, DECLINE = MessageType.DISCOVER, MessageType.REQUEST, MessageType.DECLINE


class Registered:
    """A registry with so many attachments on every parent."""

    def __init__(self, count: int) -> None:
        self.count = count

    def is_crowded(self, _parent: str, count: int) -> bool:
        return self.count >= count


def entry(
    *,
    parent: str | None = "lan0",
    mode: Any = MacvlanMode.BRIDGE,
    replied: bool = False,
    acd: str = "optimistic",
) -> Any:
    return SimpleNamespace(
        host_parent=parent,
        record=SimpleNamespace(mode=mode),
        settings=SimpleNamespace(acd=acd),
        is_replied=lambda: replied,
    )


def message(kind: MessageType, delivery: Delivery = Delivery.BROADCAST_FRAME) -> Send:
    nobody = IPv4Address(0)
    return Send(payload=b"", type=kind, delivery=delivery, source=nobody, destination=nobody)


def way_out(about: Any, count: int = CROWD) -> WayOut:
    registry: Any = Registered(count)
    return WayOut(registry, about)


def test_questions_leave_by_the_parent() -> None:
    way = way_out(entry())
    assert [way.of_message(message(kind)) for kind in (DISCOVER, DISCOVER, REQUEST)] == ["lan0"] * 3


def test_what_nobody_answers_leaves_by_the_interface_as_well_once() -> None:
    way, question = way_out(entry()), message(DISCOVER)
    assert way.of_message(question) == "lan0"
    assert way.once_more(question) == (question,)
    assert way.of_message(question) is INTERFACE
    assert way.of_message(message(DISCOVER)) == "lan0"


def test_what_was_answered_does_not_leave_again() -> None:
    way, question = way_out(entry()), message(DISCOVER)
    way.of_message(question)
    way.heard()
    assert way.once_more(question) == ()


def test_what_others_came_after_does_not_leave_again() -> None:
    way, question = way_out(entry()), message(REQUEST)
    way.of_message(question)
    way.of_message(message(DISCOVER))
    assert way.once_more(question) == ()


def test_all_hear_of_a_conflict() -> None:
    assert way_out(entry()).of_message(message(DECLINE)) is INTERFACE


def test_the_first_probe_leaves_by_the_parent_and_the_others_are_heard_by_all() -> None:
    way = way_out(entry())
    assert [way.of_arp() for _ in range(3)] == ["lan0", INTERFACE, INTERFACE]


@pytest.mark.parametrize("acd", ["strict", "off"])
def test_where_the_probes_are_waited_for_all_of_them_are_heard_by_all(acd: str) -> None:
    way = way_out(entry(acd=acd))
    assert way.of_message(message(DISCOVER)) == "lan0"
    assert way.of_arp() is INTERFACE


@pytest.mark.parametrize(
    ("about", "count"),
    [
        pytest.param(entry(), CROWD - 1, id="no crowd"),
        pytest.param(entry(parent=None), CROWD, id="the parent is in the netns"),
        pytest.param(entry(mode=None), CROWD, id="another plugin's link"),
        pytest.param(entry(mode=MacvlanMode.VEPA), CROWD, id="a mode that copies nothing"),
        pytest.param(entry(replied=True), CROWD, id="nobody waits"),
    ],
)
def test_else_there_is_only_the_interface(about: Any, count: int) -> None:
    way = way_out(about, count)
    assert [way.of_message(message(DISCOVER)) for _ in range(2)] == [INTERFACE, INTERFACE]
    assert way.of_arp() is INTERFACE


def test_what_is_for_one_server_leaves_by_the_interface() -> None:
    assert way_out(entry()).of_message(message(REQUEST, Delivery.UNICAST_SOCKET)) is INTERFACE


def test_a_parent_that_is_renamed_meanwhile_is_used_by_its_new_name() -> None:
    about = entry()
    way = way_out(about)
    assert way.of_message(message(DISCOVER)) == "lan0"
    about.host_parent = "wan0"
    assert way.of_message(message(DISCOVER)) == "wan0"
