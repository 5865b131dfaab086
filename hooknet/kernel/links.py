"""Links: the parent on the host, and the macvlan that hangs on it.

A macvlan is created straight in the container's netns, with its final name and MAC and already up, by one
message; creating it on the host and moving it takes ten times as long. Whatever goes wrong in that message,
the kernel leaves nothing behind.

Two traps. Kernels before 6.15 look for an interface of the wanted name in the *host's* namespace too, so a
container's eth0 can't be made directly where the host has an eth0: then it gets a passing name and is
renamed inside. And one MAC may be used once per parent: a quick restart with a pinned MAC meets its dying
predecessor, which is `MacInUse`, and worth waiting for.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import messages
from hooknet.kernel.linkmessage import LinkMessage
from hooknet.kernel.netlink import Netlink, NetlinkRefusal, Request
from hooknet.kernel.netns import entered
from hooknet.kernel.parents import (
    MACVLAN,
    Parent,
    default_parent,
    no_such_parent,
    parent,
    require_mtu,
    require_usable,
)
from hooknet.kernel.refusals import index_of, refused
from hooknet.model import MacvlanMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


__all__ = [
    "Deletion",
    "LinkState",
    "MacInUse",
    "Parent",
    "create_macvlan",
    "default_parent",
    "delete_link",
    "find_macvlans_of",
    "link_state",
    "link_up",
    "list_links",
    "parent",
    "require_mtu",
    "require_usable",
    "set_mac",
]

GLANCE = 0.0003
"""Seconds between two looks whether a link is gone."""
MODE_NUMBERS = {MacvlanMode.PRIVATE: 1, MacvlanMode.VEPA: 2, MacvlanMode.BRIDGE: 4, MacvlanMode.PASSTHRU: 8}
MODES = {number: mode for mode, number in MODE_NUMBERS.items()}


class MacInUse(HooknetError):  # noqa: N818 - named for what happened, as HooknetError's other children
    """Another macvlan on the same parent has this MAC and is up: wait for its end, or name its holder."""

    def __init__(self, mac: str, where: str) -> None:
        super().__init__(
            Kind.PARENT,
            f"the MAC address {mac} is in use on {where}",
            details="another container that is up, or still ending, has it",
            hint="stop the other container, or give each one a MAC of its own",
        )
        self.mac = mac


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """A link as it is. `mtu`: bytes. `mode`: a macvlan's, None for others.

    parent_index: of the link below, None for none. parent_elsewhere: that index is of another netns. seconds_left:
    of those addresses that the kernel takes away by itself.
    """

    name: str
    index: int
    mac: str
    mtu: int
    up: bool
    carrier: bool
    kind: str | None = None
    mode: MacvlanMode | None = None
    parent_index: int | None = None
    parent_elsewhere: bool = False
    addresses: tuple[IPv4Interface, ...] = ()
    seconds_left: Mapping[IPv4Interface, int] = field(default_factory=dict)


def create_macvlan(
    *,
    parent: Parent,
    netns_fd: int,
    ifname: str,
    mac: str,
    mode: MacvlanMode = MacvlanMode.BRIDGE,
    mtu: int | None = None,
    bcqueuelen: int | None = None,
) -> None:
    """Create `ifname` in the namespace `netns_fd`, up. `parent` is a link of the calling thread's netns.

    mtu: bytes, None for the parent's; bcqueuelen: frames. Raises PARENT (unusable, gone), MacInUse,
    INTERFACE_EXISTS, BAD_CONFIG (MTU, the parent's own MAC).
    """
    require_usable(parent)
    _require_sound(parent, mac, mode, mtu)
    new = partial(
        messages.new_macvlan,
        parent=parent.index,
        netns_fd=netns_fd,
        mac=mac,
        mode=MODE_NUMBERS[mode],
        mtu=mtu,
        bcqueuelen=bcqueuelen,
    )
    try:
        with Netlink() as netlink:
            netlink.change(new(ifname=ifname, up=True))
    except NetlinkRefusal as error:
        if error.errno != errno.EEXIST or not _is_name_here(ifname):
            raise _not_created(error, parent, ifname, mac) from None
        _create_and_rename(parent, netns_fd, ifname, mac, new)


def link_state(ifname: str) -> LinkState | None:
    """The link `ifname` of this netns with its IPv4 addresses; None when there is none."""
    with Netlink() as netlink:
        try:
            link = netlink.get(messages.get_link(ifname))
        except NetlinkRefusal as error:
            if error.errno == errno.ENODEV:
                return None
            raise refused(f"look at {ifname}", error) from None
        found = netlink.dump(messages.get_addresses(link.index))
    return _state(link, [a for a in found if a["index"] == link.index])


def list_links() -> tuple[LinkState, ...]:
    """Every link of this netns, without addresses: reconcile's inventory."""
    with Netlink() as netlink:
        return tuple(_state(link) for link in netlink.dump(messages.get_links()))


def find_macvlans_of(parent: Parent, links: Iterable[LinkState], *, elsewhere: bool) -> tuple[LinkState, ...]:
    """The macvlans among `links` that hang on `parent`.

    elsewhere: `links` are of a container's netns, so the parent is in another one than they are.
    """
    below = parent.index if parent.lower is None else parent.lower
    return tuple(
        link
        for link in links
        if link.kind == MACVLAN and link.parent_index == below and link.parent_elsewhere is elsewhere
    )


def link_up(ifname: str) -> None:
    """Set `ifname` up. Raises MacInUse, or IO when the kernel refuses or the link is gone."""
    index = index_of(ifname)
    try:
        with Netlink() as netlink:
            netlink.change(messages.set_link(index, up=True))
    except NetlinkRefusal as error:
        if error.errno == errno.EADDRINUSE:
            raise MacInUse(_mac_of(ifname), "its parent") from None
        raise refused(f"set {ifname} up", error) from None


def set_mac(ifname: str, mac: str) -> None:
    """Give `ifname` another MAC; links that refuse it while up are set down for that moment. MacInUse, IO."""
    index = index_of(ifname)
    change, down = messages.set_link(index, mac=mac), messages.set_link(index, up=False)
    try:
        with Netlink() as netlink:
            (refusal,) = netlink.attempt([change])
            if refusal is not None and refusal.errno == errno.EBUSY:
                netlink.change(down, change, messages.set_link(index, up=True))
            elif refusal is not None:
                raise refusal
    except NetlinkRefusal as error:
        if error.errno == errno.EADDRINUSE:
            raise MacInUse(mac, f"the parent of {ifname}") from None
        raise refused(f"set the MAC address of {ifname} to {mac}", error) from None


def delete_link(ifname: str, *, expected_mac: str | None = None, expected_kind: str | None = None) -> bool:
    """Delete `ifname`; False when there is none, or when it is not the one of that MAC or kind.

    Takes 15 to 30 ms: the kernel waits until none of its own readers can use the link (`Deletion` does not).
    """
    with Netlink() as netlink:
        try:
            link = netlink.get(messages.get_link(ifname))
            if expected_mac is not None and link.mac != expected_mac.lower():
                return False
            if expected_kind is not None and link.kind != expected_kind:
                return False
            netlink.change(messages.del_link(link.index))
        except NetlinkRefusal as error:
            if error.errno == errno.ENODEV:
                return False
            raise refused(f"delete {ifname}", error) from None
    return True


class Deletion:
    """One `delete_link` in a worker (`run`), and its effect as another worker of that netns sees it (`wait`).

    The kernel takes the link down and out of the namespace in about 0.3 ms: nobody can see it, hear from it or meet
    its MAC any more. It answers when it has freed it, which is of no interest to anybody.
    """

    def __init__(self, ifname: str, *, expected_mac: str | None, expected_kind: str | None) -> None:
        self._ifname = ifname
        self._expected = (expected_mac, expected_kind)
        self._begun, self._ended = threading.Event(), threading.Event()

    def run(self) -> bool:
        """As `delete_link`."""
        self._begun.set()
        mac, kind = self._expected
        return delete_link(self._ifname, expected_mac=mac, expected_kind=kind)

    def end(self, _: object = None) -> None:
        """`run` has ended, or will never run: nothing is left to wait for."""
        self._ended.set()
        self._begun.set()

    def wait(self) -> bool:
        """True as soon as there is no such interface, False after `end` (the result of `run` tells how)."""
        self._begun.wait()
        while not self._ended.wait(GLANCE):
            try:
                socket.if_nametoindex(self._ifname)
            except OSError:
                return True
        return False


def _create_and_rename(
    parent: Parent, netns_fd: int, ifname: str, mac: str, new: Callable[..., Request]
) -> None:
    """The way round the name check in the wrong namespace (kernels before 6.15)."""
    passing = "hn" + os.urandom(6).hex()
    try:
        with Netlink() as netlink:
            netlink.change(new(ifname=passing, up=False))
    except NetlinkRefusal as error:
        raise _not_created(error, parent, ifname, mac) from None
    with entered(netns_fd), Netlink() as netlink:
        index = index_of(passing)
        (refusal,) = netlink.attempt([messages.set_link(index, ifname=ifname, up=True)])
        if refusal is not None:
            netlink.attempt([messages.del_link(index)])
            raise _not_created(refusal, parent, ifname, mac)


def _require_sound(parent: Parent, mac: str, mode: MacvlanMode, mtu: int | None) -> None:
    require_mtu(parent, mtu)
    if mac.lower() == parent.mac and mode is not MacvlanMode.PASSTHRU:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"the MAC address {mac} is the one of the parent {parent.name} itself",
            hint="leave it away to have one made",
        )


def _not_created(error: NetlinkRefusal, parent: Parent, ifname: str, mac: str) -> HooknetError:
    match error.errno:
        case errno.EADDRINUSE:
            return MacInUse(mac, parent.name)
        case errno.EEXIST:
            return HooknetError(
                Kind.INTERFACE_EXISTS,
                f"the container has an interface {ifname} already",
                hint="another network took that name: check interface_name, or detach the other one first",
            )
        case errno.ENODEV:
            return no_such_parent(parent.name, error)
        case errno.EBUSY:
            return HooknetError(
                Kind.PARENT,
                f"{parent.name} can't carry a macvlan: {error.strerror}",
                details="a bridge, bond, ipvlan or a passthru macvlan has taken its frames",
                hint="use the bridge or bond as the parent, or remove the other one",
            )
    return refused(f"create a macvlan on {parent.name}", error, Kind.PARENT)


def _is_name_here(ifname: str) -> bool:
    try:
        return socket.if_nametoindex(ifname) > 0
    except OSError:
        return False


def _mac_of(ifname: str) -> str:
    state = link_state(ifname)
    return state.mac if state else "of " + ifname


def _state(link: LinkMessage, addresses: Sequence[Any] = ()) -> LinkState:
    return LinkState(
        name=link.name,
        index=link.index,
        mac=link.mac,
        mtu=link.mtu,
        up=link.up,
        carrier=link.carrier,
        kind=link.kind,
        mode=MODES.get(link.mode or 0),
        parent_index=link.lower,
        parent_elsewhere=link.lower_elsewhere,
        addresses=tuple(_address(message) for message in addresses),
        seconds_left={
            _address(message): message.get_attr("IFA_CACHEINFO")["ifa_valid"]
            for message in addresses
            if message.get_attr("IFA_CACHEINFO")["ifa_valid"] != messages.FOREVER
        },
    )


def _address(message: Any) -> IPv4Interface:
    return IPv4Interface((message.get_attr("IFA_LOCAL"), message["prefixlen"]))
