"""The networks whose addresses come by DHCP, of both back ends: who serves them, and what they hang on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Any

from hooknet.doctor.backend import Backend, ask_backend
from hooknet.doctor.findings import Finding, note, problem
from hooknet.doctor.host import Host
from hooknet.doctor.plugins import first, is_shim, read_conf
from hooknet.errors import HooknetError
from hooknet.install import containers_conf, delegates
from hooknet.install.containers_conf import is_netavarks, part, plugins_of
from hooknet.install.units import FOLDER, SERVICE
from hooknet.shim.install import DROP_INS, PLUGIN

NAMELESS_BRIDGE = "cni0"
"""What CNI's bridge plugin makes where no bridge is named."""

WITH_MASTER = (PLUGIN, "macvlan", "ipvlan", "vlan")
"""The main plugins of CNI that take an interface of the host by the key `master`."""


@unique
class Source(Enum):
    """Who is asked for the address: hooknet by name, CNI's `dhcp`, or netavark's dhcp-proxy."""

    HOOKNET = PLUGIN
    DHCP = "dhcp"
    PROXY = "netavark's dhcp-proxy"


@dataclass(frozen=True, slots=True)
class Place:
    """A host interface to look at. name: None for the default route's.

    shares_mac: all that hangs on it has its MAC address (ipvlan), which an access point lets through.
    """

    name: str | None
    shares_mac: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """place: None where it is in the container, or not known."""

    name: str
    path: Path
    source: Source
    place: Place | None


def check_networks(host: Host) -> Iterator[Finding]:
    """Networks that still go to the reference's daemon, and those whose IPAM plugin may not write its files."""
    backend = ask_backend(host).backend
    found = list(read_by(backend, host))
    if backend is not Backend.NETAVARK:
        yield from check_data(host)
    dhcp = first(host, read_conf(host), "dhcp")
    if dhcp is not None and is_shim(host, dhcp):
        return
    for network in found:
        if network.source is Source.DHCP:
            yield note(
                f"the network {network.name} says `dhcp`, which the reference's plugin serves ({network.path})",
                todo="hooknet install --drop-in, to have hooknet serve it unchanged",
            )


def check_data(host: Host) -> Iterator[Finding]:
    """The folders of host-local that the unit may not write."""
    if not host.root.exists(FOLDER / SERVICE):
        return  # the reference's units are not confined
    conf = read_conf(host)
    ours = [
        name for name in DROP_INS if (place := first(host, conf, name)) is not None and is_shim(host, place)
    ]
    allowed = delegates.writable(host.root)
    for data in delegates.data_of(host.root, conf, delegates.served(ours)):
        if not any(data.folder.is_relative_to(folder) for folder in allowed):
            yield problem(
                f"network {data.network} keeps host-local's files in {data.folder}, where {SERVICE} may not write",
                todo="hooknet install, which writes the drop-in for it"
                if data.can_be_allowed
                else "choose a plain path outside of homes and /tmp for its dataDir",
            )


def places(host: Host) -> list[Place]:
    """The interfaces that networks with DHCP hang on; without such a network the default route's, if there is one.

    So, too, where networks can't be read: `check_networks` tells.
    """
    try:
        return hung_on(networks(host)) or guessed(host)
    except HooknetError:
        return guessed(host)


def hung_on(found: Iterable[Network]) -> list[Place]:
    """Each interface once, as what needs most of it."""
    shared: dict[str | None, bool] = {}
    for place in (network.place for network in found):
        if place is not None:
            shared[place.name] = place.shares_mac and shared.get(place.name, True)
    return [Place(name, shares_mac) for name, shares_mac in shared.items()]


def guessed(host: Host) -> list[Place]:
    """What the first network would hang on, if it names nothing."""
    try:
        host.parent(None)
    except HooknetError:
        return []
    return [Place(None)]


def networks(host: Host) -> Iterator[Network]:
    """Those that podman reads."""
    return read_by(ask_backend(host).backend, host)


def read_by(backend: Backend | None, host: Host) -> Iterator[Network]:
    """Those of CNI, or those of netavark; both where the back end is not known. They may lie in one folder."""
    conf = read_conf(host)
    if backend is not Backend.NETAVARK:
        for path, data in containers_conf.networks(host.root, conf.networks):
            yield from () if is_netavarks(data) else of_cni(path, data)
    if backend is not Backend.CNI:
        for path, data in containers_conf.networks(host.root, conf.netavark_networks):
            yield from of_netavark(path, data) if is_netavarks(data) else ()


def of_cni(path: Path, data: dict[str, Any]) -> Iterator[Network]:
    for plugin in plugins_of(data):
        source = part(plugin, "ipam").get("type")
        ours = source == PLUGIN or (plugin.get("type") == PLUGIN and "ipam" not in plugin)
        if ours or source == "dhcp":
            yield Network(
                str(data.get("name")), path, Source.HOOKNET if ours else Source.DHCP, place_of(plugin)
            )


def place_of(plugin: dict[str, Any]) -> Place | None:
    """What the interface of a CNI plugin hangs on; None for a plugin that is not known to hang on any."""
    kind = plugin.get("type")
    if plugin.get("linkInContainer") is True:
        return None
    if kind == "bridge":
        return Place(text(plugin.get("bridge")) or NAMELESS_BRIDGE)
    return Place(text(plugin.get("master")), shares_mac=kind == "ipvlan") if kind in WITH_MASTER else None


def of_netavark(path: Path, data: dict[str, Any]) -> Iterator[Network]:
    """A file of podman's own: driver, options and ipam_options are those of `podman network create`."""
    ipam, options = part(data, "ipam_options"), part(data, "options")
    ours = data.get("driver") == PLUGIN and ipam.get("driver") != "none"
    if ours or ipam.get("driver") == "dhcp":
        parent = options.get("parent") or (ours and options.get("master")) or data.get("network_interface")
        place = Place(text(parent), shares_mac=data.get("driver") == "ipvlan")
        yield Network(str(data.get("name")), path, Source.HOOKNET if ours else Source.PROXY, place)


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
