"""The sockets of an exchange: a descriptor is not closed while a worker still sends through it."""

from __future__ import annotations

import asyncio
import os
from ipaddress import IPv4Address

import pytest

from hooknet.dhcp.effects import SendArp
from hooknet.dhcp.wire import BROADCAST_MAC, arp_probe
from hooknet.kernel.company import Company
from hooknet.kernel.packet import Outlet
from hooknet.lifecycle.linux import LinuxLine, Tools

MAC = "02:00:00:00:00:01"
PROBE = SendArp(payload=arp_probe(MAC, IPv4Address("192.0.2.9")), destination_mac=BROADCAST_MAC)


class Frames:
    """A packet socket that is only a descriptor."""

    def __init__(self) -> None:
        self.descriptor, self._other = os.pipe()

    def fileno(self) -> int:
        return self.descriptor

    def send_arp(self, payload, mac) -> None:
        raise AssertionError("the worker has not begun")

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._other)


class Pool:
    """A pool whose workers are busy: what was started is a future that the test completes."""

    def __init__(self) -> None:
        self.started, self.discarded = [], []

    async def run(self, _open, *_args):
        self.frames = Frames()
        return self.frames

    def start(self, _fn, *_args):
        self.started.append(asyncio.get_running_loop().create_future())
        return self.started[-1]

    def discard(self, thing) -> None:
        self.discarded.append(thing)


@pytest.mark.parametrize("error", [None, OSError("Network is down")], ids=["sent", "refused"])
def test_a_line_that_is_closed_while_arp_leaves_lets_go_when_the_last_has_left(error) -> None:
    async def close_early() -> tuple[int, int, int]:
        pool = Pool()
        line = LinuxLine(Tools(pool, Company(pool), Outlet()), None, "eth0")
        await line.send_arp(PROBE)
        await line.send_arp(PROBE)
        line.close()
        counts = [len(pool.discarded)]
        for leaving in pool.started:
            leaving.set_exception(error) if error else leaving.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counts.append(len(pool.discarded))
        pool.frames.close()
        return tuple(counts)

    assert asyncio.run(close_early()) == (0, 0, 1)


def test_a_line_on_which_nothing_leaves_any_more_lets_go_at_once() -> None:
    async def close() -> list[int]:
        pool = Pool()
        line = LinuxLine(Tools(pool, Company(pool), Outlet()), None, "eth0")
        await line.send_arp(PROBE)
        pool.started[0].set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        line.close()
        line.close()
        pool.frames.close()
        return [len(pool.discarded)]

    assert asyncio.run(close()) == [1]
