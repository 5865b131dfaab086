"""What a client knows at any moment. `acquiring` and `keeping` say what becomes of it, `client` asks them.

The rules.
1. `state` changes through `move` and nowhere else, so the table in `states` is the whole truth.
2. A client is in exactly one of these: it waits (`wake`), it waits for an answer (`exchange`), or it holds a
   lease that needs nothing for now. An address check (`check`) may run beside each of them.
3. `binding` is the lease in use: set by BOUND, cleared the moment that the lease is lost. `pending` is
   granted and still being checked (PROBING). `doubted` is asked about in INIT-REBOOT.
4. While the link is down nothing is sent, and only the lease's end counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hooknet.dhcp.acd import AddressCheck, Defence
from hooknet.dhcp.effects import Effect, Offer
from hooknet.dhcp.exchange import XID_BITS
from hooknet.dhcp.sends import Sender
from hooknet.dhcp.states import Event, State, after
from hooknet.dhcp.timers import Failures, Patience, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from ipaddress import IPv4Address

    from hooknet.dhcp.effects import Binding
    from hooknet.dhcp.exchange import Exchange
    from hooknet.dhcp.settings import ClientSettings
    from hooknet.dhcp.timers import Randomness
    from hooknet.model import Lease, LeaseRequest

Effects = tuple[Effect, ...]


@dataclass(slots=True, kw_only=True)
class Core:
    """Boot times in seconds.

    wanted: the address to ask for in a DISCOVER. lost: the lease before the next one. used_since: when the
    present lease's address came into use. asked_at: when INIT-REBOOT's REQUEST last left. wake: when a
    waiting client goes on. link: whether the carrier is there.
    """

    request: LeaseRequest
    settings: ClientSettings
    randomness: Randomness
    utc: Callable[[float], datetime]
    state: State = State.INIT
    patience: Patience = Patience.BACKGROUND
    link: bool = True
    wake: float | None = None
    exchange: Exchange | None = None
    check: AddressCheck | None = None
    binding: Binding | None = None
    pending: Binding | None = None
    doubted: Binding | None = None
    schedule: Schedule = field(default_factory=Schedule)
    wanted: IPv4Address | None = None
    lost: Lease | None = None
    used_since: float = 0.0
    asked_at: float | None = None
    defence: Defence = field(default_factory=Defence)
    failures: Failures = field(default_factory=Failures)
    conflicts: Failures = field(default_factory=Failures)

    @property
    def sender(self) -> Sender:
        return Sender(self.request, self.settings.message_size)

    def move(self, event: Event) -> None:
        """Go where the table says. Raises IllegalTransition, and then nothing has changed."""
        self.state = after(self.state, event)

    def xid(self) -> int:
        return self.randomness.getrandbits(XID_BITS)

    def held_for(self, now: float) -> float:
        """For how many seconds a lease has been in use; 0 when none is."""
        return 0.0 if self.binding is None else now - self.used_since

    def at_stake(self) -> Offer | None:
        """The address that is used, checked or asked for, and the server to tell when it can't be ours."""
        granted = self.binding or self.pending or self.doubted
        if granted is None:
            return self.exchange.offer if self.exchange is not None else None
        lease = granted.lease
        xid = self.exchange.xid if self.exchange is not None else 0
        return Offer(address=lease.address.ip, server=lease.server, server_mac=lease.server_mac, xid=xid)

    def watch(self, now: float, address: IPv4Address, *, strict: bool = False) -> Effects:
        """Begin to check `address`, unless that is switched off or under way."""
        if self.settings.acd == "off":
            return ()
        if self.check is not None and self.check.address == address and self.check.probing:
            return ()
        self.check = AddressCheck(address, self.request.mac, self.randomness, strict=strict)
        return self.check.start(now)

    def drop(self) -> None:
        """Nothing is held and nothing under way any more."""
        self.wake = None
        self.exchange = None
        self.check = None
        self.binding = None
        self.pending = None
        self.doubted = None
        self.schedule = Schedule()
        self.defence = Defence()
