"""The network configuration, understood: which role we play in it and what it wants.

Roles. Run as `macvlan` we are the main plugin, run as `dhcp` the IPAM plugin; run as `hooknet` we are the
main plugin of a configuration whose `type` says so, and the IPAM plugin of one whose `ipam.type` does. An
IPAM plugin gets the whole configuration of its main plugin, so `type` tells what that is.

Who gives the address. Under `type: hooknet`, no `ipam` at all means hooknet's own DHCP. `ipam: {}` (or one
without a type and without any other key) means nobody: L2 only. Under the drop-in `macvlan`, as with the
reference, both mean L2 only. `ipam.type` `hooknet` and `dhcp` are ours; anything else is another plugin,
which is run as the spec says.

A DEL reads only the `Essentials`, and of these it needs the name and the role: what it can't understand of the rest
counts as not given (`readable`): cleaning up must not fail because somebody has since broken the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Any

from hooknet.binding import bind
from hooknet.cni.dialects import near_misses, settings_given
from hooknet.cni.document import Section
from hooknet.cni.names import is_identifier, require_ifname
from hooknet.cni.options import HOST_NAME, DhcpOptions, read_options
from hooknet.cni.result import Dns, Result, parse_dns, parse_result
from hooknet.cni.runtime import aliases_told, mac_wanted, requested_address, runtime_dns
from hooknet.cni.versions import OLDEST, settled_version
from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.model import MacvlanMode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address

OUR_MAIN = frozenset({"hooknet", "macvlan"})
OUR_IPAM = frozenset({"hooknet", "dhcp"})
LINKED_IN_CONTAINER = frozenset({"macvlan", "ipvlan", "vlan"})
"""The reference's main plugins that know `linkInContainer` (since 1.2.0)."""
DEFAULT_BRIDGE = "cni0"
LARGEST_MTU = 65535


@unique
class Role(Enum):
    """MAIN: we make the interface. IPAM: another plugin made it, and we lease its address."""

    MAIN = "main"
    IPAM = "ipam"


@unique
class Addresses(Enum):
    """Who gives them. LEASED: hooknet. DELEGATED: another IPAM plugin. NONE: nobody, the network is L2 only."""

    LEASED = "leased"
    DELEGATED = "delegated"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Essentials:
    """What every verb needs. delegate: the IPAM plugin to run where the addresses are DELEGATED."""

    cni_version: str = OLDEST
    name: str
    type: str = ""
    role: Role = Role.MAIN
    addresses: Addresses = Addresses.LEASED
    delegate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConf(Essentials):
    """Everything that an ADD needs.

    parent: the interface below, None for the one of the default route; under a bridge, the bridge. It is the
    host's, or with link_in_container in the container's netns. mac: by precedence, None for one of ours. mtu:
    bytes, None for the parent's. settings: the per-network settings that were given. requested_address: the
    runtime wants exactly this one. warnings: keys that look like misspelt ones of ours.
    """

    parent: str | None = None
    mode: MacvlanMode = MacvlanMode.BRIDGE
    mtu: int | None = None
    mac: str | None = None
    aliases: tuple[str, ...] = ()
    link_in_container: bool = False
    bcqueuelen: int | None = None
    dns: Dns = field(default_factory=Dns)
    prev_result: Result | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: DhcpOptions = field(default_factory=DhcpOptions)
    requested_address: IPv4Address | None = None
    warnings: tuple[str, ...] = ()


def read_essentials(plugin: str, data: dict[str, Any]) -> Essentials:
    """What a DEL needs. Raises INCOMPATIBLE_VERSION and BAD_CONFIG."""
    conf = Section(data)
    version = _version_of(conf)
    name = conf.text("name")
    if not is_identifier(name):
        what = (
            f"the network's name {name[:40]!r} is not valid"
            if name
            else "the network configuration has no name"
        )
        raise HooknetError(
            Kind.BAD_CONFIG,
            what,
            hint="use letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
        )
    role = role_of(plugin, conf)
    delegate = _delegate(conf) if role is Role.MAIN else ""
    addresses = Addresses.DELEGATED if delegate else Addresses.LEASED
    if role is Role.MAIN and _nobody_gives_addresses(plugin, conf):
        addresses = Addresses.NONE
    return Essentials(
        cni_version=version,
        name=name,
        type=_type_of(conf),
        role=role,
        addresses=addresses,
        delegate=delegate,
    )


def readable(data: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the keys that a DEL can do without and that no ADD would take."""
    kept = dict(data)
    for key, read in (("cniVersion", _version_of), ("type", _type_of), ("ipam", _delegate)):
        try:
            read(Section(data))
        except HooknetError:
            del kept[key]
    return kept


def role_of(plugin: str, conf: Section) -> Role:
    """Raises BAD_CONFIG when the configuration has no place for a plugin of this name."""
    kind, ipam = conf.text("type"), conf.section("ipam").text("type")
    if plugin == "dhcp" or (plugin == ipam and plugin != kind):
        return Role.IPAM
    if plugin in {kind, "macvlan"}:
        return Role.MAIN
    raise HooknetError(
        Kind.BAD_CONFIG,
        f"the network configuration names {plugin} neither as its type nor as its ipam's",
        details=f"type is {kind[:40]!r}, ipam.type is {ipam[:40]!r}",
        hint=f'write "type": "{plugin}", or "ipam": {{"type": "{plugin}"}}',
    )


def read_netconf(plugin: str, data: dict[str, Any], args: Mapping[str, str]) -> NetConf:
    """What an ADD or a CHECK needs. Raises INCOMPATIBLE_VERSION and BAD_CONFIG."""
    essentials = read_essentials(plugin, data)
    conf, ipam = Section(data), Section(data).section("ipam")
    ours = essentials.addresses is not Addresses.DELEGATED
    previous = (
        parse_result(data["prevResult"], essentials.cni_version, "prevResult")
        if conf.section("prevResult").data
        else None
    )
    options = read_options(ipam, args) if ours else DhcpOptions()
    settings = settings_given(conf, ipam if ours else Section({}))
    bind(NetworkSettings, settings, f"network {essentials.name}")
    _refuse_unworkable(essentials, conf, settings)
    return NetConf(
        cni_version=essentials.cni_version,
        name=essentials.name,
        type=essentials.type,
        role=essentials.role,
        addresses=essentials.addresses,
        delegate=essentials.delegate,
        parent=_parent(essentials, conf, previous),
        mode=_mode(conf) if essentials.role is Role.MAIN else MacvlanMode.BRIDGE,
        mtu=conf.number("mtu", most=LARGEST_MTU) or None if essentials.role is Role.MAIN else None,
        mac=None if _is_ipvlan(essentials) else mac_wanted(conf, args),
        aliases=aliases_told(conf, essentials.name),
        link_in_container=_knows_link_in_container(essentials) and conf.flag("linkInContainer"),
        bcqueuelen=conf.number("bcqueuelen") if essentials.role is Role.MAIN else None,
        dns=runtime_dns(conf).over(parse_dns(conf.section("dns"))),
        prev_result=previous,
        settings=_with_host_name(_under(essentials, settings), options),
        options=options,
        requested_address=requested_address(conf, args) if essentials.addresses is Addresses.LEASED else None,
        warnings=near_misses(conf, ipam if ours else None, main_is_ours=essentials.role is Role.MAIN),
    )


def _version_of(conf: Section) -> str:
    return settled_version(conf.data.get("cniVersion"))


def _type_of(conf: Section) -> str:
    return conf.text("type")


def _delegate(conf: Section) -> str:
    kind = conf.section("ipam").text("type")
    if not kind or kind in OUR_IPAM:
        return ""
    if not is_identifier(kind) or kind in OUR_MAIN:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"ipam.type {kind[:40]!r} is no IPAM plugin",
            hint='use "hooknet", "host-local", "static", …',
        )
    return kind


def _nobody_gives_addresses(plugin: str, conf: Section) -> bool:
    ipam = conf.section("ipam")
    if ipam.text("type"):
        return False
    if plugin == "macvlan":
        return True
    return conf.has("ipam") and not (ipam.data.keys() - {"type"})


def _knows_link_in_container(essentials: Essentials) -> bool:
    return essentials.role is Role.MAIN or essentials.type in LINKED_IN_CONTAINER


def _is_ipvlan(essentials: Essentials) -> bool:
    return essentials.role is Role.IPAM and essentials.type == "ipvlan"


def _refuse_unworkable(essentials: Essentials, conf: Section, settings: Mapping[str, Any]) -> None:
    """Ipvlan shares one MAC among all, and routes in its L3 modes what DHCP broadcasts.

    UNSUPPORTED_FIELD, whose text names key and value (CNI spec 1.1.0, Error, code 2).
    """
    if not _is_ipvlan(essentials):
        return
    if conf.text("mode") not in {"", "l2"}:
        raise HooknetError(
            Kind.UNSUPPORTED_FIELD,
            f'mode "{conf.text("mode")[:10]}" of ipvlan carries no DHCP',
            details="its L3 modes pass no broadcasts",
            hint='use "mode": "l2", or type hooknet',
        )
    if settings.get("client_id") == "mac":
        raise HooknetError(
            Kind.UNSUPPORTED_FIELD,
            "client_id \"mac\" can't tell ipvlan's containers apart",
            details="they all have the parent's MAC",
            hint='leave it at "name", or use "container-id"',
        )


def _under(essentials: Essentials, settings: dict[str, Any]) -> dict[str, Any]:
    """Under ipvlan replies must be broadcast: the MAC says nothing about the container."""
    if _is_ipvlan(essentials):
        return {"broadcast": True} | settings
    return settings


def _with_host_name(settings: dict[str, Any], options: DhcpOptions) -> dict[str, Any]:
    name = options.provided.get(HOST_NAME)
    return settings if name is None else {"hostname": name.decode()} | settings


def _parent(essentials: Essentials, conf: Section, previous: Result | None) -> str | None:
    keys = ("bridge",) if essentials.type == "bridge" and essentials.role is Role.IPAM else ("master",)
    for key in keys:
        name = conf.text(key)
        if name:
            require_ifname(name, key, hint="see `ip link`")
            return name
    if essentials.role is Role.MAIN:
        return None
    return _main_plugins_parent(essentials.type, previous)


def _main_plugins_parent(kind: str, previous: Result | None) -> str | None:
    """Where another main plugin says nothing: its own default."""
    on_host = [] if previous is None else [i.name for i in previous.interfaces if not i.sandbox]
    match kind:
        case "bridge":
            return on_host[0] if on_host else DEFAULT_BRIDGE
        case "ipvlan" if previous is not None and len(previous.interfaces) == 1:
            return previous.interfaces[0].name
        case _:
            return None


def _mode(conf: Section) -> MacvlanMode:
    mode = conf.text("mode") or MacvlanMode.BRIDGE
    if mode not in tuple(MacvlanMode):
        raise conf.wrong("mode", mode, "one of " + ", ".join(MacvlanMode))
    return MacvlanMode(mode)
