"""What a lost journal can be rebuilt from: traces of our attachments that others keep.

- Under CNI, libcni's notes: a file per attachment with all that we were asked. Read at once, nobody is waited for.
- Under netavark, podman's own description of networks and running containers, from which the calls that netavark
  made are said once more. It does not name the interface: that one is found by its MAC.
Each becomes the request that it once was, in the words of the front end that took it. Whether it is true is the
kernel's to say (lifecycle/rebuild.py).
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, Protocol

from hooknet.cni.cache import RememberedAdd, read_note
from hooknet.cni.document import Section
from hooknet.errors import HooknetError, Kind
from hooknet.frontends import cni_requests
from hooknet.frontends.netavark import driver
from hooknet.lifecycle.below import parent_below
from hooknet.lifecycle.ports import Machine
from hooknet.lifecycle.rebuild import Leave, Trace
from hooknet.lifecycle.requests import AttachRequest
from hooknet.lifecycle.timing import Timing
from hooknet.model import SHORT_ID
from hooknet.netavark.driver import read_setup

log = logging.getLogger(__name__)

NOTES = Path("/var/lib/cni/results")
LONGEST_NOTE = 1 << 20
NETAVARKS_OWN = frozenset({"bridge", "ipvlan", "macvlan"})
"""Drivers that ask the dhcp-proxy for addresses where the network's IPAM driver is `dhcp`."""


class Running(Protocol):
    """A container in podman's list. pid: of its first process, 0 without one."""

    @property
    def id(self) -> str: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def networks(self) -> Sequence[str]: ...

    @property
    def pid(self) -> int: ...


class DescribingPodman(Protocol):
    """One podman that can be asked. Everything raises UNAVAILABLE when it does not answer."""

    async def netavark_networks(self) -> Mapping[str, Mapping[str, Any]]:
        """The networks that netavark serves, by name. Empty without netavark, or without a podman."""

    async def containers(self) -> Sequence[Running]: ...

    async def inspect(self, container_id: str) -> Mapping[str, Any]:
        """One container's description (`podman inspect`)."""


@dataclass(slots=True)
class Traces:
    """What was found, and what is ours and can't be understood. is_whole: whoever is there could be asked."""

    found: list[Trace] = field(default_factory=list)
    left: list[Leave] = field(default_factory=list)
    is_whole: bool = True


def of_libcni(folder: Path = NOTES) -> Traces:
    """The notes of every runtime on this host. Blocking, milliseconds."""
    traces = Traces()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            raw, written = _read(path)
            remembered = read_note(raw)
            if remembered is not None:
                traces.found.append(_trace_of(remembered, written))
        except FileNotFoundError:
            continue  # its container went in this moment
        except (HooknetError, OSError) as error:
            traces.left.append(Leave(path.name, str(error)))
    return traces


def _read(path: Path) -> tuple[bytes, float]:
    """A note and when it was written. Raises IO for what is no plain file of ours or root's."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as note:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in {0, os.geteuid()}:
            raise HooknetError(Kind.IO, f"{path.name} is no plain file of root's", hint="remove it")
        return note.read(LONGEST_NOTE), found.st_mtime


def _trace_of(remembered: RememberedAdd, attached: float) -> Trace:
    request = cni_requests.attach_request(remembered.request)
    return Trace(request=request, attached=attached, address=remembered.address, by_name=remembered.by_name)


@dataclass(frozen=True, slots=True)
class Interface:
    """A container's, and the host's below it."""

    name: str
    parent: str


class PodmansTraces:
    """Under netavark. `with_proxy`: hooknet stands in for netavark's dhcp-proxy."""

    def __init__(self, machine: Machine, *, with_proxy: bool) -> None:
        self._machine = machine
        self._with_proxy = with_proxy

    async def of(self, podman: DescribingPodman) -> Traces:
        """Of all running containers of one podman, which is waited for. Where there is none, there is nothing."""
        traces = Traces()
        try:
            networks = await podman.netavark_networks()
            ours = {name: network for name, network in networks.items() if self._is_ours(network)}
            for listed in await podman.containers() if ours else ():
                if listed.pid and ours.keys() & set(listed.networks):
                    await self._add(traces, podman, listed, ours)
        except HooknetError as error:
            log.warning("what runs under netavark is not known: %s", error)
            traces.is_whole = False
            traces.left.append(Leave("what runs under netavark", str(error)))
        return traces

    def _is_ours(self, network: Mapping[str, Any]) -> bool:
        return network.get("driver") == "hooknet" or (self._with_proxy and _is_proxied(network))

    async def _add(
        self, traces: Traces, podman: DescribingPodman, listed: Running, ours: Mapping[str, Mapping[str, Any]]
    ) -> None:
        try:
            described = Section(dict(await podman.inspect(listed.id)))
            settings = described.section("NetworkSettings")
            attached = _seconds(described.section("State").text("StartedAt"))
            for name, network in ours.items():
                if settings.section("Networks").has(name):
                    part = settings.section("Networks").section(name)
                    trace = await self._trace(listed, network, described, part, attached)
                    traces.found.extend([trace] if trace is not None else [])
        except (HooknetError, ValueError) as error:
            traces.left.append(Leave(listed.names[0] if listed.names else listed.id, str(error)))

    async def _trace(
        self,
        listed: Running,
        network: Mapping[str, Any],
        described: Section,
        part: Section,
        attached: float,
    ) -> Trace | None:
        netns = described.section("NetworkSettings").text("SandboxKey")
        mac = part.text("MacAddress").lower()
        found = await self._interface(netns, mac)
        if found is None:
            return None
        make = _through_proxy if _is_proxied(network) else _through_driver
        request = make(listed, network, described, part, found)
        text, length = part.text("IPAddress"), part.number("IPPrefixLen", most=32)
        return Trace(
            request=request,
            attached=attached,
            address=IPv4Interface(f"{text}/{length}") if text and length else None,
            by_name=not _is_proxied(network),
        )

    async def _interface(self, netns: str, mac: str) -> Interface | None:
        """The interface with this MAC; None when it, or the netns, is gone."""
        key = self._machine.identify(netns) if netns else None
        if key is None or not mac:
            return None
        async with self._machine.netns(netns, key) as opened:
            name = next((link.name for link in await opened.links() if link.mac == mac), None)
            return None if name is None else Interface(name, await parent_below(self._machine, opened, name))


def _is_proxied(network: Mapping[str, Any]) -> bool:
    options = network.get("ipam_options")
    ipam = options.get("driver") if isinstance(options, dict) else None
    return network.get("driver") in NETAVARKS_OWN and ipam == "dhcp"


def _through_driver(
    listed: Running, network: Mapping[str, Any], described: Section, part: Section, interface: Interface
) -> AttachRequest:
    """The `setup` of netavark's driver, said once more."""
    added = [listed.id[:SHORT_ID], *_explicit_hostname(listed, described)]
    call = {
        "container_id": listed.id,
        "container_name": listed.names[0] if listed.names else "",
        "network": dict(network),
        "network_options": {
            "aliases": [*(alias for alias in part.texts("Aliases") if alias not in added), *added],
            "interface_name": interface.name,
            "options": part.section("DriverOpts").data,
        },
    }
    setup = read_setup(json.dumps(call).encode(), described.section("NetworkSettings").text("SandboxKey"))
    return driver.attach_request(setup, Timing())


def _through_proxy(
    listed: Running, network: Mapping[str, Any], described: Section, part: Section, interface: Interface
) -> AttachRequest:
    """The `Setup` of netavark's proxy, said once more."""
    from hooknet.frontends.netavark import proxy
    from hooknet.netavark.proxy import NetworkConfig, understand

    config = NetworkConfig(
        host_iface=Section(dict(network)).text("network_interface"),
        container_iface=interface.name,
        container_mac_addr=part.text("MacAddress"),
        host_name=next(iter(_explicit_hostname(listed, described)), ""),
        ns_path=described.section("NetworkSettings").text("SandboxKey"),
        container_id=listed.id,
    )
    wanted = understand(config)
    name = listed.names[0] if listed.names else None
    return proxy.attach_request(wanted, wanted.parent or interface.parent, name, Timing())


def _explicit_hostname(listed: Running, described: Section) -> list[str]:
    """What `--hostname` said, if anything: else podman's host name is the short id."""
    name = described.section("Config").text("Hostname")
    return [] if not name or name == listed.id[:SHORT_ID] else [name]


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
