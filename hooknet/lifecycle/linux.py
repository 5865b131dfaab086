"""The machine of `ports.py`, for real: the kernel room's blocking functions, awaited in its pool."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address, IPv4Interface

from hooknet.dhcp.effects import Delivery, Send, SendArp
from hooknet.dhcp.wire import (
    ARP_SENDER,
    BROADCAST_MAC,
    ArpPacket,
    ethernet_arp_frame,
    ethernet_udp_frame,
    udp_packet,
)
from hooknet.errors import HooknetError, Kind
from hooknet.kernel import addresses, fixed, links, netns, packet, process
from hooknet.kernel.addresses import Plan
from hooknet.kernel.company import Company
from hooknet.kernel.links import LinkState, Parent
from hooknet.kernel.parents import MACVLAN
from hooknet.kernel.pool import KernelPool
from hooknet.kernel.refusals import interface_gone, refused
from hooknet.lifecycle.ports import Link, Netns, Packet
from hooknet.lifecycle.requests import LinkWanted
from hooknet.model import FixedPlan
from hooknet.store.records import NetnsKey

log = logging.getLogger(__name__)

CHADDR = slice(28, 34)
"""Where a DHCP message has its client's MAC (RFC 2131 section 2)."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all of this works with, one of each for a machine: workers, what they do in company, the way out."""

    pool: KernelPool
    company: Company
    outlet: packet.Outlet


class LinuxLine:
    """The sockets of one exchange, each opened when it is first wanted: a renewal needs no packet socket.

    `where` None: on an interface of the host itself.
    """

    def __init__(self, tools: Tools, where: netns.Netns | None, ifname: str) -> None:
        self._pool = tools.pool
        self._company = tools.company
        self._outlet = tools.outlet
        self._where = where
        self._ifname = ifname
        self._packets: packet.ExchangeSocket | None = None
        self._unicast: packet.UdpSocket | None = None
        self._leaving: set[asyncio.Future[None]] = set()
        self._closed = False
        self._deliver: Callable[[Sequence[Packet]], None] | None = None
        self._loop = asyncio.get_running_loop()

    def listen(self, deliver: Callable[[Sequence[Packet]], None]) -> None:
        self._deliver = deliver

    async def send(self, effect: Send, parent: str | None = None) -> None:
        if effect.delivery is Delivery.UNICAST_SOCKET and await self._send_by_socket(effect):
            return
        client = effect.payload[CHADDR]
        frames = await self._frames(client)
        if parent is not None:
            self._outlet.send(parent, frame_from(client.hex(":"), effect))
        else:
            whole = udp_packet(effect.payload, source=effect.source, destination=effect.destination)
            frames.send(whole, next_hop(effect))

    async def send_arp(self, effect: SendArp, parent: str | None = None) -> None:
        """Nobody waits for ARP, and among a thousand macvlans a broadcast takes the kernel some milliseconds."""
        frames = await self._frames(effect.payload[ARP_SENDER])
        if parent is not None:
            frames.watch_target(effect.payload)
            self._outlet.send(parent, ethernet_arp_frame(effect.payload, effect.destination_mac))
            return
        leaving = self._pool.start(frames.send_arp, effect.payload, effect.destination_mac)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._left)

    def close(self) -> None:
        self._closed = True
        if self._packets is not None:
            self._loop.remove_reader(self._packets.fileno())
            self._let_go()
        if self._unicast is not None:
            self._company.ignore(self._unicast)
            self._unicast.close()
            self._unicast = None

    def _left(self, leaving: asyncio.Future[None]) -> None:
        self._leaving.discard(leaving)
        if (error := leaving.exception()) is not None:
            log.info("an ARP packet was not sent on %s: %s", self._ifname, error)
        if self._closed:
            self._let_go()

    def _let_go(self) -> None:
        """A descriptor must not be closed, and its number given to another, while a worker sends through it."""
        if self._packets is not None and not self._leaving:
            self._pool.discard(self._packets)
            self._packets = None

    async def _frames(self, client: bytes) -> packet.ExchangeSocket:
        """The packet socket, listening for this client. Raises IO when the interface is gone."""
        if self._packets is None:
            try:
                self._packets = await self._open(client)
            except OSError as error:
                raise refused(f"exchange DHCP messages on {self._ifname}", error) from error
            self._loop.add_reader(self._packets.fileno(), self._readable, self._packets)
        return self._packets

    async def _send_by_socket(self, effect: Send) -> bool:
        """False where the container's own DHCP client has the port, or the kernel has no route: then by frame."""
        if self._where is None:
            return False
        try:
            if self._unicast is None:
                self._unicast = await self._company.run_in(
                    self._where, packet.open_unicast, self._ifname, effect.source
                )
                self._company.hear(self._unicast, partial(self._readable, self._unicast))
            self._unicast.send(effect.payload, effect.destination)
        except OSError as error:
            log.debug("unicast by socket is not possible (%s): as a frame", error.strerror)
            return False
        return True

    async def _open(self, client: bytes) -> packet.ExchangeSocket:
        if self._where is None:
            return await self._pool.run(packet.open_exchange, self._ifname, client)
        return await self._pool.run_in(self._where, packet.open_exchange, self._ifname, client)

    def _readable(self, socket: packet.ExchangeSocket | packet.UdpSocket) -> bool:
        packets = socket.recv()
        if packets and self._deliver is not None:
            self._deliver(packets)
        return bool(packets)


class LinuxArpLine:
    """An ARP socket on a parent."""

    def __init__(self, pool: KernelPool, socket: packet.ArpSocket) -> None:
        self._pool = pool
        self._socket = socket
        self._loop = asyncio.get_running_loop()

    def listen(self, deliver: Callable[[Sequence[ArpPacket]], None]) -> None:
        def readable() -> None:
            if packets := self._socket.recv():
                deliver(packets)

        self._loop.add_reader(self._socket.fileno(), readable)

    def watch(self, addresses: Sequence[IPv4Address]) -> None:
        self._socket.watch(addresses)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._pool.discard(self._socket)


class LinuxNetns:
    """An open network namespace, as `ports.Netns`."""

    def __init__(self, tools: Tools, where: netns.Netns) -> None:
        self._tools = tools
        self._pool = tools.pool
        self._where = where

    @property
    def key(self) -> NetnsKey:
        return (self._where.id.device, self._where.id.inode)

    async def parent(self, name: str | None) -> Parent:
        return await self._pool.run_in(self._where, lambda: links.parent(name or links.default_parent()))

    async def make_link(self, parent: Parent, ifname: str, mac: str, wanted: LinkWanted) -> Link:
        await self._pool.run(self._create, parent, ifname, mac, wanted)
        return Link(ifname=ifname, mac=mac, mtu=wanted.mtu or parent.mtu)

    async def make_link_inside(self, parent: Parent, ifname: str, mac: str, wanted: LinkWanted) -> Link:
        await self._pool.run_in(self._where, self._create, parent, ifname, mac, wanted)
        return Link(ifname=ifname, mac=mac, mtu=wanted.mtu or parent.mtu)

    def _create(self, parent: Parent, ifname: str, mac: str, wanted: LinkWanted) -> None:
        links.create_macvlan(
            parent=parent,
            netns_fd=self._where.fd,
            ifname=ifname,
            mac=mac,
            mode=wanted.mode,
            mtu=wanted.mtu,
            bcqueuelen=wanted.bcqueuelen,
        )

    async def adopt_link(self, ifname: str, mac: str | None) -> Link:
        def adopt() -> LinkState | None:
            state = links.link_state(ifname)
            if state is not None and mac is not None and state.mac != mac:
                links.set_mac(ifname, mac)
            if state is not None and not state.up:
                links.link_up(ifname)
            return links.link_state(ifname)

        state = await self._pool.run_in(self._where, adopt)
        if state is None:
            raise interface_gone(ifname)
        return Link(ifname=ifname, mac=state.mac, mtu=state.mtu, kind=state.kind)

    async def link_state(self, ifname: str) -> LinkState | None:
        return await self._pool.run_in(self._where, links.link_state, ifname)

    async def links(self) -> Sequence[LinkState]:
        return await self._pool.run_in(self._where, links.list_links)

    async def macs(self) -> frozenset[str]:
        return frozenset(link.mac for link in await self._pool.run_in(self._where, links.list_links))

    async def delete_link(self, ifname: str, mac: str | None) -> None:
        deletion = links.Deletion(ifname, expected_mac=mac, expected_kind=MACVLAN if mac is None else None)
        carried_out = self._pool.start_in(self._where, deletion.run)
        carried_out.add_done_callback(deletion.end)
        if await self._pool.run_in(self._where, deletion.wait):
            carried_out.add_done_callback(_left_behind)
        else:
            await carried_out

    async def configure(self, ifname: str, plan: Plan, previous: Plan | None) -> Sequence[str]:
        return await self._pool.run_in(self._where, addresses.apply, ifname, plan, previous)

    async def renew(
        self, ifname: str, plan: Plan, previous: Plan | None, server: IPv4Address
    ) -> tuple[Sequence[str], str | None]:
        return await self._tools.company.run_in(self._where, addresses.renew, ifname, plan, previous, server)

    async def configure_fixed(self, ifname: str, plan: FixedPlan) -> None:
        await self._pool.run_in(self._where, fixed.apply_fixed, ifname, plan)
        if four := [one.ip for one in plan.addresses if isinstance(one, IPv4Interface)]:
            await self._announce(ifname, four)

    async def _announce(self, ifname: str, addresses: Sequence[IPv4Address]) -> None:
        """Neighbours may still know whoever had them before (RFC 5227 section 2.3): once, since an ADD can't wait."""
        try:
            await self._pool.run_in(self._where, packet.announce, ifname, addresses)
        except OSError as error:
            log.info("the addresses of %s are not announced: %s", ifname, error)

    async def flush(self, ifname: str, plan: Plan) -> None:
        await self._pool.run_in(self._where, addresses.flush, ifname, plan)

    async def missing(self, ifname: str, plan: Plan) -> list[str]:
        return await self._pool.run_in(self._where, addresses.missing, ifname, plan)

    async def missing_fixed(self, ifname: str, plan: FixedPlan) -> list[str]:
        return await self._pool.run_in(self._where, fixed.missing_fixed, ifname, plan)

    def line(self, ifname: str) -> LinuxLine:
        return LinuxLine(self._tools, self._where, ifname)

    async def send_once(self, ifname: str, effect: Send) -> None:
        sender = await self._pool.run_in(self._where, packet.open_sender, ifname)
        try:
            sender.send(
                udp_packet(effect.payload, source=effect.source, destination=effect.destination),
                next_hop(effect),
            )
        finally:
            self._pool.discard(sender)


class LinuxMachine:
    """This host, as `ports.Machine`."""

    def __init__(self, pool: KernelPool) -> None:
        self._pool = pool
        self._tools = Tools(pool, Company(pool), packet.Outlet())
        self.boot_id = process.boot_id()

    def now(self) -> float:
        return process.boottime()

    def wall(self) -> float:
        return time.time()

    def utc(self, now: float) -> datetime:
        return datetime.fromtimestamp(time.time() - process.boottime() + now, UTC)

    def identify(self, path: str) -> NetnsKey | None:
        found = netns.identify(path)
        return (found.device, found.inode) if found is not None else None

    def netns(
        self, path: str, expected: NetnsKey | None = None, *, own: bool = False
    ) -> AbstractAsyncContextManager[Netns]:
        return self._open(path, expected, own=own or expected is not None)

    @asynccontextmanager
    async def _open(self, path: str, expected: NetnsKey | None, *, own: bool) -> AsyncIterator[Netns]:
        with netns.open_netns(path, allow_own=own) as opened:
            found = LinuxNetns(self._tools, opened)
            if expected is not None and found.key != expected:
                raise HooknetError(
                    Kind.BAD_NETNS,
                    f"{path} is another network namespace now",
                    details="the container's is gone",
                    hint="start the container again",
                )
            yield found

    async def parent(self, name: str | None, inside: Netns | None = None) -> Parent:
        if inside is not None:
            assert isinstance(inside, LinuxNetns)
            return await inside.parent(name)
        return await self._pool.run(lambda: links.parent(name or links.default_parent()))

    async def link_names(self) -> Mapping[int, str]:
        try:
            return {link.index: link.name for link in await self._pool.run(links.list_links)}
        except (HooknetError, OSError) as error:
            log.warning("the host's links can't be listed: %s", error)
            return {}

    async def send_on_parent(self, parent: str, effect: Send, mac: str) -> None:
        self._tools.outlet.send(parent, frame_from(mac, effect))

    def line_on_parent(self, parent: str) -> LinuxLine:
        return LinuxLine(self._tools, None, parent)

    async def address_of(self, ifname: str) -> IPv4Address | None:
        state = await self._pool.run(links.link_state, ifname)
        return state.addresses[0].ip if state is not None and state.addresses else None

    async def open_arp(self, parent: str) -> LinuxArpLine:
        return LinuxArpLine(self._pool, await self._pool.run(packet.open_arp, parent))

    def close(self) -> None:
        """Blocks about 16 ms. The workers are the pool's, and end with it."""
        self._tools.outlet.close()

    def process_started(self, pid: int) -> int | None:
        return process.process_start(pid)


def _left_behind(deletion: asyncio.Future[bool]) -> None:
    """The link is gone; what the kernel says about its freeing changes nothing."""
    if (error := deletion.exception()) is not None:
        log.debug("a link that is gone was not freed in peace: %s", error)


def frame_from(mac: str, effect: Send) -> bytes:
    """The whole frame of a message that leaves on a host's interface in the name of a container's."""
    return ethernet_udp_frame(
        effect.payload,
        source_mac=mac,
        destination_mac=next_hop(effect),
        source=effect.source,
        destination=effect.destination,
    )


def next_hop(effect: Send) -> str:
    """The MAC that a frame goes to: the known next hop's unless the message is a broadcast."""
    if effect.delivery is Delivery.BROADCAST_FRAME or effect.next_hop_mac is None:
        return BROADCAST_MAC
    return effect.next_hop_mac
