"""Random walks through everything that can happen to a DHCP client, and what must hold at every step.

A `World` is a LAN with two servers and three hosts, a method for each thing that can happen, and the
invariants:
1. An address is on an interface exactly as long as its lease is held, and never after the lease has run out.
2. A lease is held once: BOUND, then only RENEWED, REBOUND or CHANGED, until it is lost or given back; nothing
   is lost that was not held.
3. A client that holds a finite lease, or wants one, has something to wait for, and what it waits for lies
   ahead.
4. No host speaks more often than the back-off allows (`MOST_MESSAGES`), whatever servers and others do to it.
5. `settle`: when the network is well again, every host that wants a lease soon has one, and every BOUND of
   before was renewed, released, declined or has lapsed.

`walk(seed)` takes a walk and raises AssertionError with the history. The same seed is the same walk.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from ipaddress import IPv4Address
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

from hooknet.dhcp.client import ClientSettings, Patience, State
from hooknet.dhcp.messages import MessageType
from hooknet.dhcp.options import Code
from hooknet.model import PostLeaseReason, ReleaseReason
from hooknet.testing.faults import Faults
from hooknet.testing.lan import Lan
from hooknet.testing.server import (
    FOREVER,
    Behaviour,
    grants,
    nak,
    offers,
    silent,
    spoiled,
    twice,
    with_fields,
    with_options,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hooknet.dhcp.settings import Acd
    from hooknet.testing.hosts import Heard, Host
    from hooknet.testing.server import Server

WINDOW = 60.0
MOST_MESSAGES = 48
"""In any 60 s of one host; what a server grants or a test does to the host comes on top."""
EACH_PROVOCATION = 8
SETTLED = 1800.0
"""Longer than the longest back-off and the longest wait for an answer together, seconds."""

LEASE_TIMES = (1, 2, 10, 60, 120, 3600, 86400, 0x80000000, FOREVER)
WAITS = (0.05, 1.0, 5.0, 30.0, 300.0, 3600.0, 86400.0)
ACDS: tuple[Acd, ...] = ("off", "optimistic", "strict")
ADDRESSES = tuple(f"192.0.2.{last}" for last in range(50, 60))
BEHAVIOURS: dict[str, Behaviour] = {
    "silent": silent,
    "refuses": nak,
    "says everything twice": twice,
    "gives another address": grants("192.0.2.59"),
    "offers an address that may be in use": offers("192.0.2.51"),
    "mistakes the xid": spoiled(with_fields(xid=1)),
    "mistakes the client": spoiled(with_fields(chaddr="02:66:66:66:66:66")),
    "gives no address": spoiled(with_fields(yiaddr=IPv4Address(0))),
    "names no server": spoiled(without(Code.SERVER_ID)),
    "gives no time": spoiled(without(Code.LEASE_TIME)),
    "gives time 0": spoiled(with_options({Code.LEASE_TIME: bytes(4)})),
    "gives T1 after T2": spoiled(with_options({Code.T1: b"\xff\xff\xff\xf0", Code.T2: b"\0\0\0\1"})),
    "gives T1 and T2 of 0": spoiled(with_options({Code.T1: bytes(4), Code.T2: bytes(4)})),
}
SCRIPTED = (MessageType.DISCOVER, MessageType.REQUEST)


class Follower:
    """Checks the invariants 1 to 4 of one host. `wants`: it has been told to get a lease."""

    def __init__(self, lan: Lan, host: Host) -> None:
        self._lan = lan
        self.host = host
        self.wants = False
        self.provoked: deque[float] = deque(maxlen=100)
        self._holds = False
        self._granted: deque[float] = deque(maxlen=100)
        host.listeners.append(self._heard)
        lan.checks.append(self.check)

    def provoke(self) -> None:
        """A test does something to the host: it may speak."""
        self.provoked.append(self._lan.now)

    def gave_back(self) -> None:
        self._holds = self.wants = False

    def _heard(self, heard: Heard) -> None:
        """Invariant 2."""
        expected = not self._holds if heard.reason is PostLeaseReason.BOUND else self._holds
        assert expected, f"{heard.reason} while {'a' if self._holds else 'no'} lease was held"
        self._holds = not isinstance(heard.reason, ReleaseReason)
        if self._holds and heard.reason is not PostLeaseReason.BOUND:
            self._granted.append(heard.at)

    def check(self) -> None:
        """Invariants 1, 3 and 4, now."""
        host, client, now = self.host, self.host.client, self._lan.now
        binding = client.binding
        held = None if binding is None else binding.lease.address.ip
        assert host.address == held, f"{host.name} uses {host.address} and holds {held}"
        if host.asleep:
            return
        if binding is not None:
            assert now <= binding.expires_at, f"{host.name} uses {held} after the lease has run out"
        if self.wants and host.plugged and (binding is None or binding.expires_at < math.inf):
            assert client.deadline is not None, f"{host.name} waits for nothing in {client.state}"
        self._check_rate()

    def _check_rate(self) -> None:
        begin = self._lan.now - WINDOW
        recent = since(begin, (one.at for one in reversed(self.host.sent)))
        if recent <= MOST_MESSAGES:
            return
        excused = since(begin, reversed(self._granted))
        most = MOST_MESSAGES + 2 * excused + EACH_PROVOCATION * since(begin, reversed(self.provoked))
        assert recent <= most, f"{self.host.name} sent {recent} messages in {WINDOW} s"


def since(begin: float, latest_first: Iterable[float]) -> int:
    """How many of these times are later than `begin`."""
    return sum(1 for _ in takewhile(lambda at: at > begin, latest_first))


class World:
    """What can happen. Every method is one thing; hosts and servers are given by number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.lan = Lan(seed=seed)
        primary = self.lan.server()
        self.lan.server(shares=primary)
        for acd in ACDS:
            self.lan.host(f"{acd}-host", ClientSettings(acd=acd, rapid_commit=acd == "off"))
        self.followers = [Follower(self.lan, host) for host in self.lan.hosts]

    # hosts

    def attach(self, number: int, patience: Patience) -> None:
        """An ADD, or a start in the background, where nothing is under way."""
        follower = self.followers[number]
        if follower.wants or follower.host.asleep or follower.host.state is not State.INIT:
            return
        follower.provoke()
        follower.wants = True
        if patience is Patience.ATTACH:
            follower.host.attach()
        else:
            follower.host.start()

    def answered(self, number: int) -> None:
        self.followers[number].host.answered()

    def release(self, number: int) -> None:
        follower = self.followers[number]
        if not follower.host.asleep:
            follower.provoke()
            follower.gave_back()
            follower.host.release()

    def restart_daemon(self, number: int) -> None:
        follower = self.followers[number]
        if follower.wants and not follower.host.asleep and follower.host.plugged:
            follower.provoke()
            follower.host.restart_daemon()

    def unplug(self, number: int) -> None:
        self.followers[number].host.unplug()

    def plug(self, number: int) -> None:
        self.followers[number].provoke()
        self.followers[number].host.plug()

    def sleep(self, number: int, seconds: float) -> None:
        follower = self.followers[number]
        if not follower.host.asleep:
            follower.host.sleep(seconds)
            self.lan.after(seconds, follower.provoke)

    # servers and others

    def server_goes(self, number: int) -> None:
        self.lan.servers[number].online = False

    def server_comes(self, number: int) -> None:
        self.lan.servers[number].online = True

    def server_behaves(self, number: int, kind: MessageType, behaviour: str, times: int) -> None:
        self.lan.servers[number].on(kind, BEHAVIOURS[behaviour], times=times)

    def everybody_refuses(self, times: int) -> None:
        """Every server says NAK to the next REQUESTs."""
        for server in self.lan.servers:
            server.on(MessageType.REQUEST, nak, times=times)

    def server_behaves_well(self, number: int) -> None:
        self.lan.servers[number].behave()

    def server_forgets(self, number: int) -> None:
        self.lan.servers[number].forget()

    def server_moves(self, number: int, old: str, new: str) -> None:
        self.lan.servers[number].move(old, new)

    def server_grants(self, number: int, lease_time: int) -> None:
        self.lan.servers[number].lease_time = lease_time

    def squat(self, address: str) -> None:
        self.lan.squatter(address).announce()

    def squat_on(self, number: int) -> None:
        """Somebody takes the address that a host uses."""
        address = self.lan.hosts[number].address
        if address is not None:
            self.squat(str(address))

    def squat_everywhere(self) -> None:
        """The whole pool is used by others."""
        for address in ADDRESSES:
            self.squat(address)

    def squatters_go(self) -> None:
        self.lan.send_away(self.lan.squatters)

    def weather(self, loss: float, duplicate: float, reorder: float) -> None:
        self.lan.faults = Faults(loss=loss, duplicate=duplicate, reorder=reorder)

    def noise(self, number: int, payload: bytes) -> None:
        self.lan.hosts[number].hear(payload)

    def wall_clock_jumps(self, seconds: float) -> None:
        self.lan.clock.set_wall_clock(seconds)

    def wait(self, seconds: float) -> None:
        """Let time pass; less of it where leases are short, because that is many renewals."""
        shortest = min(server.lease_time for server in self.lan.servers)
        self.lan.run(min(seconds, 30.0 * shortest))

    # the end

    def settle(self) -> None:
        """Invariant 5: everything is well again; what must come of that."""
        self.lan.faults = Faults()
        self.squatters_go()
        for server in self.lan.servers:
            self._heal(server)
        for follower in self.followers:
            if not follower.host.plugged:
                follower.provoke()
                follower.host.plug()
        asleep = (follower for follower in self.followers if follower.host.asleep)
        if any(asleep):
            self.lan.run(WAITS[-1])
        self.lan.run(SETTLED)
        for follower in self.followers:
            self._check_settled(follower)

    def _heal(self, server: Server) -> None:
        server.online = True
        server.behave()
        server.declined.clear()
        server.lease_time = 600

    def _check_settled(self, follower: Follower) -> None:
        host = follower.host
        lease = host.lease
        assert (lease is not None) is follower.wants, f"{host.name} wants a lease and is in {host.state}"
        if lease is not None and host.client.binding is not None:
            assert host.client.binding.expires_at > self.lan.now, f"{host.name} holds a lease that has lapsed"


def steps_of(world: World, random: Random) -> Sequence[Callable[[], None]]:
    """One of each thing that can happen, chosen by `random`."""
    host, server = random.randrange(len(world.lan.hosts)), random.randrange(len(world.lan.servers))
    wait = partial(world.wait, random.choice(WAITS))
    kind, behaviour = random.choice(SCRIPTED), random.choice(list(BEHAVIOURS))
    old, new = random.choice(ADDRESSES), random.choice(ADDRESSES)
    misbehaves = partial(world.server_behaves, server, kind, behaviour, random.choice((1, 5, 1000)))
    return (
        *(wait for _ in range(8)),
        *(misbehaves for _ in range(4)),
        partial(world.attach, host, random.choice(list(Patience))),
        partial(world.attach, host, Patience.ATTACH),
        partial(world.answered, host),
        partial(world.release, host),
        partial(world.restart_daemon, host),
        partial(world.unplug, host),
        partial(world.plug, host),
        partial(world.sleep, host, random.choice(WAITS)),
        partial(world.server_goes, server),
        partial(world.server_comes, server),
        partial(world.server_forgets, server),
        partial(world.server_moves, server, old, new),
        partial(world.server_grants, server, random.choice(LEASE_TIMES)),
        partial(world.server_behaves_well, server),
        partial(world.squat, new),
        partial(world.squat_on, host),
        world.squat_everywhere,
        partial(world.everybody_refuses, random.choice((1, 1000))),
        world.squatters_go,
        partial(world.weather, random.choice((0.0, 0.1, 0.5)), random.random() / 2, random.random() / 2),
        partial(world.noise, host, random.randbytes(random.randrange(600))),
        partial(world.wall_clock_jumps, random.uniform(-3e7, 3e7)),
    )


def walk(seed: int, steps: int = 100) -> World:
    """A walk of so many steps, settled at its end. AssertionError with seed and history when something is wrong."""
    world, random = World(seed), Random(seed)  # noqa: S311 - reproducible, not secret
    try:
        for number in range(len(world.followers)):
            world.attach(number, Patience.ATTACH)
        for _ in range(steps):
            random.choice(steps_of(world, random))()
        world.settle()
    except AssertionError as error:
        raise AssertionError(
            f"seed {seed}: {error}\nreplay with: script/sim-replay {seed}\n{world.lan.story()}"
        ) from error
    return world
