"""Who offers addresses: one question, and another one where frames get lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hooknet.dhcp.effects import Send
from hooknet.dhcp.messages import decode, encode
from hooknet.dhcp.wire import UdpDatagram
from hooknet.kernel.links import Parent
from hooknet.lifecycle.probing import servers_offering
from hooknet.testing import Server

PARENT = Parent(name="eth7", index=2, mac="02:00:00:00:00:07", mtu=1500, up=True, carrier=True)
WINDOW = 0.01


class Line:
    """A wire that loses the first `lost` questions. `sent`: how many there were."""

    def __init__(self, lost: int) -> None:
        self.server, self.lost, self.sent = Server(), lost, 0

    def listen(self, deliver: Callable[[Sequence[UdpDatagram]], None]) -> None:
        self.deliver = deliver

    async def send(self, question: Send) -> None:
        self.sent += 1
        if self.sent > self.lost:
            answers = self.server.answer(0.0, decode(question.payload))
            address = self.server.address
            self.deliver([UdpDatagram("02:00:00:00:00:99", address, encode(one)) for one in answers])

    def close(self) -> None:
        self.closed = True


def asked(line: Line, times: int) -> list[IPv4Address]:
    asker = SimpleNamespace(
        machine=SimpleNamespace(line_on_parent=lambda _: line), randomness=random.Random(1)
    )
    found = asyncio.run(servers_offering(cast("Any", asker), PARENT, WINDOW, times=times))
    assert line.closed
    return found


@pytest.mark.parametrize(
    ("lost", "times", "is_found", "questions"),
    [(0, 2, True, 1), (1, 2, True, 2), (1, 1, False, 1), (9, 2, False, 2)],
    ids=["answered at once", "the first is lost", "asked only once", "nobody is there"],
)
def test_it_asks_again_only_while_nobody_answers(
    lost: int, times: int, is_found: bool, questions: int
) -> None:
    line = Line(lost)
    assert asked(line, times) == ([line.server.address] if is_found else [])
    assert line.sent == questions
