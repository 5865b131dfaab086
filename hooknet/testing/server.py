"""A DHCP server for the simulated LAN: well-behaved by itself (RFC 2131 section 4.3), and anything else by script.

    server = lan.server(lease_time=60)
    server.on(MessageType.REQUEST, nak)              # from now on
    server.on(MessageType.REQUEST, silent, times=3)  # the next three, then as before

A behaviour gets the server and a client's message and returns the replies. The ready-made ones are below;
`server.regular(message)` is what a well-behaved server would say, for behaviours that only spoil it a little.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hooknet.dhcp.messages import BOOTREPLY, UNSPECIFIED, Message, MessageType
from hooknet.dhcp.options import Code

FOREVER = 0xFFFFFFFF
"""A lease time that never ends (RFC 2131 section 3.3)."""
OFFER_HELD = 60.0
"""For how many seconds an offered address is kept for the client."""
REMEMBERED = 1000

Behaviour = Callable[["Server", Message], Sequence[Message]]


@dataclass(slots=True)
class Grant:
    """What a server has written down. `expires`: boot time of the simulation, seconds."""

    address: IPv4Address
    expires: float


@dataclass(slots=True)
class Scripted:
    """A behaviour for messages of one type, `times` times (None: for ever)."""

    type: MessageType
    behaviour: Behaviour
    times: int | None


class Server:
    """One DHCP server.

    address: its own, and its server-id. network: of its clients. pool: the addresses that it may give, by
    default the ten from .50 on. lease_time, t1, t2: seconds; t1 and t2 None leaves them out. options: further
    ones, raw. authoritative: says NAK to those who ask for an address that is wrong here. rapid_commit: RFC
    4039. shares: another server whose notes it reads and writes, as a failover pair does. online: hears and
    answers. delay: seconds until it answers.
    """

    def __init__(
        self,
        *,
        name: str = "server",
        mac: str = "02:00:00:00:ff:01",
        address: str = "192.0.2.1",
        network: str = "192.0.2.0/24",
        pool: Sequence[str] | None = None,
        lease_time: int = 3600,
        t1: int | None = None,
        t2: int | None = None,
        options: Mapping[int, bytes] | None = None,
        authoritative: bool = True,
        rapid_commit: bool = False,
        shares: Server | None = None,
    ) -> None:
        self.name = name
        self.mac = mac
        self.address = IPv4Address(address)
        self.network = IPv4Network(network)
        self.pool = [IPv4Address(one) for one in pool] if pool is not None else self._default_pool()
        self.lease_time, self.t1, self.t2 = lease_time, t1, t2
        self.options = dict(options or {})
        self.authoritative = authoritative
        self.rapid_commit = rapid_commit
        self.online = True
        self.delay = 0.0
        self.grants: dict[bytes, Grant] = shares.grants if shares is not None else {}
        self.declined: list[IPv4Address] = shares.declined if shares is not None else []
        self.released: list[IPv4Address] = []
        self.heard: deque[Message] = deque(maxlen=REMEMBERED)
        self.now = 0.0
        self._script: list[Scripted] = []

    def _default_pool(self) -> list[IPv4Address]:
        return [self.network.network_address + last for last in range(50, 60)]

    # what a test says

    def on(self, kind: MessageType, behaviour: Behaviour, *, times: int | None = None) -> None:
        """Behave like that when a message of this type comes. What was said last counts first."""
        self._script.insert(0, Scripted(kind, behaviour, times))

    def behave(self) -> None:
        """Well again: forget every `on`."""
        self._script.clear()

    def move(self, old: str, new: str) -> None:
        """Whoever has the address `old` is given `new` when they ask next."""
        for grant in self.grants.values():
            if grant.address == IPv4Address(old):
                grant.address = IPv4Address(new)

    def forget(self) -> None:
        """Lose every note about every lease."""
        self.grants.clear()

    def count(self, kind: MessageType) -> int:
        """How many of the last thousand messages were of this type."""
        return sum(message.type == kind for message in self.heard)

    def holder_of(self, address: IPv4Address) -> bytes | None:
        """The client-id to which this address is granted now."""
        found = (key for key, grant in self.grants.items() if grant.address == address and self._lives(grant))
        return next(found, None)

    # what the LAN says

    def answer(self, now: float, message: Message) -> Sequence[Message]:
        """The replies to a client's message at boot time `now`."""
        self.now = now
        self.heard.append(message)
        for scripted in self._script:
            if scripted.type == message.type:
                if scripted.times is not None:
                    scripted.times -= 1
                    if scripted.times == 0:
                        self._script.remove(scripted)
                return scripted.behaviour(self, message)
        return self.regular(message)

    def regular(self, message: Message) -> Sequence[Message]:
        """What RFC 2131 section 4.3 asks of a server."""
        match message.type:
            case MessageType.DISCOVER:
                return self._discover(message)
            case MessageType.REQUEST:
                return self._request(message)
            case MessageType.DECLINE:
                self._decline(message)
            case MessageType.RELEASE:
                self._release(message)
            case MessageType.INFORM:
                return (self.reply(message, MessageType.ACK, lease=False),)
            case _:
                pass
        return ()

    # replies

    def reply(
        self, to: Message, kind: MessageType, address: IPv4Address = UNSPECIFIED, *, lease: bool = True
    ) -> Message:
        """A reply with this server's options. `lease` False leaves the times out (INFORM)."""
        options: dict[int, bytes] = {
            Code.MESSAGE_TYPE: bytes((kind,)),
            Code.SERVER_ID: self.address.packed,
            Code.SUBNET_MASK: self.network.netmask.packed,
            Code.ROUTER: self.address.packed,
        }
        if lease:
            options |= {Code.LEASE_TIME: seconds(self.lease_time)}
            options |= {} if self.t1 is None else {Code.T1: seconds(self.t1)}
            options |= {} if self.t2 is None else {Code.T2: seconds(self.t2)}
        options |= self.options
        return Message(
            op=BOOTREPLY,
            xid=to.xid,
            flags=to.flags,
            ciaddr=to.ciaddr,
            yiaddr=address,
            chaddr=to.chaddr,
            options=options | echo(to),
        )

    def refuse(self, to: Message) -> Message:
        """A NAK (RFC 2131 table 3: no address, no times)."""
        options = {Code.MESSAGE_TYPE: bytes((MessageType.NAK,)), Code.SERVER_ID: self.address.packed}
        return Message(op=BOOTREPLY, xid=to.xid, flags=to.flags, chaddr=to.chaddr, options=options | echo(to))

    def grant(self, to: Message, address: IPv4Address) -> Message:
        """An ACK, written down."""
        ends = math.inf if self.lease_time == FOREVER else self.now + self.lease_time
        self.grants[client_of(to)] = Grant(address, ends)
        return self.reply(to, MessageType.ACK, address)

    # the rules

    def _discover(self, message: Message) -> Sequence[Message]:
        address = self._choose(message)
        if address is None:
            return ()
        if self.rapid_commit and Code.RAPID_COMMIT in message.options:
            return (with_options({Code.RAPID_COMMIT: b""})(self.grant(message, address)),)
        known = self.grants.get(client_of(message))
        if known is None or known.address != address or not self._lives(known):
            self.grants[client_of(message)] = Grant(address, self.now + OFFER_HELD)
        return (self.reply(message, MessageType.OFFER, address),)

    def _request(self, message: Message) -> Sequence[Message]:
        known = self.grants.get(client_of(message))
        if message.server_id is not None:
            return self._selected(message, known)
        asked = message.requested_address or message.ciaddr
        if known is not None and (known.address == asked or int(message.ciaddr)):
            return (self.grant(message, known.address),)
        wrong_here = asked not in self.network or known is not None
        return (self.refuse(message),) if self.authoritative and wrong_here else ()

    def _selected(self, message: Message, known: Grant | None) -> Sequence[Message]:
        if message.server_id != self.address:
            return ()
        if known is None or known.address != message.requested_address:
            return (self.refuse(message),)
        return (self.grant(message, known.address),)

    def _decline(self, message: Message) -> None:
        if message.server_id == self.address and message.requested_address is not None:
            self.declined.append(message.requested_address)
            self._forget(message, message.requested_address)

    def _release(self, message: Message) -> None:
        if message.server_id == self.address:
            self.released.append(message.ciaddr)
            self._forget(message, message.ciaddr)

    def _forget(self, message: Message, address: IPv4Address) -> None:
        known = self.grants.get(client_of(message))
        if known is not None and known.address == address:
            del self.grants[client_of(message)]

    def _choose(self, message: Message) -> IPv4Address | None:
        """The client's own address, else the one that it asks for, else the first that is free."""
        known = self.grants.get(client_of(message))
        wanted = [known.address] if known is not None else []
        wanted += [message.requested_address] if message.requested_address in self.pool else []
        taken = {grant.address for key, grant in self.grants.items() if key != client_of(message)}
        free = (one for one in [*wanted, *self.pool] if one not in taken and one not in self.declined)
        return next(free, None) or self._lapsed(message)

    def _lapsed(self, message: Message) -> IPv4Address | None:
        """An address whose lease has run out, when no other is free."""
        for key, grant in list(self.grants.items()):
            if not self._lives(grant) and key != client_of(message) and grant.address in self.pool:
                del self.grants[key]
                return grant.address
        return None

    def _lives(self, grant: Grant) -> bool:
        return grant.expires > self.now


def seconds(value: int) -> bytes:
    return value.to_bytes(4, "big")


def client_of(message: Message) -> bytes:
    """Who asks: the client-id, else the hardware address (RFC 2131 section 4.2)."""
    return message.client_id or message.chaddr.encode()


def echo(message: Message) -> dict[int, bytes]:
    """RFC 6842: the client-id comes back."""
    return {} if message.client_id is None else {Code.CLIENT_ID: message.client_id}


# ready-made behaviours


def silent(server: Server, message: Message) -> Sequence[Message]:  # noqa: ARG001 - a behaviour
    """Hears, and says nothing."""
    return ()


def nak(server: Server, message: Message) -> Sequence[Message]:
    """Refuses."""
    return (server.refuse(message),)


def grants(address: str) -> Behaviour:
    """ACKs with this address, whatever was asked for."""
    return lambda server, message: (server.grant(message, IPv4Address(address)),)


def offers(address: str) -> Behaviour:
    """Offers this address, whether it is free or not."""
    return lambda server, message: (server.reply(message, MessageType.OFFER, IPv4Address(address)),)


def spoiled(spoil: Callable[[Message], Message]) -> Behaviour:
    """Says what is right, spoiled: `spoiled(with_fields(xid=0))`, `spoiled(without(Code.SERVER_ID))`."""
    return lambda server, message: tuple(spoil(reply) for reply in server.regular(message))


def twice(server: Server, message: Message) -> Sequence[Message]:
    """Says everything two times."""
    replies = server.regular(message)
    return (*replies, *replies)


def with_fields(**fields: Any) -> Callable[[Message], Message]:
    """A spoiler: other fields."""
    return lambda message: replace(message, **fields)


def with_options(options: Mapping[int, bytes]) -> Callable[[Message], Message]:
    """A spoiler: further options, or other ones."""
    return lambda message: replace(message, options={**message.options, **options})


def without(*codes: int) -> Callable[[Message], Message]:
    """A spoiler: options are missing."""
    return lambda message: replace(
        message, options={code: value for code, value in message.options.items() if code not in codes}
    )
