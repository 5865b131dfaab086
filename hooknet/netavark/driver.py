"""netavark's external drivers, API 1.0.0: `create`, `setup NETNS`, `teardown NETNS`, `info`; JSON in and out.

- `create` gets the network and answers it, changed where we must: podman is not to assign addresses itself
  (`ipam_options.driver`), and no DNS of podman's serves this network (`dns_enabled`). What a LAN can't give is
  refused here, in words, because here a person reads them: subnets, routes, internal, IPv6.
- `setup` gets the container and the network, and answers what the interface is like. There is no field for the host
  name: podman puts the container's short id among the aliases, and right behind it what `--hostname` said.
- `teardown` gets the same, and reads no more of it than it needs: it must not fail for the rest.
- A failure is exit code 1 and `{"error": TEXT}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from ipaddress import IPv4Address
from typing import Any

from hooknet.cni.document import Section, decode
from hooknet.cni.names import is_identifier, parse_mac, require_ifname
from hooknet.errors import HooknetError, Kind
from hooknet.model import SHORT_ID, AttachmentKey
from hooknet.netavark.options import NetworkOptions, read_options

API_VERSION = "1.0.0"
IPAM = "driver"
LONGEST_NETNS = 4096


@unique
class DriverVerb(StrEnum):
    """What netavark runs a driver for."""

    CREATE = "create"
    SETUP = "setup"
    TEARDOWN = "teardown"
    INFO = "info"


@unique
class Ipam(StrEnum):
    """Who gives the addresses: a DHCP server, or nobody. netavark's words."""

    LEASED = "dhcp"
    NOBODY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One container on one network. `mac`, `address`, `hostname`: what the user wants. `dns`: the network's own."""

    key: AttachmentKey
    netns: str
    container_name: str | None
    options: NetworkOptions
    l2_only: bool = False
    mac: str | None = None
    address: IPv4Address | None = None
    hostname: str | None = None
    aliases: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """What `setup` answers. `address`: with its prefix length, None on an L2-only network."""

    name: str
    mac: str
    address: str | None = None
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = field(default=())


def is_driver_call(args: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether the shim was run by netavark: CNI runtimes set CNI_COMMAND and give no arguments."""
    return "CNI_COMMAND" not in env and len(args) > 1


def verb_of(args: Sequence[str]) -> DriverVerb:
    """Raises BAD_ENVIRONMENT for what is no verb."""
    try:
        return DriverVerb(args[1])
    except ValueError:
        raise HooknetError(
            Kind.BAD_ENVIRONMENT,
            f"{args[1][:40]!r} is not what netavark asks a driver",
            hint="it is create, setup NETNS, teardown NETNS or info",
        ) from None


def netns_of(args: Sequence[str]) -> str:
    """The argument of setup and teardown. Raises BAD_ENVIRONMENT."""
    if len(args) != 3 or not args[2].startswith("/") or len(args[2]) > LONGEST_NETNS:  # noqa: PLR2004 - argv
        raise HooknetError(
            Kind.BAD_ENVIRONMENT,
            f"{args[1]} needs the path of the container's network namespace",
            details=f"its arguments are {' '.join(args[2:])[:80]!r}",
            hint=f"run it as: hooknet {args[1]} /run/netns/NAME",
        )
    return args[2]


def read_create(stdin: bytes) -> tuple[dict[str, Any], NetworkOptions]:
    """The network as podman is to keep it, and what its options mean. Raises UNDECODABLE and BAD_CONFIG."""
    document = decode(stdin, "the network that podman sent")
    network = Section(document)
    where = f"network {network.text('name')}"
    options = _options(network, where)
    _refuse_what_a_lan_has_not(network, where)
    driver = _ipam(network, where)
    answer = document | {
        "dns_enabled": False,
        "ipam_options": {**network.section("ipam_options").data, IPAM: driver},
    }
    return answer, options


def read_setup(stdin: bytes, netns: str) -> Setup:
    """Raises UNDECODABLE and BAD_CONFIG."""
    call = Section(decode(stdin, "what netavark sent"))
    network, own = call.section("network"), call.section("network_options")
    key = _key(call)
    where = f"network {key.network}"
    name = call.text("container_name")
    mac = own.text("static_mac")
    l2_only = _ipam(network, where) is Ipam.NOBODY
    return Setup(
        key=key,
        netns=netns,
        container_name=name or None,
        options=_options(network, where, own.section("options")),
        l2_only=l2_only,
        mac=parse_mac(mac, "--mac-address") if mac else None,
        address=_static_address(own.texts("static_ips"), l2_only=l2_only),
        hostname=explicit_hostname(key.container_id, own.texts("aliases")),
        aliases=explicit_aliases(key.container_id, own.texts("aliases")),
        dns=network.texts("network_dns_servers"),
    )


def read_teardown(stdin: bytes) -> AttachmentKey:
    """Raises UNDECODABLE and BAD_CONFIG."""
    return _key(Section(decode(stdin, "what netavark sent")))


def explicit_hostname(container_id: str, aliases: Sequence[str]) -> str | None:
    """What `--hostname` said, None where it was not given."""
    short = container_id[:SHORT_ID]
    for index, alias in enumerate(aliases[:-1]):
        if alias == short:
            behind = aliases[index + 1]
            return behind if behind != short else None
    return None


def explicit_aliases(container_id: str, aliases: Sequence[str]) -> tuple[str, ...]:
    """What `--network-alias` said: podman adds the short id and the host name by itself."""
    added = {container_id[:SHORT_ID], explicit_hostname(container_id, aliases)}
    return tuple(alias for alias in aliases if alias not in added)


def render_setup(interface: Interface) -> dict[str, Any]:
    """The status of one network, as netavark reads it."""
    subnet = {"ipnet": interface.address}
    if interface.gateway is not None:
        subnet["gateway"] = interface.gateway
    return {
        "dns_search_domains": list(interface.search),
        "dns_server_ips": list(interface.dns),
        "interfaces": {
            interface.name: {
                "mac_address": interface.mac,
                "subnets": [subnet] if interface.address is not None else [],
            }
        },
    }


def render_info(version: str) -> dict[str, Any]:
    return {"version": version, "api_version": API_VERSION}


def render_error(error: HooknetError) -> dict[str, Any]:
    return {"error": str(error)}


def _key(call: Section) -> AttachmentKey:
    container = call.text("container_id")
    if not is_identifier(container):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"container_id {container[:40]!r} is not valid",
            hint="netavark sends the container's id",
        )
    network = call.section("network").text("name")
    if not is_identifier(network):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"the network's name {network[:40]!r} is not valid",
            hint="use letters, digits, `_`, `.` and `-`, beginning with a letter or digit",
        )
    ifname = call.section("network_options").text("interface_name")
    require_ifname(ifname, "interface_name", hint="use up to 15 characters without slash, colon and space")
    return AttachmentKey(container, ifname, network)


def _options(network: Section, where: str, own: Section | None = None) -> NetworkOptions:
    """`own`: options that a container sets for itself; they go before the network's."""
    given = {**network.section("options").data, **(own.data if own is not None else {})}
    for key, value in given.items():
        if not isinstance(value, str):
            raise HooknetError(
                Kind.BAD_CONFIG, f"{where}: {key} = {value!r} is no text", hint="give -o KEY=TEXT"
            )
    return read_options(given, network.text("network_interface"), where)


def _ipam(network: Section, where: str) -> Ipam:
    driver = network.section("ipam_options").text(IPAM) or Ipam.LEASED
    try:
        return Ipam(driver)
    except ValueError:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where}: --ipam-driver {driver[:40]} can't be used with hooknet",
            details="hooknet asks the LAN's DHCP server for addresses",
            hint="leave --ipam-driver away, or give none for containers that bring their own DHCP client",
        ) from None


def _refuse_what_a_lan_has_not(network: Section, where: str) -> None:
    """Everything that podman would believe and the LAN would not do."""
    for key, flag, why, remedy in (
        ("subnets", "--subnet, --gateway and --ip-range", "the LAN's DHCP server has the addresses", ""),
        ("routes", "--route", "routes come from the DHCP server (options 121, 33 and 3)", ""),
        (
            "internal",
            "--internal",
            "containers are on the LAN like any machine, and can't be kept from it",
            "-o suppress=gateway,routes leaves them without a way beyond it",
        ),
        (
            "ipv6_enabled",
            "--ipv6",
            "hooknet leases IPv4; where a router announces IPv6, containers take addresses by themselves",
            "",
        ),
    ):
        if network.data.get(key):
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"{where}: {flag} can't be used",
                details=why,
                hint=remedy or f"leave {flag} away",
            )


def _static_address(given: tuple[str, ...], *, l2_only: bool) -> IPv4Address | None:
    if not given:
        return None
    try:
        addresses = [IPv4Address(text) for text in given]
    except ValueError:
        addresses = []
    if len(addresses) != 1 or l2_only:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"--ip {', '.join(given)[:80]} can't be asked for",
            details="nobody gives addresses on this network"
            if l2_only
            else "a DHCP server grants one IPv4 address per interface",
            hint="leave --ip away" if l2_only else "ask for one IPv4 address",
        )
    return addresses[0]
