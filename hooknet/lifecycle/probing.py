"""Is a DHCP server there? Two questions that take no lease, asked from the parent itself.

A DISCOVER that nobody follows up (STATUS, `hooknet doctor`), and an INFORM for a host that has an address already:
a server whose pool is exhausted stays silent to the first and answers the second (RFC 2131 section 4.3.5), which
tells "no server" from "no address left".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Protocol

from hooknet.dhcp.client import Randomness
from hooknet.dhcp.compose import DEFAULT_PARAMETERS
from hooknet.dhcp.effects import Send
from hooknet.dhcp.sends import discover_probe, inform_probe, probe_answer
from hooknet.dhcp.wire import UdpDatagram
from hooknet.kernel.links import Parent
from hooknet.lifecycle.ports import Machine, Packet
from hooknet.model import LeaseRequest

WINDOW = 2.0
"""Seconds to wait for answers; servers on a LAN take milliseconds, one that pings first up to a second."""
HARDWARE_ETHERNET = b"\x01"


class Asker(Protocol):
    """Whoever asks: the daemon's services, or `hooknet doctor`, which needs no daemon."""

    @property
    def machine(self) -> Machine: ...
    @property
    def randomness(self) -> Randomness: ...


async def servers_offering(
    asker: Asker, parent: Parent, window: float = WINDOW, *, times: int = 1
) -> list[IPv4Address]:
    """The servers that would offer something on `parent`. Raises OSError or IO when nothing can be sent.

    window: seconds for answers. times: how often to ask, at most, while nobody answers: frames get lost.
    """
    request = _request(parent)
    xid = asker.randomness.getrandbits(32)
    return await _ask(asker, parent, request, discover_probe(request, xid), xid, window, times)


async def servers_answering(
    asker: Asker, parent: Parent, window: float = WINDOW, *, times: int = 1
) -> list[IPv4Address]:
    """The servers that answer an INFORM of the host. Empty where the host has no address on `parent`."""
    address = await asker.machine.address_of(parent.name)
    if address is None:
        return []
    request = _request(parent)
    xid = asker.randomness.getrandbits(32)
    return await _ask(asker, parent, request, inform_probe(request, address, xid), xid, window, times)


def _request(parent: Parent) -> LeaseRequest:
    hardware = bytes.fromhex(parent.mac.replace(":", ""))
    return LeaseRequest(
        mac=parent.mac, client_id=HARDWARE_ETHERNET + hardware, parameters=tuple(DEFAULT_PARAMETERS)
    )


async def _ask(
    asker: Asker, parent: Parent, request: LeaseRequest, question: Send, xid: int, window: float, times: int
) -> list[IPv4Address]:
    found: dict[IPv4Address, None] = {}

    def heard(packets: Sequence[Packet]) -> None:
        for packet in packets:
            if isinstance(packet, UdpDatagram) and (server := probe_answer(packet.payload, request, xid)):
                found[server] = None

    line = asker.machine.line_on_parent(parent.name)
    line.listen(heard)
    try:
        for _ in range(times):
            await line.send(question)
            await asyncio.sleep(window)
            if found:
                break
    finally:
        line.close()
    return list(found)
