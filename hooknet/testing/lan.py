"""A LAN in memory: hosts with hooknet's DHCP client, servers, squatters, and faults between them.

    lan = Lan(seed=7)
    server = lan.server(lease_time=60)
    web = lan.host("web")
    web.attach()
    lan.run_until(lambda: web.lease is not None)
    lan.run(YEAR)

Nothing sleeps: the clock jumps from one event to the next, so a year of renewals takes a second or two.
Messages travel as bytes through the real codec. `lan.checks` are called after every event. Everything random
comes from the seed: the same seed is the same history, and `lan.history` tells it.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from hooknet.dhcp.messages import Message, MessageType, decode, encode
from hooknet.dhcp.wire import ARP_REPLY, ARP_REQUEST, BROADCAST_MAC, arp_packet, parse_arp
from hooknet.testing.clock import FakeClock
from hooknet.testing.faults import Faults
from hooknet.testing.frames import Frame
from hooknet.testing.hosts import Host
from hooknet.testing.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hooknet.dhcp.settings import ClientSettings

MOST_EVENTS = 1_000_000
"""In one `run`: more is a busy loop."""
HISTORY = 2000


class Node(Protocol):
    """Whatever is plugged in."""

    @property
    def mac(self) -> str: ...

    def hears(self, frame: Frame) -> None: ...


@dataclass(order=True, slots=True)
class Event:
    at: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Lan:
    """One broadcast domain. `seed` decides everything random, on the wire and in the clients."""

    def __init__(
        self, *, seed: int = 0, faults: Faults | None = None, clock: FakeClock | None = None
    ) -> None:
        self.random = Random(seed)  # noqa: S311 - reproducible, not secret
        self.clock = clock or FakeClock()
        self.faults = faults or Faults()
        self.hosts: list[Host] = []
        self.servers: list[Server] = []
        self.squatters: list[Squatter] = []
        self._history: deque[tuple[float, str, object]] = deque(maxlen=HISTORY)
        self.checks: list[Callable[[], None]] = []
        self._dhcp_nodes: list[Node] = []
        self._arrivals: dict[tuple[str, str], float] = {}
        self._events: list[Event] = []
        self._numbers = count()
        self._squatters = count(1)

    # building

    def server(self, name: str | None = None, **settings: Any) -> Server:
        """A server (see `Server` for the settings); the second one is at .2, and so on."""
        number = len(self.servers) + 1
        settings.setdefault("address", f"192.0.2.{number}")
        settings.setdefault("mac", f"02:00:00:00:ff:{number:02x}")
        server = Server(name=name or f"server{number}", **settings)
        self.servers.append(server)
        self._dhcp_nodes.append(ServerPort(self, server))
        return server

    def host(self, name: str | None = None, settings: ClientSettings | None = None, **request: Any) -> Host:
        """A host, not attached yet. `request`: fields of its LeaseRequest."""
        host = Host(self, len(self.hosts) + 1, name, settings, request)
        self.hosts.append(host)
        self._dhcp_nodes.append(host)
        return host

    def squatter(self, address: str) -> Squatter:
        """Somebody who uses an address without asking anybody."""
        squatter = Squatter(self, IPv4Address(address), f"02:00:00:00:ee:{next(self._squatters) & 255:02x}")
        self.squatters.append(squatter)
        return squatter

    def send_away(self, squatters: Iterable[Squatter]) -> None:
        """Unplug squatters for good."""
        for squatter in list(squatters):
            self.squatters.remove(squatter)

    # time

    @property
    def now(self) -> float:
        """Boot time, seconds."""
        return self.clock.now

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something at a boot time."""
        heapq.heappush(self._events, Event(max(when, self.now), next(self._numbers), act))

    def after(self, wait: float, act: Callable[[], None]) -> None:
        """Do something in `wait` seconds."""
        self.at(self.now + wait, act)

    def run(self, seconds: float) -> None:
        """Let `seconds` pass."""
        end = self.now + seconds
        for _ in self._until(end):
            pass
        self.clock.advance(end)

    def run_until(self, condition: Callable[[], bool], *, within: float = 120.0) -> None:
        """Let time pass until the condition holds. AssertionError with the history after `within` seconds."""
        if condition():
            return
        end = self.now + within
        for _ in self._until(end):
            if condition():
                return
        self.clock.advance(end)
        raise AssertionError(f"not within {within} s; what happened:\n" + self.story())

    def _until(self, end: float) -> Iterator[None]:
        for _ in range(MOST_EVENTS):
            if not self._events or self._events[0].at > end:
                return
            event = heapq.heappop(self._events)
            self.clock.advance(max(event.at, self.now))
            event.act()
            for check in self.checks:
                check()
            yield
        raise AssertionError("a busy loop; what happened last:\n" + self.story())

    # the wire

    def transmit(self, frame: Frame) -> None:
        """Put a frame on the wire: who is meant hears it, if the faults let them."""
        self.tell(frame.source, frame)
        listeners: Sequence[Node] = (*self.hosts, *self.squatters) if frame.arp else self._dhcp_nodes
        for node in listeners:
            if node.mac != frame.source and frame.destination in {BROADCAST_MAC, node.mac}:
                for delay, late in self.faults.arrivals(self.random):
                    self.at(self._arrival(frame.source, node.mac, delay, late), partial(node.hears, frame))

    def _arrival(self, source: str, target: str, delay: float, late: bool) -> float:
        """When a frame arrives. Frames between two nodes keep their order, but for those that are late."""
        at = self.now + delay
        if late:
            return at
        at = max(at, self._arrivals.get((source, target), 0.0))
        self._arrivals[source, target] = at
        return at

    def mac_of(self, address: IPv4Address) -> str | None:
        """What ARP would find."""
        for server in self.servers:
            if server.online and server.address == address:
                return server.mac
        return next((host.mac for host in self.hosts if host.address == address), None)

    @property
    def history(self) -> list[str]:
        """The last two thousand things that happened, a line each."""
        return [f"{at:14.4f}  {self._name(who)}: {what}" for at, who, what in self._history]

    def story(self, lines: int = 40) -> str:
        """The end of the history as text."""
        return "\n".join(self.history[-lines:])

    def tell(self, who: str, what: object) -> None:
        """Something happened at `who` (a MAC); `what` is turned into text when somebody reads the history."""
        self._history.append((self.now, who, what))

    def _name(self, mac: str) -> str:
        names = {host.mac: host.name for host in self.hosts}
        names |= {server.mac: server.name for server in self.servers}
        return names.get(mac, mac)


class ServerPort:
    """Where a server is plugged in: what it hears, and to whom it replies (RFC 2131 section 4.1)."""

    def __init__(self, lan: Lan, server: Server) -> None:
        self._lan = lan
        self._server = server

    @property
    def mac(self) -> str:
        return self._server.mac

    def hears(self, frame: Frame) -> None:
        server = self._server
        if not server.online:
            return
        for reply in server.answer(self._lan.now, decode(frame.payload)):
            frame = Frame(server.mac, destination(reply), server.address, encode(reply))
            self._lan.after(server.delay, partial(self._lan.transmit, frame))


class Squatter:
    """A host that uses an address and answers ARP for it while `awake`."""

    def __init__(self, lan: Lan, address: IPv4Address, mac: str) -> None:
        self._lan = lan
        self.address = address
        self.mac = mac
        self.awake = True

    def announce(self) -> None:
        """Claim the address aloud, as a host does that comes up."""
        self._send(BROADCAST_MAC, self.address)

    def hears(self, frame: Frame) -> None:
        packet = parse_arp(frame.payload)
        if not self.awake or packet is None or packet.operation != ARP_REQUEST:
            return
        if packet.target == self.address:
            self._send(frame.source, packet.sender)

    def _send(self, destination: str, target: IPv4Address) -> None:
        payload = arp_packet(ARP_REPLY, self.mac, self.address, target)
        self._lan.transmit(Frame(self.mac, destination, self.address, payload, arp=True))


def destination(reply: Message) -> str:
    """To whom a server sends a reply: NAKs and what was asked for that way to everybody, the rest to the client."""
    everybody = reply.type is MessageType.NAK or (reply.broadcast and not int(reply.ciaddr))
    return BROADCAST_MAC if everybody else reply.chaddr
