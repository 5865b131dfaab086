"""Networks that become netavark networks of hooknet's driver.

- A netavark network `macvlan` with `--ipam-driver dhcp` keeps its file, name and id.
- A CNI network that leases through macvlan becomes a netavark network of the same name, for the way from podman 4 to
  5. Its CNI file stays: the other back end does not read it.
What the driver has no place for is named, and left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from hooknet.cni.dialects import settings_given
from hooknet.cni.document import Section
from hooknet.install.containers_conf import part, plugins_of
from hooknet.install.network import require_names
from hooknet.migrate.moves import DEFAULT, DHCP, Move, as_json, told_of
from hooknet.netavark.driver import read_create
from hooknet.netavark.options import PARENT
from hooknet.shim.install import PLUGIN

CARRIED = (PARENT, "mode", "mtu", "metric")
LINK_KEYS = {"master": PARENT, "mode": "mode", "mtu": "mtu", "bcqueuelen": "bcqueuelen"}
RESTART = (
    "restart its containers (podman restart NAME): those that hooknet's proxy served keep their addresses; what "
    "netavark's own leased runs out by itself, and they get others"
)


def to_driver(path: Path, data: dict[str, Any], tuned: Collection[str]) -> Move | None:
    """From netavark's macvlan to hooknet's driver; None where it does not lease by DHCP. Raises BAD_CONFIG.

    `tuned`: the networks that hooknet.toml has settings for.
    """
    given = part(data, "options")
    if data.get("driver") != "macvlan" or part(data, "ipam_options").get("driver") != DHCP:
        return None
    options = {key: str(given[key]) for key in CARRIED if given.get(key)}
    parent = data.get("network_interface")
    if parent and PARENT not in options:
        options[PARENT] = str(parent)
    if str(given.get("no_default_route", "")).lower() in {"true", "1"}:
        options["suppress"] = "gateway"
    wanted = {key: value for key, value in data.items() if key != "network_interface"}
    content = _checked(wanted | {"driver": PLUGIN, "options": options})
    left = sorted(set(given) - {*CARRIED, "no_default_route"})
    notes = [f"{', '.join(left)} is netavark's own, and is left out"] if left else []
    notes += [
        _left_behind(name, data["name"]) for name in tuned if name.startswith(f"{options.get(PARENT)}/")
    ]
    says = f"netavark's macvlan on {options.get(PARENT, DEFAULT)} with dhcp becomes a network of the driver {PLUGIN}"
    return Move(data["name"], path, (says,), content, (*notes, RESTART))


def crossing(folder: Path, data: dict[str, Any], now: datetime) -> Move | None:
    """From CNI to a netavark network in `folder`; None where it does not lease through macvlan. Raises BAD_CONFIG."""
    plugins = plugins_of(data)
    if not plugins or not _leases_for_macvlan(plugins[0]):
        return None
    main, name = plugins[0], data["name"]
    with told_of(name):
        require_names(name, None)
        options = _options(main)
        dns = Section(part(main, "dns")).texts("nameservers")
    content = _checked(
        {
            "name": name,
            "id": hashlib.sha256(name.encode()).hexdigest(),
            "driver": PLUGIN,
            "created": now.isoformat().replace("+00:00", "Z"),
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "options": options,
        }
        | ({"network_dns_servers": list(dns)} if dns else {})
    )
    lost = ", ".join((*(str(plugin.get("type")) for plugin in plugins[1:]), *_lost(main)))
    notes = (f"left out, for netavark has no place for it: {lost}",) if lost else ()
    says = f"a netavark network of the driver {PLUGIN} on {options.get(PARENT, DEFAULT)}"
    return Move(name, folder / f"{name}.json", (says,), content, notes)


def _options(main: dict[str, Any]) -> dict[str, str]:
    """The main plugin's keys as the driver's options."""
    settings = settings_given(Section(main), Section(part(main, "ipam")))
    link = {ours: main[key] for key, ours in LINK_KEYS.items() if main.get(key)}
    return {key: _as_text(value) for key, value in (link | settings).items()}


def _left_behind(proxied: str, name: str) -> str:
    return (
        f'what [network."{proxied}"] of hooknet.toml sets does not hold for it: put it under [network.{name}]'
    )


def _lost(main: dict[str, Any]) -> Iterator[str]:
    """What of the main plugin is not carried over."""
    for place, keys in (("ipam", ("provide", "request")), ("dns", ("domain", "search", "options"))):
        section = part(main, place)
        yield from (f"{place}.{key}" for key in keys if section.get(key))
    yield from (key for key in ("linkInContainer", "mac") if main.get(key))


def _leases_for_macvlan(plugin: dict[str, Any]) -> bool:
    kind, source = plugin.get("type"), part(plugin, "ipam").get("type")
    ours = kind == PLUGIN and source in (None, DHCP, PLUGIN) and plugin.get("ipam") != {}
    return ours or (kind == "macvlan" and source == DHCP)


def _checked(network: dict[str, Any]) -> bytes:
    """The network as the driver would keep it. Raises BAD_CONFIG for what it would refuse to create."""
    with told_of(network["name"]):
        answer, _ = read_create(json.dumps(network).encode())
    return as_json(answer)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
