"""The DHCPv4 client of one interface: what happens, and when, goes in; effects come out. No I/O, no clock.

How to drive it.
1. Each input (`start`, `received`, `timer`, …) returns effects: perform them in order (see `effects`).
2. Call `timer` when `deadline` has come. A late call is no problem: a host may have slept past T1, T2 or the
   lease's end, and the client then does what is due now and skips what was due before. After `timer` the
   deadline lies in the future.
3. Keep the sockets open while `listening` is True. Between exchanges a lease needs none.
4. `now` is CLOCK_BOOTTIME in seconds, so that suspended time counts and a wrong wall clock does not.
5. A packet that is not for us, hostile or malformed, changes nothing; `ignored` says why for a debug log.

The rules of the protocol are above the functions that follow them: `states` (the transitions), `timers`
(when), `acquiring` and `keeping` (what), `replies` and `accept` (whom to believe), `acd` (address conflicts),
`sends` and `compose` (what is written).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hooknet.dhcp import acd, acquiring, keeping, timers
from hooknet.dhcp.acd import Verdict
from hooknet.dhcp.core import Core
from hooknet.dhcp.effects import Lost
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.replies import Expected, Reply, judge
from hooknet.dhcp.sends import (
    discover_probe,
    inform_probe,
    probe_answer,
    release_message,
    release_offer,
)
from hooknet.dhcp.settings import ClientSettings
from hooknet.dhcp.states import Event, IllegalTransition, State
from hooknet.dhcp.timers import Patience, Randomness, Schedule
from hooknet.model import ReleaseReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hooknet.dhcp.core import Effects
    from hooknet.dhcp.effects import Binding
    from hooknet.dhcp.wire import ArpPacket, UdpDatagram
    from hooknet.model import LeaseRequest

__all__ = [
    "Client",
    "ClientSettings",
    "IllegalTransition",
    "Patience",
    "Randomness",
    "State",
    "discover_probe",
    "inform_probe",
    "probe_answer",
    "release_message",
    "release_offer",
]

MOST_STEPS = 16
"""Alarms that one call of `timer` handles: far more than can be due at once."""

Alarm = tuple[float, "Callable[[float], Effects]"]


class Client:
    """One interface's DHCP client. `utc` gives the wall clock time at a boot time."""

    def __init__(
        self,
        request: LeaseRequest,
        settings: ClientSettings,
        randomness: Randomness,
        utc: Callable[[float], datetime],
    ) -> None:
        self._core = Core(
            request=request,
            settings=settings,
            randomness=randomness,
            utc=utc,
            wanted=request.requested_address,
        )
        self.ignored = ""

    @property
    def request(self) -> LeaseRequest:
        return self._core.request

    @property
    def state(self) -> State:
        return self._core.state

    @property
    def binding(self) -> Binding | None:
        """The lease in use, None when there is none."""
        return self._core.binding

    @property
    def deadline(self) -> float | None:
        """The boot time at which `timer` must be called, None when nothing is due ever."""
        earliest = min([at for at, _ in self._alarms()], default=math.inf)
        return None if earliest == math.inf else earliest

    @property
    def listening(self) -> bool:
        """Whether sockets must be open: an exchange or a check is under way, or a runtime waits."""
        core = self._core
        hurried = core.patience is Patience.ATTACH and core.wake is not None
        return core.exchange is not None or core.check is not None or hurried

    def concerns(self, packet: ArpPacket) -> bool:
        """Whether an ARP packet is about our address: cheap, for who hears all packets of a parent."""
        stake = self._core.at_stake()
        return stake is not None and stake.address in {packet.sender, packet.target}

    # what the lifecycle says

    def start(self, now: float, patience: Patience) -> Effects:
        """Acquire a lease: at once in an ADD, else within 5 s. IllegalTransition unless in INIT."""
        core = self._core
        if core.state is not State.INIT:
            raise IllegalTransition(core.state, Event.DISCOVER)
        core.patience = patience
        return acquiring.retry(core, now, self._spread())

    def reboot(self, now: float, binding: Binding, patience: Patience) -> Effects:
        """INIT-REBOOT (RFC 2131 section 3.2): ask whether a lease is still ours.

        In an ADD the address is on no interface yet, and a DISCOVER follows after three seconds of silence.
        In BACKGROUND it is in use: it stays so until a server says no, or until it runs out.
        """
        core = self._core
        keeping.doubt(core, binding, now)
        core.patience = patience
        core.wake = now + self._spread()
        if patience is Patience.BACKGROUND:
            self._hold(now, binding)
        return self.timer(now)

    def resume(self, now: float, binding: Binding) -> Effects:
        """Go on with a lease that is in use, after a restart of the daemon. What is overdue is spread."""
        core = self._core
        core.move(Event.RESUME)
        core.patience = Patience.BACKGROUND
        self._hold(now, binding)
        later = now + self._spread()
        if core.schedule.expires <= now:
            core.move(Event.EXPIRY)
            core.lost = binding.lease
            lost = Lost(binding.lease, ReleaseReason.EXPIRED)
            return (lost, *acquiring.retry(core, now, later - now))
        if core.schedule.t1 <= now:
            core.move(Event.T2 if core.schedule.t2 <= now else Event.T1)
            core.wake = later
        return ()

    def answered(self, now: float) -> None:  # noqa: ARG002 - every input has the time
        """The ADD has its answer: nobody waits any more."""
        self._core.patience = Patience.BACKGROUND

    def carrier(self, now: float, up: bool) -> Effects:
        """The link went or came back. Without it nothing is sent; afterwards leases are asked for, spread."""
        core = self._core
        if up == core.link:
            return ()
        core.link = up
        if up:
            self._link_is_back(now)
            return self.timer(now)
        core.check = None
        return ()

    def release(self, now: float, message: str = "") -> Effects:  # noqa: ARG002 - every input has the time
        """Give back what is held, or what may have been granted. Back to INIT, idle."""
        core = self._core
        granted = core.binding or core.pending
        stake = core.at_stake()
        effects: Effects = ()
        if granted is not None:
            effects = (release_message(granted, core.xid(), message),)
        elif stake is not None:
            effects = (release_offer(stake, core.request, core.xid(), message),)
        core.move(Event.RELEASE)
        core.drop()
        core.lost = None
        return effects

    # what the wire says

    def next_hop_is(self, mac: str) -> None:
        """Frames to the server of the lease in use go to this MAC from now on: the kernel has learned it anew."""
        if self._core.binding is not None:
            self._core.binding = self._core.binding.by_way_of(mac)

    def received(self, now: float, datagram: UdpDatagram) -> Effects:
        """A UDP datagram that reached port 68."""
        core, exchange = self._core, self._core.exchange
        if exchange is None:
            self.ignored = "no answer is awaited"
            return ()
        held = core.binding
        asked = exchange.offer.server if exchange.offer is not None else held.lease.server if held else None
        expected = Expected(state=core.state, xid=exchange.xid, server=asked)
        reply = judge(datagram.payload, expected, core.request, core.settings)
        if isinstance(reply, str):
            self.ignored = reply
            return ()
        return self._heed(now, reply, datagram.source_mac or None)

    def _heed(self, now: float, reply: Reply, next_hop: str | None) -> Effects:
        core, exchange = self._core, self._core.exchange
        assert exchange is not None
        match reply.type:
            case MessageType.OFFER if reply.v6only_wait is not None:
                return acquiring.leave_ipv4(core, now, reply.v6only_wait)
            case MessageType.OFFER:
                return acquiring.take_offer(core, now, reply, exchange, next_hop)
            case MessageType.NAK:
                return keeping.refused(core, now, reply, exchange)
            case _:
                return keeping.granted(core, now, reply, exchange, next_hop)

    def arp_received(self, now: float, packet: ArpPacket) -> Effects:
        """An ARP packet on our link: in the way of a check, or of the address in use (RFC 5227)."""
        core = self._core
        if core.settings.acd == "off":
            return ()
        if core.check is not None and core.check.probing:
            contended = core.check.conflicts(packet)
            return keeping.conflict(core, now, packet.sender_mac) if contended else ()
        if core.binding is None:
            return ()
        address, mac = core.binding.lease.address.ip, core.request.mac
        match core.defence.heard(now, packet, mac, address):
            case Verdict.DEFEND:
                return (acd.announcement(mac, address),)
            case Verdict.CONFLICT:
                return keeping.conflict(core, now, packet.sender_mac)
            case Verdict.NOTHING:
                return ()

    # what the clock says

    def timer(self, now: float) -> Effects:
        """Do what is due. Early calls do nothing."""
        effects: list[Effects] = []
        for _ in range(MOST_STEPS):
            due = next((act for at, act in self._alarms() if at <= now), None)
            if due is None:
                break
            effects.append(due(now))
        return tuple(effect for some in effects for effect in some)

    def _alarms(self) -> list[Alarm]:
        """What is to be done when. Of several that are due, the first counts: it settles the others."""
        core = self._core
        alarms: list[Alarm] = []
        granted = core.binding or core.pending
        if granted is not None:
            alarms.append((granted.expires_at, self._expire))
        if not core.link:
            return alarms
        if core.state is State.BOUND or core.state is State.RENEWING:
            alarms.append((core.schedule.t2, self._rebind))
        if core.state is State.BOUND:
            alarms.append((core.schedule.t1, self._renew))
        if core.wake is not None:
            alarms.append((core.wake, self._wake_up))
        if core.exchange is not None:
            alarms.append((core.exchange.next_at, self._repeat))
        if core.check is not None and core.check.deadline is not None:
            alarms.append((core.check.deadline, self._go_on_checking))
        return alarms

    def _expire(self, now: float) -> Effects:
        return keeping.expire(self._core, now)

    def _rebind(self, now: float) -> Effects:
        return keeping.rebind(self._core, now)

    def _renew(self, now: float) -> Effects:
        return keeping.renew(self._core, now)

    def _wake_up(self, now: float) -> Effects:
        match self._core.state:
            case State.INIT:
                return acquiring.discover(self._core, now)
            case State.INIT_REBOOT:
                return keeping.ask(self._core, now)
            case _:
                return keeping.extend(self._core, now)

    def _repeat(self, now: float) -> Effects:
        core, exchange = self._core, self._core.exchange
        assert exchange is not None
        match core.state:
            case State.SELECTING:
                return acquiring.repeat_discover(core, now, exchange)
            case State.REQUESTING:
                return acquiring.repeat_request(core, now, exchange)
            case State.REBOOTING:
                return keeping.repeat_ask(core, now, exchange)
            case _ if exchange.doubt:
                return keeping.nak(core, now)
            case _:
                return keeping.extend(core, now)

    def _go_on_checking(self, now: float) -> Effects:
        core, check = self._core, self._core.check
        assert check is not None
        packets = check.timer(now)
        if check.over:
            core.check = None
        if core.state is State.PROBING and not check.probing:
            return (*keeping.clear(core, now), *packets)
        return packets

    # details

    def _spread(self) -> float:
        """Nobody waits: take a while, so that many hosts don't speak at once. In an ADD: no delay."""
        core = self._core
        if core.patience is Patience.ATTACH:
            return 0.0
        return core.randomness.uniform(0.0, timers.RESTART_SPREAD)

    def _hold(self, now: float, binding: Binding) -> None:
        """This lease is in use already, and nobody has to be told."""
        core = self._core
        core.binding = binding
        core.used_since = now
        core.wanted = binding.lease.address.ip
        core.schedule = Schedule.of(binding, core.randomness)

    def _link_is_back(self, now: float) -> None:
        core = self._core
        at = now + self._spread()
        known = core.binding or core.doubted
        if known is not None:
            keeping.doubt(core, known, keeping.not_too_often(core, at))
        elif core.wake is not None:
            core.wake = max(core.wake, at)
        elif core.exchange is not None or core.pending is not None:
            core.move(Event.RESTART)
            core.drop()
            core.wake = at
