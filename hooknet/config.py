"""Configuration: hooknet.toml, and the per-network settings that CNI and netavark configurations carry.

How a table becomes a dataclass, and what its errors say, is in `binding`. Per-network settings are looked up in the
CNI configuration first (the `ipam` section before the plugin's own keys), then in `[network.NAME]` of hooknet.toml,
then the defaults here; so an unchanged conflist can be tuned from the file.
"""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hooknet.binding import HINT, Duration, bad_value, bind, unknown_key
from hooknet.errors import HooknetError, Kind
from hooknet.model import INFINITE

DEFAULT_CONFIG = Path("/etc/hooknet/hooknet.toml")
DEFAULT_RUN_DIR = Path("/run/hooknet")
DEFAULT_STATE_DIR = Path("/var/lib/hooknet")
DEFAULT_PODMAN_URL = "unix:///run/podman/podman.sock"

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
Acd = Literal["off", "optimistic", "strict"]
Scope = Literal["host", "fleet"]
Suppressible = Literal["gateway", "routes", "dns", "mtu", "ntp", "search", "domain", "broadcast"]

SECTIONS = ("daemon", "netavark", "network", "plugins", "podman")
SUPPRESSIBLE: tuple[str, ...] = ("gateway", "routes", "dns", "mtu", "ntp", "search", "domain", "broadcast")
REMEDIES = {
    errno.EACCES: "only root may read it: run this as root",
    errno.ELOOP: "it must be the file itself, not a symbolic link",
    errno.EISDIR: "it must be a file, not a folder",
}
"""What to do about a configuration that can't be read."""
TRUTHS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """What an administrator may set for one network.

    acd: address conflict detection (RFC 5227). client_id: `name`, `mac`, `container-id` or hexadecimal bytes.
    identity_scope: whether the machine-id is part of the identity. suppress: what the server says and hooknet
    ignores. metric: of every route. lease_time: option 51, seconds; `"infinite"` is 0xffffffff. timeout: seconds
    until an ADD without an answer from a server fails. fqdn: send option 81 instead of 12. broadcast: always ask
    for broadcast replies. probe_server: let STATUS probe for a server.
    """

    acd: Acd = "optimistic"
    client_id: str = "name"
    identity_scope: Scope = "host"
    hostname: str | None = None
    send_hostname: bool = True
    fqdn: bool = False
    suppress: tuple[Suppressible, ...] = ()
    metric: int | None = None
    lease_time: Duration | None = None
    vendor_class: str | None = None
    user_class: tuple[str, ...] = ()
    rapid_commit: bool = False
    broadcast: bool = False
    allow_servers: tuple[IPv4Network, ...] = ()
    deny_servers: tuple[IPv4Network, ...] = ()
    timeout: Duration = 10.0
    probe_server: bool = False

    def __post_init__(self) -> None:
        if self.client_id not in {"name", "mac", "container-id"}:
            client_id_bytes(self.client_id)
        if not 1 <= self.timeout <= 300:  # noqa: PLR2004 - seconds
            raise bad_value("timeout", self.timeout, "a time from 1 to 300 seconds")
        if self.lease_time is not None and not 1 <= self.lease_time <= INFINITE:
            raise bad_value("lease_time", self.lease_time, '1 to 4294967294 seconds, or "infinite"')
        if self.metric is not None and not 0 <= self.metric <= 0xFFFFFFFF:  # noqa: PLR2004
            raise bad_value("metric", self.metric, "0 to 4294967295")


SETTINGS_OF_ONE = frozenset(field.name for field in fields(NetworkSettings))


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """`[daemon]`: how the daemon runs. Times are seconds."""

    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    grace_period: Duration = 5.0
    reconcile_interval: Duration = 60.0
    stop_timeout: Duration = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanConfig:
    """`[podman]`: whose events to follow. `url` may be one URL or several; an empty list follows nobody."""

    url: str | tuple[str, ...] = DEFAULT_PODMAN_URL

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class NetavarkConfig:
    """`[netavark]`: whether to serve netavark's dhcp-proxy too. Its driver plugin needs no setting."""

    proxy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginsConfig:
    """`[plugins]`: what may be loaded (`allow` empty = everything not in `disable`), and each `[plugins.NAME]`."""

    allow: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    budget: Duration = 2.0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of hooknet.toml, validated."""

    daemon: DaemonConfig = field(default_factory=DaemonConfig)
    podman: PodmanConfig = field(default_factory=PodmanConfig)
    netavark: NetavarkConfig = field(default_factory=NetavarkConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)
    network: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    path: Path | None = None

    def settings_for(self, network: str, given: Mapping[str, Any]) -> NetworkSettings:
        """The settings of `network`: `given` (from the runtime's configuration) over `[network.NAME]`."""
        merged = {**self.network.get(network, {}), **given}
        return bind(NetworkSettings, merged, f"network {network!r}")


def client_id_bytes(text: str) -> bytes:
    """A client-id given as hexadecimal digits, with or without colons. Raises BAD_CONFIG (RFC 2132, 9.14: >= 2)."""
    try:
        raw = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        raw = b""
    if not 2 <= len(raw) <= 255:  # noqa: PLR2004 - RFC 2132 section 9.14
        raise bad_value("client_id", text, 'one of "name", "mac", "container-id", or 2 to 255 bytes as hex')
    return raw


def settings_from_text(given: Mapping[str, str], where: str) -> dict[str, Any]:
    """Per-network settings that can only be given as text (netavark's options), as `Config.settings_for` takes them.

    Flags are true or false, lists are separated by commas. Raises BAD_CONFIG naming `where`, the key and the remedy.
    """
    hints = get_type_hints(NetworkSettings)
    typed: dict[str, Any] = {}
    for key, text in given.items():
        name = key.replace("-", "_")
        if name not in hints:
            raise unknown_key(key, list(hints), where)
        try:
            typed[name] = _from_text(hints[name], text.strip())
        except ValueError as error:
            raise HooknetError(Kind.BAD_CONFIG, f"{where}: {key}: {error}", hint=HINT) from None
    bind(NetworkSettings, typed, where)
    return typed


def _from_text(hint: Any, text: str) -> Any:
    """What `bind` takes for a field of this type; durations and addresses it takes as text anyway."""
    if hint is bool:
        if text.lower() not in TRUTHS:
            raise ValueError(f"expected true or false, got {text!r}")
        return TRUTHS[text.lower()]
    if get_origin(hint) is tuple:
        return [item.strip() for item in text.split(",") if item.strip()]
    if int in get_args(hint):
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"expected a whole number, got {text!r}") from None
    return text


def parse(text: str, where: str) -> Config:
    """Parse the text of a hooknet.toml. `where` names it in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where} is not valid TOML: {error}",
            hint="mend it there; `hooknet config check` says when it is right",
        ) from None
    _require_tables(data, where)
    _require_networks(data.get("network", {}), where)
    plugins = dict(data.get("plugins", {}))
    tables = {name: plugins.pop(name) for name in list(plugins) if isinstance(plugins[name], dict)}
    return Config(
        daemon=bind(DaemonConfig, data.get("daemon", {}), f"{where}: [daemon]"),
        podman=bind(PodmanConfig, data.get("podman", {}), f"{where}: [podman]"),
        netavark=bind(NetavarkConfig, data.get("netavark", {}), f"{where}: [netavark]"),
        plugins=replace(bind(PluginsConfig, plugins, f"{where}: [plugins]"), settings=tables),
        network=data.get("network", {}),
    )


def _require_tables(data: Mapping[str, Any], where: str) -> None:
    for key, value in data.items():
        if key not in SECTIONS:
            raise unknown_key(key, SECTIONS, where)
        if not isinstance(value, dict):
            raise HooknetError(Kind.BAD_CONFIG, f"{where}: {key} must be a table", hint=f"write [{key}]")


def _require_networks(networks: Mapping[str, Any], where: str) -> None:
    """Each `[network.NAME]` must be right, whether it is used or not. There is none for all of them."""
    for name, settings in networks.items():
        if name == "*" or (name.replace("-", "_") in SETTINGS_OF_ONE and not isinstance(settings, dict)):
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"{where}: network.{name}: there are no settings for all networks",
                hint="give each network its own, below [network.NAME]",
            )
        if not isinstance(settings, dict):
            raise HooknetError(
                Kind.BAD_CONFIG, f"{where}: network.{name} must be a table", hint=f"write [network.{name}]"
            )
        bind(NetworkSettings, settings, f"{where}: [network.{name}]")


def load(path: Path | None) -> Config:
    """Read hooknet.toml. Without `path` the default file is read if it is there. Raises BAD_CONFIG or IO."""
    chosen = path or DEFAULT_CONFIG
    try:
        descriptor = os.open(chosen, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        if path is None:
            return Config()
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"there is no configuration file {path}",
            hint="leave --config away for the defaults",
        ) from None
    except UnicodeDecodeError as error:
        raise HooknetError(
            Kind.BAD_CONFIG, f"{chosen} is not UTF-8: {error}", hint="TOML is UTF-8: save it as that"
        ) from None
    except OSError as error:
        hint = REMEDIES.get(error.errno or 0, f"see what is in the way: namei -l {chosen}")
        raise HooknetError(Kind.IO, f"can't read {chosen}: {error.strerror}", hint=hint) from None
    return replace(parse(text, str(chosen)), path=chosen)
