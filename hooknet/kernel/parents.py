"""The parent: the host interface that macvlans hang on, and whether it can carry them.

A macvlan sends frames with a MAC address of its own. So its parent must be Ethernet, must not be wireless (an
access point drops frames of any station that is not associated), must not belong to a bridge or bond (which
takes the frames), and must be up. A macvlan as parent is fine: the kernel uses the link below it.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import messages
from hooknet.kernel.netlink import Netlink, NetlinkRefusal
from hooknet.kernel.refusals import refused
from hooknet.kernel.routes import read_routes

ETHERNET = 1  # ARPHRD_ETHER
MACVLAN = "macvlan"
SYSFS = Path("/sys/class/net")
NO_CARRIER_REMEDY = "plug in the cable, or see whether the switch port is up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A host interface that macvlans may hang on. `mtu`: bytes.

    up: set up by the administrator. carrier: a cable, or what counts as one, is there. kind: `bridge`,
    `vlan`, `bond`, `veth`, …, None for hardware. master: the index of the bridge or bond that it belongs
    to. lower: for a macvlan as parent, the index of the link that the kernel really uses.
    """

    name: str
    index: int
    mac: str
    mtu: int
    up: bool
    carrier: bool
    wireless: bool = False
    kind: str | None = None
    ethernet: bool = True
    master: int | None = None
    lower: int | None = None


def parent(name: str) -> Parent:
    """The interface `name` of this netns as a parent (see `require_usable`). Raises PARENT when there is none."""
    try:
        with Netlink() as netlink:
            link = netlink.get(messages.get_link(name))
    except NetlinkRefusal as error:
        raise no_such_parent(name, error) from None
    return Parent(
        name=name,
        index=link.index,
        mac=link.mac,
        mtu=link.mtu,
        up=link.up,
        carrier=link.carrier,
        wireless=is_wireless(name),
        kind=link.kind,
        ethernet=link.type == ETHERNET,
        master=link.master,
        lower=link.lower if link.kind == MACVLAN else None,
    )


def is_wireless(name: str, sysfs: Path = SYSFS) -> bool:
    """Whether `name` is a Wi-Fi interface (cfg80211 puts a phy80211 link there)."""
    return (sysfs / name / "phy80211").exists() or (sysfs / name / "wireless").exists()


def default_parent() -> str:
    """The interface of the default route with the lowest metric. Raises PARENT when there is none."""
    with Netlink() as netlink:
        routes = [r for r in read_routes(netlink) if r.destination.prefixlen == 0 and r.index is not None]
    for route in sorted(routes, key=lambda r: r.metric):
        try:
            return socket.if_indextoname(route.index or 0)
        except OSError:
            continue  # it went while we looked
    raise HooknetError(
        Kind.PARENT,
        "no parent interface is configured, and the host has no default route to take it from",
        hint='name it: "master" in the CNI configuration, -o parent= of podman network create',
    )


def require_usable(parent: Parent) -> None:
    """Raises PARENT, with what to do, when no container on `parent` could reach the LAN now: unfit, or down."""
    require_fit(parent)
    require_up(parent)


def require_up(parent: Parent) -> None:
    """Raises PARENT while nobody has set it up."""
    if not parent.up:
        raise HooknetError(
            Kind.PARENT,
            f"the parent {parent.name} is down",
            hint=f"set it up: ip link set {parent.name} up, and at every boot",
        )


def require_carrier(parent: Parent) -> None:
    """Raises PARENT while there is no cable, or what counts as one."""
    if not parent.carrier:
        raise HooknetError(Kind.PARENT, f"the parent {parent.name} has no carrier", hint=NO_CARRIER_REMEDY)


def require_fit(parent: Parent) -> None:
    """Raises PARENT, with what to do instead, when no container on `parent` could ever reach the LAN."""
    name = parent.name
    if not parent.ethernet:
        raise HooknetError(
            Kind.PARENT,
            f"{name} can't carry a macvlan: it is no Ethernet interface",
            hint="choose another parent",
        )
    if parent.wireless:
        raise HooknetError(
            Kind.PARENT,
            f"{name} can't carry a macvlan: it is wireless",
            details="an access point drops frames with any MAC address but the associated one",
            hint="use a wired parent; over Wi-Fi ipvlan works, whose containers share the host's MAC address "
            '(CNI: "type": "ipvlan", "mode": "l2", "ipam": {"type": "hooknet"}), and so does podman\'s own bridge',
        )
    if parent.master is not None:
        raise HooknetError(
            Kind.PARENT,
            f"{name} can't carry a macvlan: it belongs to {_name_of(parent.master)}",
            hint=f"use {_name_of(parent.master)} itself as the parent",
        )


def require_mtu(parent: Parent, mtu: int | None) -> None:
    """`mtu`: bytes, None for the parent's. Raises BAD_CONFIG for more than the parent carries."""
    if mtu is not None and mtu > parent.mtu:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"mtu = {mtu} is above that of the parent {parent.name}, which is {parent.mtu}",
            hint="leave mtu away to have the parent's",
        )


def no_such_parent(name: str, error: NetlinkRefusal) -> HooknetError:
    """The error for a parent that the kernel does not know."""
    if error.errno not in {errno.ENODEV, errno.ERANGE, errno.EINVAL}:
        return refused(f"look at the parent {name}", error, Kind.PARENT)
    return HooknetError(
        Kind.PARENT, f"there is no interface {name} to be the parent", hint="ip link shows the names"
    )


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"link {index}"
