"""A session: one client, one line, for as long as something may be heard.

The client decides (it is sans-IO), the session does. Rules:
- Effects are performed in order, one at a time; `Offered` is on disk before the REQUEST after it leaves.
- Whatever the client is told goes through the inbox, so nothing overtakes anything.
- ARP that looks like a conflict is looked into (`rivals`) before the client hears it.
- A send that the kernel refuses (ENETDOWN, ENOBUFS, EPERM) is a lost packet: the client repeats it.
- Some messages leave by the parent first (`way_out`): then once more by the interface, should nobody answer.
- The line is closed as soon as nothing is awaited, and after `LINGER` seconds of silence in any case: an open
  socket keeps a dead netns, its link and its MAC alive. The keeper opens a new session when the time comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from hooknet.dhcp.client import Client
from hooknet.dhcp.effects import Bound, Declined, Effect, GaveUp, Lost, Offered, Send, SendArp
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.wire import ArpPacket, UdpDatagram
from hooknet.lifecycle.bus import who
from hooknet.lifecycle.ports import Line, Netns, Packet
from hooknet.lifecycle.rivals import is_of_the_container
from hooknet.lifecycle.way_out import HEARD_WITHIN, WayOut

if TYPE_CHECKING:
    from hooknet.lifecycle.entries import Entry
    from hooknet.lifecycle.leases import Leases

log = logging.getLogger(__name__)

LINGER = 10.0
INBOX = 1000
LONGEST_WAIT = 15.0  # a suspended machine notices on the next wake-up

Step = Callable[[Client, float], Iterable[Effect]]


class Session:
    """Drives `entry.client` on an open line."""

    def __init__(self, leases: Leases, entry: Entry, netns: Netns, line: Line) -> None:
        assert entry.client is not None
        self._leases = leases
        self._machine = leases.services.machine
        self._entry = entry
        self._client = entry.client
        self._netns = netns
        self._line = line
        self._inbox: deque[Step | Packet] = deque()
        self._wake = asyncio.Event()
        self._last_sent: MessageType | None = None
        self._way_out = WayOut(leases.services.registry, entry)
        self.gave_up: GaveUp | None = None

    def call(self, step: Step) -> None:
        """Tell the client something, after what it was told before."""
        self._inbox.append(step)
        self._wake.set()

    def _call_later(self, seconds: float, step: Step) -> None:
        asyncio.get_running_loop().call_later(seconds, self.call, step)

    async def run(self) -> None:
        """Until nothing is awaited from the wire. Cancel it to stop at once; the line is closed either way."""
        self._line.listen(self._heard)
        heard_at = self._machine.now()
        try:
            while True:
                if self._inbox:
                    heard_at = self._machine.now()
                await self._drain()
                if not self._client.listening or self._is_quiet(heard_at):
                    return
                await self._wait()
        finally:
            self._line.close()

    def _heard(self, packets: Sequence[Packet]) -> None:
        room = max(INBOX - len(self._inbox), 0)
        self._inbox.extend(packets[:room])
        self._wake.set()

    async def _is_no_rivals(self, packet: ArpPacket) -> bool:
        """Of our own, and it only looks like a conflict; or not about our address any more."""
        registry, mac = self._leases.services.registry, packet.sender_mac
        return (
            not self._client.concerns(packet)
            or registry.is_no_rival(self._entry, mac, self._machine.now())
            or await is_of_the_container(self._netns, mac)
        )

    async def _drain(self) -> None:
        while True:
            told = self._inbox.popleft() if self._inbox else None
            if isinstance(told, ArpPacket) and await self._is_no_rivals(told):
                continue
            now = self._machine.now()
            if told is not None:
                effects = _step_for(told)(self._client, now)
            elif (deadline := self._client.deadline) is not None and deadline <= now:
                effects = self._client.timer(now)
            else:
                return
            for effect in effects:
                await self._perform(effect)

    def _is_quiet(self, heard_at: float) -> bool:
        now = self._machine.now()
        if now - heard_at <= LINGER:
            return False
        deadline = self._client.deadline
        return deadline is None or deadline - now > 1.0

    async def _wait(self) -> None:
        deadline = self._client.deadline
        left = LONGEST_WAIT if deadline is None else deadline - self._machine.now()
        timer = asyncio.get_running_loop().call_later(min(max(left, 0.0), LINGER), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
        self._wake.clear()

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Send():
                await self._send(effect)
            case SendArp():
                await self._send_arp(effect)
            case Offered(offer=offer):
                self._way_out.heard()
                await self._leases.offered(self._entry, offer)
            case Bound():
                self._way_out.heard()
                await self._leases.bound(self._entry, self._netns, effect)
            case Lost(lease=lease, reason=reason):
                await self._leases.lost(self._entry, self._netns, lease, reason)
            case Declined(offer=offer):
                self._leases.declined(self._entry, offer)
            case GaveUp():
                self.gave_up = effect

    async def _send(self, effect: Send) -> None:
        about = who(self._entry.record.attachment)
        again = self._last_sent == effect.type
        self._last_sent = effect.type
        self._leases.services.bus.publish(
            "dhcp", **about, message=effect.type.name, direction="sent", retry=again or None
        )
        parent = self._way_out.of_message(effect)
        try:
            await self._line.send(effect, parent)
        except OSError as error:
            log.warning("%s: %s was not sent: %s", self._entry.key, effect.type.name, error.strerror)
        if parent is not None:
            self._call_later(HEARD_WITHIN, lambda _client, _now: self._way_out.once_more(effect))
        self._entry.timing.mark(effect.type.name.lower())

    async def _send_arp(self, effect: SendArp) -> None:
        try:
            await self._line.send_arp(effect, self._way_out.of_arp())
        except OSError as error:
            log.info("%s: an ARP packet was not sent: %s", self._entry.key, error.strerror)


def _step_for(told: Step | Packet) -> Step:
    match told:
        case UdpDatagram():
            return lambda client, now: client.received(now, told)
        case ArpPacket():
            return lambda client, now: client.arp_received(now, told)
        case _:
            return told
