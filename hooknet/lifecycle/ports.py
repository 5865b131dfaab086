"""What the lifecycle needs of the machine, as protocols: the daemon gives it Linux, tests may give it a fake.

Every kernel call can block (closing a packet socket takes about 15 ms), so all of it is awaited. A `Netns` is opened
once per operation, checked against the inode that the journal knows, and closed at the operation's end: nothing
here holds a descriptor into a container's netns between exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from typing import Protocol

from hooknet.dhcp.effects import Send, SendArp
from hooknet.dhcp.wire import ArpPacket, UdpDatagram
from hooknet.kernel.addresses import Plan
from hooknet.kernel.links import LinkState, Parent
from hooknet.lifecycle.requests import LinkWanted
from hooknet.model import FixedPlan
from hooknet.store.records import NetnsKey

Packet = UdpDatagram | ArpPacket


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The container's interface as it is. `mtu`: bytes. kind: `macvlan`, `ipvlan`, …"""

    ifname: str
    mac: str
    mtu: int
    kind: str | None = None


class Line(Protocol):
    """Sockets on one container's interface, for as long as an exchange lasts. They open with the first sending."""

    def listen(self, deliver: Callable[[Sequence[Packet]], None]) -> None:
        """Hand every batch of received packets to `deliver`, on the event loop."""

    async def send(self, effect: Send, parent: str | None = None) -> None:
        """Send a DHCP message the way that the effect says. Raises OSError when the kernel refuses, IO when the
        interface is gone.

        parent: the host's interface by which a broadcast leaves, so that other containers on it don't hear it.
        """

    async def send_arp(self, effect: SendArp, parent: str | None = None) -> None:
        """Send an ARP packet, by the host's interface `parent` where it is given. Raises as `send`."""

    def close(self) -> None:
        """Stop listening at once; the sockets close in the background."""


class ArpLine(Protocol):
    """An open ARP socket on a parent."""

    def listen(self, deliver: Callable[[Sequence[ArpPacket]], None]) -> None:
        """Hand every batch of received packets to `deliver`, on the event loop."""

    def watch(self, addresses: Sequence[IPv4Address]) -> None:
        """Hear about these addresses only."""

    def close(self) -> None: ...


class Netns(Protocol):
    """One container's network namespace, open."""

    @property
    def key(self) -> NetnsKey: ...

    async def make_link(self, parent: Parent, ifname: str, mac: str, wanted: LinkWanted) -> Link:
        """Create the macvlan straight into this netns and set it up. Raises MacInUse, INTERFACE_EXISTS, PARENT."""

    async def make_link_inside(self, parent: Parent, ifname: str, mac: str, wanted: LinkWanted) -> Link:
        """The same on a parent that is in this netns itself."""

    async def adopt_link(self, ifname: str, mac: str | None) -> Link:
        """Take an interface that another plugin made: set a pinned MAC, set it up."""

    async def link_state(self, ifname: str) -> LinkState | None: ...

    async def links(self) -> Sequence[LinkState]:
        """Every interface inside, without addresses."""

    async def macs(self) -> Collection[str]:
        """The MACs of all interfaces inside, whoever made them."""

    async def delete_link(self, ifname: str, mac: str | None) -> None:
        """Delete our macvlan (the one with `mac` where it is given), if there is one; until nobody can see it."""

    async def configure(self, ifname: str, plan: Plan, previous: Plan | None) -> Sequence[str]:
        """Returns what the kernel did not take and the container can live without, in words."""

    async def renew(
        self, ifname: str, plan: Plan, previous: Plan | None, server: IPv4Address
    ) -> tuple[Sequence[str], str | None]:
        """`configure` for a lease that `server` renewed, and the MAC of the next hop to it, None when unknown."""

    async def configure_fixed(self, ifname: str, plan: FixedPlan) -> None:
        """Set what another IPAM plugin decided. Raises IO."""

    async def flush(self, ifname: str, plan: Plan) -> None: ...

    async def missing(self, ifname: str, plan: Plan) -> list[str]: ...

    async def missing_fixed(self, ifname: str, plan: FixedPlan) -> list[str]: ...

    def line(self, ifname: str) -> Line: ...

    async def send_once(self, ifname: str, effect: Send) -> None:
        """Send one frame without listening (RELEASE)."""


class Machine(Protocol):
    """The host."""

    boot_id: str

    def now(self) -> float:
        """CLOCK_BOOTTIME, seconds."""

    def wall(self) -> float:
        """Wall clock, seconds since the epoch."""

    def utc(self, now: float) -> datetime:
        """The wall clock time at a boot time."""

    def netns(
        self, path: str, expected: NetnsKey | None = None, *, own: bool = False
    ) -> AbstractAsyncContextManager[Netns]:
        """Open a netns. BAD_NETNS: it is missing, no netns, not the expected one, or ours without `own`."""

    def identify(self, path: str) -> NetnsKey | None:
        """(device, inode) of the netns at `path`, None when there is none."""

    async def parent(self, name: str | None, inside: Netns | None = None) -> Parent:
        """The parent interface, looked up in `inside` where given; None for the default route's."""

    async def link_names(self) -> Mapping[int, str]:
        """The names of the host's links, by index. Empty when the kernel does not tell."""

    async def send_on_parent(self, parent: str, effect: Send, mac: str) -> None:
        """Send a frame from the host side with the container's source MAC."""

    def line_on_parent(self, parent: str) -> Line:
        """For questions of the host itself."""

    async def address_of(self, ifname: str) -> IPv4Address | None:
        """The host's first IPv4 address on an interface of its own."""

    async def open_arp(self, parent: str) -> ArpLine: ...

    def process_started(self, pid: int) -> int | None:
        """Clock ticks since boot when this pid started, None when there is no such process."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A container in podman's list. pid: of its first process, None without one."""

    pid: int | None
    networks: frozenset[str] = frozenset()


class ContainerList(Protocol):
    """Podman's containers as of now."""

    async def containers(self) -> Mapping[str, Listed] | None:
        """By container id. None when there is no podman, or any of them can't be asked."""
