"""The dhcp-proxy's messages: package `netavark_proxy`, service `NetavarkProxy`, three unary calls.

`Setup(NetworkConfig) -> Lease`, `Teardown(NetworkConfig) -> Lease`, `Clean(Empty) -> OperationResponse`. Setup says
everything but which podman network it is, so the attachment's network is `host_iface/container_iface`. host_iface is
empty for a network without a parent: then it is the interface below the container's. Teardown sends neither container
id nor host name: what is meant is found by MAC and netns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from hooknet.cni.compose import default_gateway, lease_dns
from hooknet.cni.names import is_identifier, parse_mac, require_ifname
from hooknet.errors import HooknetError, Kind
from hooknet.model import INFINITE, SHORT_ID
from hooknet.netavark.protobuf import BadProtobuf, read_fields, write_text_field, write_varint_field

if TYPE_CHECKING:
    from hooknet.config import NetworkSettings
    from hooknet.model import Lease

SERVICE = "/netavark_proxy.NetavarkProxy/"
V4 = 0
TEXTS = {
    1: "host_iface",
    2: "container_iface",
    3: "container_mac_addr",
    4: "domain_name",
    5: "host_name",
    7: "ns_path",
    8: "container_id",
}
VERSION = 6


@unique
class Method(StrEnum):
    """The methods of the service."""

    SETUP = "Setup"
    TEARDOWN = "Teardown"
    CLEAN = "Clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """What netavark sends, word for word."""

    host_iface: str = ""
    container_iface: str = ""
    container_mac_addr: str = ""
    domain_name: str = ""
    host_name: str = ""
    version: int = V4
    ns_path: str = ""
    container_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySetup:
    """A Setup, understood. parent: None where the network names none.

    container_id: made from the netns where an older netavark sends none. hostname: what `--hostname` said.
    """

    parent: str | None
    ifname: str
    mac: str
    netns: str
    container_id: str
    has_id: bool
    hostname: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseMessage:
    """netavark's Lease. Times are seconds."""

    t1: int = 0
    t2: int = 0
    lease_time: int = 0
    mtu: int = 0
    domain_name: str = ""
    mac_address: str = ""
    siaddr: str = ""
    yiaddr: str = ""
    srv_id: str = ""
    subnet_mask: str = ""
    broadcast_addr: str = ""
    dns_servers: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ntp_servers: tuple[str, ...] = ()
    host_name: str = field(default="")


LEASE_NUMBERS = {"t1": 1, "t2": 2, "lease_time": 3, "mtu": 4}
LEASE_TEXTS = {
    "domain_name": 5,
    "mac_address": 6,
    "siaddr": 11,
    "yiaddr": 12,
    "srv_id": 16,
    "subnet_mask": 17,
    "broadcast_addr": 18,
    "dns_servers": 19,
    "gateways": 20,
    "ntp_servers": 21,
    "host_name": 22,
}


def decode_config(raw: bytes) -> NetworkConfig:
    """Raises UNDECODABLE."""
    texts: dict[str, str] = {}
    version = V4
    try:
        for number, value in read_fields(raw):
            if number == VERSION and isinstance(value, int):
                version = value
            elif number in TEXTS and isinstance(value, bytes):
                texts[TEXTS[number]] = value.decode()
            elif number == VERSION or number in TEXTS:
                raise BadProtobuf(f"field {number} has the wrong type")
    except ValueError as error:  # UnicodeDecodeError too
        raise HooknetError(
            Kind.UNDECODABLE,
            "this is no NetworkConfig of netavark's",
            details=str(error),
            hint="this netavark speaks another protocol than hooknet knows: please report both versions",
        ) from None
    return NetworkConfig(version=version, **texts)


def understand(config: NetworkConfig) -> ProxySetup:
    """What a Setup asks for. Raises BAD_CONFIG and BAD_NETNS naming the field that is wrong."""
    if config.version != V4:
        raise HooknetError(
            Kind.UNSUPPORTED_FIELD,
            "hooknet leases IPv4 only, and was asked for IPv6",
            hint="make the network without --ipv6",
        )
    if config.host_iface:
        require_ifname(config.host_iface, "host_iface", hint="netavark sends the parent's name")
    require_ifname(
        config.container_iface, "container_iface", hint="netavark sends the name of the container's interface"
    )
    if not config.ns_path.startswith("/"):
        raise HooknetError(
            Kind.BAD_NETNS,
            f"ns_path {config.ns_path[:60]!r} is no path",
            hint="netavark sends /run/netns/NAME",
        )
    if not config.container_mac_addr:
        raise HooknetError(
            Kind.BAD_CONFIG, "container_mac_addr is empty", hint="netavark sends the interface's MAC address"
        )
    given = config.container_id
    if given and not is_identifier(given):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"container_id {given[:40]!r} is not valid",
            hint="netavark sends podman's: letters, digits, '.', '_' and '-'",
        )
    return ProxySetup(
        parent=config.host_iface or None,
        ifname=config.container_iface,
        mac=parse_mac(config.container_mac_addr, "container_mac_addr"),
        netns=config.ns_path,
        container_id=given or config.ns_path.rpartition("/")[2],
        has_id=bool(given),
        hostname=_explicit_hostname(config),
    )


def lease_message(lease: Lease, settings: NetworkSettings) -> LeaseMessage:
    """The answer to a Setup. What `suppress` names is left out; netavark's search domain is `domain_name`."""
    gateway = default_gateway(lease, settings)
    dns = lease_dns(lease, settings)
    broadcast = None if "broadcast" in settings.suppress else lease.broadcast
    return LeaseMessage(
        t1=_seconds(lease.t1),
        t2=_seconds(lease.t2),
        lease_time=_seconds(lease.lease_time),
        mtu=0 if "mtu" in settings.suppress else lease.mtu or 0,
        domain_name=dns.domain or next(iter(dns.search), ""),
        mac_address=lease.mac,
        siaddr=str(lease.server),
        yiaddr=str(lease.address.ip),
        srv_id=str(lease.server),
        subnet_mask=str(lease.address.netmask),
        broadcast_addr=str(broadcast or lease.address.network.broadcast_address),
        dns_servers=dns.nameservers,
        gateways=() if gateway is None else (str(gateway),),
        ntp_servers=() if "ntp" in settings.suppress else tuple(str(server) for server in lease.ntp),
        host_name=lease.hostname or "",
    )


def encode_lease(lease: LeaseMessage) -> bytes:
    """Fields in the order of their numbers; an empty message for a Teardown is right."""
    out = [write_varint_field(number, getattr(lease, name)) for name, number in LEASE_NUMBERS.items()]
    for name, number in LEASE_TEXTS.items():
        value = getattr(lease, name)
        out += [write_text_field(number, text) for text in ((value,) if isinstance(value, str) else value)]
    return b"".join(out)


def encode_operation(*, success: bool) -> bytes:
    return write_varint_field(1, int(success))


def _explicit_hostname(config: NetworkConfig) -> str | None:
    """Where the user gave no name, netavark sends the short container id: no name to register."""
    return config.host_name if config.host_name not in {"", config.container_id[:SHORT_ID]} else None


def _seconds(value: int | None) -> int:
    return INFINITE if value is None else min(value, INFINITE)
