"""A host of the simulated LAN: a `Client`, driven the way the daemon drives it, and what becomes of its effects.

A host keeps what a real one would keep: the address on its interface (`address`), the journal (`offer` and
`binding`, which survive a `crash`), and what plugins would have heard (`hooks`). `sent` is what it said,
`used` which addresses it used and when.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from hooknet.dhcp.client import Client, ClientSettings, Patience
from hooknet.dhcp.effects import (
    Binding,
    Bound,
    Declined,
    Delivery,
    Effect,
    GaveUp,
    Lost,
    Offer,
    Offered,
    Send,
    SendArp,
)
from hooknet.dhcp.messages import Message, MessageType, decode
from hooknet.dhcp.wire import ARP_REPLY, ARP_REQUEST, BROADCAST_MAC, arp_packet, parse_arp
from hooknet.testing.frames import Frame
from hooknet.testing.models import make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hooknet.dhcp.states import State
    from hooknet.dhcp.wire import ArpPacket
    from hooknet.model import Lease, PostLeaseReason, ReleaseReason
    from hooknet.testing.lan import Lan

REMEMBERED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A DHCP message that left, at boot time `at`."""

    at: float
    message: Message
    send: Send

    @property
    def type(self) -> MessageType:
        return self.send.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a plugin would hear: `post_lease` with `previous`, or `release`."""

    at: float
    reason: PostLeaseReason | ReleaseReason
    lease: Lease
    previous: Lease | None = None


@dataclass(slots=True, kw_only=True)
class Use:
    """An address was on the interface from `since` to `until` (boot times)."""

    address: IPv4Address
    since: float
    until: float = math.inf


class Host:
    """One container's interface with its client.

    deaf: receives no unicast while it has no address (as some interfaces do). plugged, asleep: see `unplug`
    and `sleep`. gave_up: the client's last word inside an ADD.
    """

    def __init__(
        self,
        lan: Lan,
        number: int,
        name: str | None,
        settings: ClientSettings | None,
        request: dict[str, Any],
    ) -> None:
        self._lan = lan
        self.name = name or f"host{number}"
        self.mac = request.setdefault("mac", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}")
        request.setdefault("client_id", b"\xff" + self.name.encode())
        request.setdefault("hostname", self.name)
        self.request = make_request(**request)
        self.settings = settings or ClientSettings()
        self.client = self._new_client()
        self.deaf = False
        self.plugged = True
        self.asleep = False
        self.address: IPv4Address | None = None
        self.offer: Offer | None = None
        self.stored: Binding | None = None
        self.hooks: deque[Heard] = deque(maxlen=REMEMBERED)
        self.sent: deque[Sent] = deque(maxlen=REMEMBERED)
        self.arp_sent: deque[tuple[float, ArpPacket]] = deque(maxlen=REMEMBERED)
        self.listeners: list[Callable[[Heard], None]] = []
        self.used: deque[Use] = deque(maxlen=REMEMBERED)
        self.declined: list[Offer] = []
        self.gave_up: GaveUp | None = None
        self._planned: float | None = None

    def _new_client(self) -> Client:
        return Client(self.request, self.settings, self._lan.random, self._lan.clock.utc)

    # what a test says

    def attach(self) -> None:
        """An ADD: get a lease, a runtime waits."""
        self._do(self.client.start(self._lan.now, Patience.ATTACH))

    def start(self) -> None:
        """Get a lease; nobody waits."""
        self._do(self.client.start(self._lan.now, Patience.BACKGROUND))

    def answered(self) -> None:
        """The ADD has its answer."""
        self.client.answered(self._lan.now)

    def release(self, message: str = "") -> None:
        """A DEL: the lease goes back, the address goes."""
        self._do(self.client.release(self._lan.now, message))
        self._drop_address()
        self.stored = self.offer = None

    def reboot(self, binding: Binding, patience: Patience = Patience.ATTACH) -> None:
        """Ask for a remembered lease (INIT-REBOOT)."""
        self._do(self.client.reboot(self._lan.now, binding, patience))

    def restart_daemon(self) -> None:
        """The daemon is killed and starts again: the address stays, the client is the journal's."""
        self.client = self._new_client()
        self._planned = None
        if self.stored is not None:
            self._do(self.client.resume(self._lan.now, self.stored))
        else:
            self._do(self.client.start(self._lan.now, Patience.BACKGROUND))

    def unplug(self) -> None:
        """The link goes down."""
        self.plugged = False
        self._do(self.client.carrier(self._lan.now, up=False))

    def plug(self) -> None:
        """The link comes back."""
        self.plugged = True
        self._do(self.client.carrier(self._lan.now, up=True))

    def sleep(self, seconds: float) -> None:
        """Suspend the host: it hears nothing and does nothing, and the boot clock goes on."""
        self.asleep = True
        self._lan.after(seconds, self._awake)

    def hear(self, payload: bytes, sender: str = "198.51.100.66") -> None:
        """Something hostile arrives at port 68, right now."""
        frame = Frame("02:66:66:66:66:66", BROADCAST_MAC, IPv4Address(sender), payload)
        self.hears(frame)

    # what a test asks

    @property
    def state(self) -> State:
        return self.client.state

    @property
    def lease(self) -> Lease | None:
        """The lease in use."""
        return None if self.client.binding is None else self.client.binding.lease

    @property
    def reasons(self) -> list[str]:
        """The reasons of everything that plugins would have heard, in order."""
        return [heard.reason.value for heard in self.hooks]

    def messages(self, kind: MessageType | None = None) -> list[Message]:
        """The last messages that it sent, of one type or all."""
        return [one.message for one in self.sent if kind is None or one.type == kind]

    def times(self, kind: MessageType) -> list[float]:
        """When it sent messages of this type (boot time, seconds)."""
        return [one.at for one in self.sent if one.type == kind]

    # what the LAN says

    def hears(self, frame: Frame) -> None:
        """A frame arrives."""
        if self.asleep or not self.plugged:
            return
        if frame.arp:
            self._hears_arp(frame)
        elif not (self.deaf and self.address is None and frame.destination != BROADCAST_MAC):
            self._do(self.client.received(self._lan.now, frame.datagram()))

    def _hears_arp(self, frame: Frame) -> None:
        packet = parse_arp(frame.payload)
        if packet is None:
            return
        if packet.operation == ARP_REQUEST and packet.target == self.address != packet.sender:
            self._send_arp_frame(arp_packet(ARP_REPLY, self.mac, self.address, packet.sender), frame.source)
        if self.client.concerns(packet):
            self._do(self.client.arp_received(self._lan.now, packet))

    # what a driver does

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._perform(effect)
        deadline = self.client.deadline
        if deadline is not None and deadline != self._planned:
            self._planned = deadline
            self._lan.at(deadline, self._timer)

    def _timer(self) -> None:
        deadline = self.client.deadline
        if self.asleep or deadline is None or deadline > self._lan.now:
            return
        self._planned = None
        self._do(self.client.timer(self._lan.now))

    def _awake(self) -> None:
        self.asleep = False
        self._planned = None
        self._do(self.client.timer(self._lan.now))

    def _perform(self, effect: Effect) -> None:
        now = self._lan.now
        match effect:
            case Send():
                self.sent.append(Sent(at=now, message=decode(effect.payload), send=effect))
                self._send(effect)
                return
            case SendArp(payload=payload, destination_mac=destination):
                self._send_arp_frame(payload, destination)
                return
            case Offered(offer=offer):
                self.offer = offer
            case Bound(binding=binding, reason=reason, previous=previous):
                self.offer, self.stored = None, binding
                self._use(binding.lease.address.ip)
                self._tell(Heard(at=now, reason=reason, lease=binding.lease, previous=previous))
            case Lost(lease=lease, reason=why):
                self._drop_address()
                self.stored = None
                self._tell(Heard(at=now, reason=why, lease=lease))
            case Declined(offer=offer):
                self.declined.append(offer)
            case GaveUp():
                self.gave_up = effect
        self._lan.tell(self.mac, in_words(effect))

    def _tell(self, heard: Heard) -> None:
        self.hooks.append(heard)
        for listener in self.listeners:
            listener(heard)

    def _send(self, effect: Send) -> None:
        if not self.plugged:
            return
        destination: str | None = BROADCAST_MAC
        if effect.delivery is Delivery.UNICAST_SOCKET:
            destination = self._lan.mac_of(effect.destination)
        elif effect.delivery is Delivery.UNICAST_FRAME:
            destination = effect.next_hop_mac or BROADCAST_MAC
        if destination is not None:
            self._lan.transmit(Frame(self.mac, destination, effect.source, effect.payload))

    def _send_arp_frame(self, payload: bytes, destination: str) -> None:
        packet = parse_arp(payload)
        assert packet is not None
        self.arp_sent.append((self._lan.now, packet))
        if self.plugged:
            self._lan.transmit(Frame(self.mac, destination, packet.sender, payload, arp=True))

    def _use(self, address: IPv4Address) -> None:
        if self.address != address:
            self._drop_address()
            self.address = address
            self.used.append(Use(address=address, since=self._lan.now))

    def _drop_address(self) -> None:
        if self.address is not None:
            self.used[-1] = replace(self.used[-1], until=self._lan.now)
        self.address = None


def in_words(effect: Effect) -> str:
    """An effect as a line of a history."""
    match effect:
        case Offered(offer=offer):
            return f"takes the offer of {offer.address} from {offer.server}"
        case Bound(binding=binding, reason=reason):
            lease = binding.lease
            return f"{reason.value} {lease.address} from {lease.server} for {lease.lease_time} s"
        case Lost(lease=lease, reason=why):
            return f"lost {lease.address}: {why.value}"
        case Declined(offer=offer):
            return f"declined {offer.address}"
        case _:
            return repr(effect)
