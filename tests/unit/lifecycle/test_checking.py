"""CNI STATUS: which code, and what to do."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.checking import Checker


class Machine:
    """A host whose parent is down, has no carrier, or is not there at all."""

    def __init__(self, *, there: bool, up: bool) -> None:
        self._there = there
        self._up = up

    async def parent(self, name: str) -> Any:
        if not self._there:
            raise HooknetError(Kind.PARENT, f"there is no {name}", hint="name another")
        return SimpleNamespace(name=name, up=self._up, carrier=False)


def refusal(
    *, there: bool = True, up: bool = False, failing: str | None = None, attached: int = 0
) -> HooknetError:
    services = SimpleNamespace(journal=SimpleNamespace(failing=failing), machine=Machine(there=there, up=up))
    checker = Checker(SimpleNamespace(services=services))  # type: ignore[arg-type]
    with pytest.raises(HooknetError) as caught:
        asyncio.run(checker.status("eth7", NetworkSettings(), attached=attached))
    return caught.value


@pytest.mark.parametrize(("attached", "code"), [(0, 50), (2, 51)])
def test_a_parent_that_is_down_is_worse_where_containers_hang_on_it(attached: int, code: int) -> None:
    error = refusal(attached=attached)
    assert (error.code, error.hint) == (code, "ip link set eth7 up")
    assert error.details == ("2 attached containers can't reach the LAN" if attached else "")


def test_a_parent_without_a_carrier_cuts_off_who_hangs_on_it() -> None:
    error = refusal(up=True, attached=2)
    assert (error.code, error.message) == (51, "eth7 has no carrier")
    assert "cable" in error.hint


def test_what_to_do_about_a_parent_that_is_not_there_is_passed_on() -> None:
    assert refusal(there=False).hint == "name another"


def test_a_journal_that_can_not_be_written_leaves_the_attached_alone() -> None:
    error = refusal(failing="disk full", attached=2)
    assert (error.code, error.details) == (50, "disk full")
    assert "hooknet status" in error.hint
