"""When the parent can be used: what is waited for, what is not, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from hooknet.errors import HooknetError
from hooknet.kernel.links import Parent
from hooknet.lifecycle import ready
from hooknet.lifecycle.deadline import Deadline
from hooknet.lifecycle.ports import Machine, Netns
from hooknet.lifecycle.ready import ready_parent
from hooknet.lifecycle.requests import AttachRequest, LinkWanted
from hooknet.model import AttachmentKey

GOOD = Parent(name="eth7", index=7, mac="02:00:00:00:00:77", mtu=1500, up=True, carrier=True)
DOWN, UNPLUGGED = replace(GOOD, up=False, carrier=False), replace(GOOD, carrier=False)
REQUEST = AttachRequest(key=AttachmentKey("c", "eth0", "lan"), netns="/run/netns/x", link=LinkWanted())


class Booting:
    """A host whose parent is, look by look, in these states, and stays in the last one."""

    def __init__(self, *states: Parent) -> None:
        self.states = list(states)
        self.looks = 0

    async def parent(self, _name: str | None, _inside: Netns | None) -> Parent:
        self.looks += 1
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "POLL", 0.001)


def found(machine: Booting, request: AttachRequest = REQUEST, seconds: float = 10) -> Parent:
    async def find() -> Parent:
        where = cast("Netns", None)
        return await ready_parent(cast("Machine", machine), request, where, Deadline.after(seconds))

    return asyncio.run(find())


def refusal(machine: Booting, **how: Any) -> HooknetError:
    with pytest.raises(HooknetError) as caught:
        found(machine, **how)
    return caught.value


def test_what_is_ready_is_taken_at_the_first_look() -> None:
    machine = Booting(GOOD)
    assert (found(machine), machine.looks) == (GOOD, 1)


def test_a_parent_that_is_set_up_and_then_gets_a_carrier_is_waited_for() -> None:
    assert found(Booting(DOWN, DOWN, UNPLUGGED, UNPLUGGED, GOOD)) == GOOD


@pytest.mark.parametrize(
    ("parent", "word", "remedy"), [(DOWN, "down", "ip link set"), (UNPLUGGED, "carrier", "cable")]
)
def test_at_the_deadline_it_is_named_with_the_time_that_was_waited(
    parent: Parent, word: str, remedy: str
) -> None:
    error = refusal(Booting(parent), seconds=0.02)
    assert (error.code, word in error.message, remedy in error.hint) == (101, True, True)
    assert error.details == "waited 0.02 s"


@pytest.mark.parametrize("unfit", [{"wireless": True}, {"ethernet": False}, {"master": 9}])
def test_what_no_waiting_mends_is_said_at_once(unfit: dict[str, Any]) -> None:
    machine = Booting(replace(DOWN, **unfit))
    assert refusal(machine).code == 101
    assert machine.looks == 1


def test_under_another_main_plugin_nothing_is_waited_for() -> None:
    assert found(Booting(DOWN), request=replace(REQUEST, link=None)) == DOWN
