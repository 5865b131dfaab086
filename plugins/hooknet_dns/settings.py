"""`[plugins.dns]`: the settings, and what they come to for one network.

Rules. What stands in `[plugins.dns]` is for every network; `[plugins.dns.networks.NAME]` replaces single settings for
one. A network without a name template has no DNS. Whatever can be wrong is said when the plugin is loaded, with the
place and the remedy; only the keys are read later too, because they may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import hooknet
from hooknet_dns.keys import KeySource
from hooknet_dns.names import REVERSE, Template, inside

Mode = Literal["update", "hosts", "off"]

PORT = 53
LARGEST_PORT = 65535
TTL_LARGEST = 2**31 - 1
TIMEOUT_LEAST, TIMEOUT_MOST = 0.1, 5.0
RFC4702_LEAST = 600.0
RFC4702_SHARE = 3
KEY_PLACES = ("key_file", "key_credential", "unsigned")
DEFAULT_HOSTS_DIR = "/run/hooknet/hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """`[plugins.dns.networks.NAME]`: any of these of `Config`, for one network. None: as in `[plugins.dns]`."""

    mode: Mode | None = None
    name: str | None = None
    zone: str | None = None
    servers: tuple[str, ...] | None = None
    key: str | None = None
    key_file: str | None = None
    key_credential: str | None = None
    unsigned: bool | None = None
    reverse: bool | None = None
    reverse_zone: str | None = None
    reverse_servers: tuple[str, ...] | None = None
    reverse_key: str | None = None
    hosts_dir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`[plugins.dns]`, for every network. Durations are seconds or text such as "5m".

    mode: `update` (RFC 2136), `hosts` (files) or `off`. name: the template of the names. zone: where they are; else
    the template's tail. servers: the zone's primaries, `ADDRESS` or `ADDRESS:PORT`; the first that can is used.
    key_file, key_credential: where the TSIG keys are; key: which of them. unsigned: send without a key. reverse:
    keep PTR records too. reverse_zone, reverse_servers, reverse_key: where those differ. ttl: of every record; else
    a third of the lease time within ttl_min and ttl_max (RFC 4702 section 5). timeout: for one answer of one server.
    hosts_dir: the folder of the files. networks: other settings for single networks.
    """

    mode: Mode = "update"
    name: str | None = None
    zone: str | None = None
    servers: tuple[str, ...] = ()
    key: str | None = None
    key_file: str | None = None
    key_credential: str | None = None
    unsigned: bool = False
    reverse: bool = True
    reverse_zone: str | None = None
    reverse_servers: tuple[str, ...] = ()
    reverse_key: str | None = None
    hosts_dir: str = DEFAULT_HOSTS_DIR
    ttl: hooknet.Duration | None = None
    ttl_min: hooknet.Duration = RFC4702_LEAST
    ttl_max: hooknet.Duration = 86400.0
    timeout: hooknet.Duration = 3.0
    networks: Mapping[str, NetworkConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.ttl_min <= self.ttl_max <= TTL_LARGEST:
            raise ValueError(
                f"ttl_min = {self.ttl_min:g}, ttl_max = {self.ttl_max:g}: give 0 <= ttl_min <= ttl_max"
            )
        if self.ttl is not None and not 0 <= self.ttl <= TTL_LARGEST:
            raise ValueError(f"ttl = {self.ttl:g} is not valid: give 0 to {TTL_LARGEST} seconds")
        if not TIMEOUT_LEAST <= self.timeout <= TIMEOUT_MOST:
            raise ValueError(
                f"timeout = {self.timeout:g} is not valid: give {TIMEOUT_LEAST} to {TIMEOUT_MOST:g} seconds"
            )
        Policies.of(self)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a DNS server listens."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return self.address if self.port == PORT else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Who takes updates of a zone, and the key for it (None: unsigned)."""

    servers: tuple[Server, ...]
    key: KeySource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is done for one network. reverse_zone: None where it is derived from each lease's subnet."""

    mode: Literal["update", "hosts"]
    template: Template
    zone: str = ""
    forward: Upstream = field(default_factory=lambda: Upstream((), None))
    reverse: Upstream | None = None
    reverse_zone: str | None = None
    hosts_dir: Path = Path(DEFAULT_HOSTS_DIR)

    def upstreams(self) -> Iterator[Upstream]:
        yield self.forward
        if self.reverse is not None:
            yield self.reverse


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy of each network. default: for networks without a table of their own. None: no DNS."""

    default: Policy | None
    networks: Mapping[str, Policy | None]

    @classmethod
    def of(cls, config: Config) -> Policies:
        """Raises ValueError for settings that can't work, naming the network."""
        networks: dict[str, Policy | None] = {}
        for name, own in config.networks.items():
            try:
                networks[name] = policy(effective(config, own))
            except ValueError as error:
                raise ValueError(f"network {name!r}: {error}") from None
        if config.mode != "off" and config.name is None and not any(networks.values()):
            raise ValueError('name is missing: give a template such as name = "{name}.{network}.lan.example"')
        return cls(policy(effective(config, NetworkConfig())), networks)

    def get(self, network: str) -> Policy | None:
        return self.networks.get(network, self.default)

    def all(self) -> list[Policy]:
        return [one for one in (self.default, *self.networks.values()) if one is not None]


def effective(config: Config, own: NetworkConfig) -> NetworkConfig:
    """The settings of one network. A place for keys replaces any other place, a name the zone."""
    names = [field.name for field in fields(NetworkConfig)]
    given = {name: getattr(own, name) for name in names if getattr(own, name) is not None}
    if set(KEY_PLACES) & set(given):
        given = dict.fromkeys(KEY_PLACES) | given
    if "name" in given:
        given = {"zone": None} | given
    general = {name: getattr(config, name) for name in names}
    return NetworkConfig(**(general | given))


def policy(config: NetworkConfig) -> Policy | None:
    """The policy that the settings of one network come to. Raises ValueError."""
    if config.mode == "off" or config.name is None:
        return None
    template = Template(config.name)
    if config.mode == "hosts":
        return Policy(mode="hosts", template=template, hosts_dir=folder(config.hosts_dir or ""))
    zone = zone_name("zone", config.zone or template.tail)
    if not inside(template.tail, zone):
        raise ValueError(
            f"name = {config.name!r} is not always inside the zone {zone!r}: write the zone in it"
        )
    forward = Upstream(server_list("servers", config.servers or ()), key_source(config, config.key))
    return Policy(
        mode="update",
        template=template,
        zone=zone,
        forward=forward,
        reverse=reverse_upstream(config, forward) if config.reverse else None,
        reverse_zone=reverse_zone(config.reverse_zone),
    )


def reverse_upstream(config: NetworkConfig, forward: Upstream) -> Upstream:
    own = config.reverse_servers
    servers = server_list("reverse_servers", own) if own else forward.servers
    return Upstream(servers, key_source(config, config.reverse_key or config.key))


def key_source(config: NetworkConfig, key: str | None) -> KeySource | None:
    places = [name for name in ("key_file", "key_credential") if getattr(config, name)]
    if config.unsigned:
        if places:
            raise ValueError(f"unsigned = true and {places[0]} exclude each other")
        return None
    if len(places) != 1:
        raise ValueError(
            "give one of key_file and key_credential, not both"
            if places
            else "there is no TSIG key: give key_file or key_credential (or unsigned = true, if the server trusts "
            "this host's address)"
        )
    if config.key_credential is not None:
        if "/" in config.key_credential or config.key_credential.startswith("."):
            raise ValueError(f"key_credential = {config.key_credential!r} is not the name of a credential")
        return KeySource(credential=config.key_credential, key=key)
    return KeySource(file=folder(config.key_file or ""), key=key)


def folder(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is not an absolute path")
    return path


def zone_name(setting: str, text: str) -> str:
    name = text.lower().rstrip(".")
    if not name:
        raise ValueError(
            f'{setting} is missing: write {setting} = "lan.example", or a name that ends in the zone'
        )
    if any(not 0 < len(label.encode()) <= 63 for label in name.split(".")) or not name.isascii():  # noqa: PLR2004
        raise ValueError(f"{setting} = {text!r} is not a DNS name")
    return name


def reverse_zone(text: str | None) -> str | None:
    if text is None:
        return None
    zone = zone_name("reverse_zone", text)
    if not inside(zone, REVERSE):
        raise ValueError(f"reverse_zone = {text!r} does not end in {REVERSE}")
    return zone


def server_list(setting: str, texts: tuple[str, ...]) -> tuple[Server, ...]:
    if not texts:
        raise ValueError(
            f'{setting} is missing: give the address of the zone\'s primary, {setting} = ["192.0.2.53"]'
        )
    return tuple(server(setting, text) for text in texts)


def server(setting: str, text: str) -> Server:
    """`ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. Names need the DNS that may be down, and are no addresses."""
    try:
        if found := re.fullmatch(r"([\d.]+|\[[^\]]+\]):(\d{1,5})", text):
            return Server(str(ip_address(found[1].strip("[]"))), port_number(found[2]))
        return Server(str(ip_address(text.strip("[]"))))
    except ValueError:
        example = "an address, or an address and port such as 192.0.2.53:5353"
        raise ValueError(f"{setting}: {text!r} is not {example}") from None


def port_number(text: str) -> int:
    if not 0 < int(text) <= LARGEST_PORT:
        raise ValueError(text)
    return int(text)


def ttl(config: Config, lease_time: int | None) -> int:
    """Seconds that a record may be cached (RFC 4702 section 5): a third of the lease, bounded, never above it."""
    if config.ttl is not None:
        return int(config.ttl)
    if lease_time is None:
        return int(config.ttl_max)
    bounded = min(max(lease_time / RFC4702_SHARE, config.ttl_min), config.ttl_max)
    return max(1, int(min(bounded, lease_time)))
