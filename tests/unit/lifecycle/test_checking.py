"""CNI STATUS: which code, and what to do."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.kernel.links import Parent
from hooknet.lifecycle.checking import Checker
from hooknet.lifecycle.requests import StatusRequest

GOOD = Parent(name="eth7", index=7, mac="02:00:00:00:00:77", mtu=1500, up=True, carrier=True)
UNDER_A_BRIDGE: dict[str, Any] = {"makes_link": False}


class Machine:
    """A host with one parent, or without any. Whoever asks a server there fails the test."""

    def __init__(self, there: Parent | None) -> None:
        self._there = there

    async def parent(self, name: str) -> Parent:
        if self._there is None:
            raise HooknetError(Kind.PARENT, f"there is no {name}", hint="name another")
        return self._there

    def line_on_parent(self, name: str) -> Any:
        raise AssertionError(f"a server is asked on {name}")


def status(
    *,
    there: Parent | None = GOOD,
    failing: str | None = None,
    attached: int = 0,
    exhausted: bool = False,
    settings: NetworkSettings | None = None,
    **asked: Any,
) -> None:
    services = SimpleNamespace(
        journal=SimpleNamespace(failing=failing), machine=Machine(there), randomness=random.Random(1)
    )
    leases = SimpleNamespace(services=services, silent_parents={"eth7": 1.0} if exhausted else {})
    checker = Checker(leases)  # type: ignore[arg-type]
    request = StatusRequest(network="lan", parent="eth7", **asked)
    asyncio.run(checker.status(request, settings or NetworkSettings(), attached=attached))


def refusal(**scene: Any) -> HooknetError:
    with pytest.raises(HooknetError) as caught:
        status(**scene)
    return caught.value


def parent(**changes: Any) -> Parent:
    return replace(GOOD, **changes)


def test_a_parent_that_is_up_and_has_a_carrier_will_do() -> None:
    status()


@pytest.mark.parametrize(("attached", "code"), [(0, 50), (2, 51)])
@pytest.mark.parametrize(
    ("change", "word", "remedy"),
    [
        ({"up": False}, "down", "ip link set eth7 up"),
        ({"carrier": False}, "carrier", "cable"),
        ({"wireless": True}, "wireless", "wired"),
        ({"master": 9}, "belongs to", "use "),
        ({"ethernet": False}, "no Ethernet", "another parent"),
    ],
)
def test_a_parent_that_carries_no_containers_is_worse_where_some_hang_on_it(
    change: dict[str, Any], word: str, remedy: str, attached: int, code: int
) -> None:
    error = refusal(there=parent(**change), attached=attached)
    assert (error.code, word in error.message, remedy in error.hint) == (code, True, True)
    assert ("2 attached containers can't reach the LAN" in error.details) is bool(attached)


def test_under_another_main_plugin_the_link_is_not_ours_to_judge() -> None:
    """An ipvlan works on Wi-Fi; a bridge without a port has no carrier until the first container comes."""
    status(there=parent(wireless=True), **UNDER_A_BRIDGE)
    status(there=parent(carrier=False), **UNDER_A_BRIDGE)
    assert refusal(there=parent(carrier=False), attached=2, **UNDER_A_BRIDGE).code == 51
    assert refusal(there=parent(up=False), **UNDER_A_BRIDGE).code == 50


def test_what_to_do_about_a_parent_that_is_not_there_is_passed_on() -> None:
    assert refusal(there=None).hint == "name another"


def test_a_parent_in_the_container_is_the_containers_business_and_the_journal_is_not() -> None:
    status(there=None, parent_in_netns=True)
    assert refusal(parent_in_netns=True, failing="disk full").code == 50


def test_a_journal_that_can_not_be_written_leaves_the_attached_alone() -> None:
    error = refusal(failing="disk full", attached=2)
    assert (error.code, error.details) == (50, "disk full")
    assert "hooknet status" in error.hint


def test_who_leases_nothing_needs_no_pool_and_no_server() -> None:
    status(leases=False, exhausted=True)
    status(leases=False, settings=NetworkSettings(probe_server=True))
    with pytest.raises(AssertionError, match="a server is asked"):
        status(leases=True, exhausted=True)
