"""Results in hooknet's own terms, and how one is read from JSON of any version.

prevResult and a delegate's output come in the shape of their version; inside there is only one. 0.1.0 and
0.2.0 have `ip4` and `ip6`; from 0.3.0 on there are `interfaces` and `ips`; 1.1.0 adds what an interface and
a route may say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any

from hooknet.cni.document import Section
from hooknet.cni.versions import is_before, settled_version

Address = IPv4Address | IPv6Address
AddressWithMask = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

LONGEST_MTU = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """`sandbox`: the path of the netns, empty for the host's. `mtu`: bytes, None when not told."""

    name: str
    mac: str = ""
    sandbox: str = ""
    mtu: int | None = None
    socket_path: str = ""
    pci_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """`interface`: an index into the result's interfaces, None in an IPAM plugin's result."""

    address: AddressWithMask
    gateway: Address | None = None
    interface: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`gateway` None: the address's own gateway, or on-link. The rest is 1.1.0's, None when not said."""

    destination: Network
    gateway: Address | None = None
    mtu: int | None = None
    advmss: int | None = None
    priority: int | None = None
    table: int | None = None
    scope: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def over(self, other: Dns) -> Dns:
        """This one, with what it does not say taken from `other`."""
        return Dns(
            nameservers=self.nameservers or other.nameservers,
            domain=self.domain or other.domain,
            search=self.search or other.search,
            options=self.options or other.options,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What ADD answers."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = field(default_factory=Dns)


def parse_result(data: dict[str, Any], version: str, where: str) -> Result:
    """A result in the shape of its own `cniVersion`, else of `version`. `where` names it in errors.

    Raises BAD_CONFIG or INCOMPATIBLE_VERSION.
    """
    section = Section(data, where)
    own = settled_version(section.text("cniVersion") or version)
    if is_before(own, "0.3.0"):
        return _parse_oldest(section)
    interfaces = tuple(_interface(item) for item in section.sections("interfaces"))
    return Result(
        interfaces=interfaces,
        ips=tuple(_ip(item, len(interfaces)) for item in section.sections("ips")),
        routes=tuple(_route(item) for item in section.sections("routes")),
        dns=parse_dns(section.section("dns")),
    )


def parse_dns(section: Section) -> Dns:
    """A `dns` object. Raises BAD_CONFIG."""
    return Dns(
        nameservers=section.texts("nameservers"),
        domain=section.text("domain"),
        search=section.texts("search"),
        options=section.texts("options"),
    )


def _parse_oldest(section: Section) -> Result:
    ips, routes = [], []
    for family in ("ip4", "ip6"):
        if section.has(family):
            part = section.section(family)
            ips.append(Ip(address=_required(ip_interface, part, "ip"), gateway=_optional(part, "gateway")))
            routes += [_route(item) for item in part.sections("routes")]
    return Result(ips=tuple(ips), routes=tuple(routes), dns=parse_dns(section.section("dns")))


def _interface(section: Section) -> Interface:
    name = section.text("name")
    if not name:
        raise section.wrong("name", name, "the interface's name")
    return Interface(
        name=name,
        mac=section.text("mac").lower(),
        sandbox=section.text("sandbox"),
        mtu=section.number("mtu", most=LONGEST_MTU),
        socket_path=section.text("socketPath"),
        pci_id=section.text("pciID"),
    )


def _ip(section: Section, interfaces: int) -> Ip:
    """An index that points nowhere counts as none, as podman has it."""
    index = section.number("interface", least=-1)
    return Ip(
        address=_required(ip_interface, section, "address"),
        gateway=_optional(section, "gateway"),
        interface=index if index is not None and 0 <= index < interfaces else None,
    )


def _route(section: Section) -> Route:
    return Route(
        destination=_required(_loose_network, section, "dst"),
        gateway=_optional(section, "gw"),
        mtu=section.number("mtu"),
        advmss=section.number("advmss"),
        priority=section.number("priority"),
        table=section.number("table"),
        scope=section.number("scope", most=255),
    )


def _loose_network(text: str) -> Network:
    return ip_network(text, strict=False)


def _required(read: Any, section: Section, key: str) -> Any:
    value = _read(read, section, key)
    if value is None:
        raise section.wrong(key, None, "an address")
    return value


def _optional(section: Section, key: str) -> Address | None:
    found: Address | None = _read(ip_address, section, key)
    return found


def _read(read: Any, section: Section, key: str) -> Any:
    text = section.text(key)
    if not text:
        return None
    try:
        return read(text)
    except ValueError:
        raise section.wrong(key, text, "an address") from None
