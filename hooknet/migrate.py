"""What `hooknet migrate` makes of networks that lease by DHCP already: read, said, and written only when asked for.

- A CNI network of `macvlan` with `ipam: dhcp` becomes one of `hooknet`: interface and lease from one hand. Any other
  main plugin with `ipam: dhcp` (`bridge`, `ipvlan`) keeps its type, and its addresses come from hooknet.
  Everything else stays as it was: chained plugins, keys, the file's name.
- A netavark network `macvlan` with `--ipam-driver dhcp` becomes one of hooknet's driver.
- With `to_netavark`, a CNI network becomes a netavark network of the same name, for the way from podman 4 to 5. The
  CNI file stays: the other back end does not read it.

What a network becomes is read by the same code that reads it later, so what could not work is said now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE
from typing import Any

from hooknet.cni.dialects import settings_given
from hooknet.cni.document import Section
from hooknet.cni.netconf import read_netconf
from hooknet.errors import HooknetError, Kind
from hooknet.install.changes import Change, MakeDirectory, WriteFile
from hooknet.install.planning import Plan
from hooknet.install.root import Root
from hooknet.netavark.driver import read_create
from hooknet.shim.install import PLUGIN

NETAVARK_NETWORKS = Path("/etc/containers/networks")
BACKUP = ".before-hooknet"
DHCP = "dhcp"
CNI_ENDINGS = (".conflist", ".conf", ".json")
DEFAULT = "the default route's interface"
CARRIED = ("parent", "mode", "mtu", "metric")
LINK_KEYS = {"master": "parent", "mode": "mode", "mtu": "mtu", "bcqueuelen": "bcqueuelen"}


@dataclass(frozen=True, slots=True)
class Move:
    """One network. path: what is written; says: what it becomes, in sentences; notes: what to do besides."""

    name: str
    path: Path
    says: tuple[str, ...]
    content: bytes
    notes: tuple[str, ...] = ()


def plan(
    root: Root, folders: Collection[Path], names: Collection[str], *, to_netavark: bool
) -> tuple[Plan, tuple[Move, ...]]:
    """The moves, and the changes that carry them out. `names` empty: all that can be moved.

    Raises NOT_FOUND for a name that is no network which leases by DHCP, BAD_CONFIG for what would not work.
    """
    moves = [
        move for move in _moves(root, folders, to_netavark=to_netavark) if not names or move.name in names
    ]
    missing = sorted(set(names) - {move.name for move in moves})
    if missing:
        raise HooknetError(
            Kind.NOT_FOUND,
            f"{', '.join(missing)}: no network of that name leases by DHCP and is not hooknet's yet",
            details=f"looked in {', '.join(map(str, folders))}",
            hint="`hooknet migrate` without a name lists those that can be moved",
        )
    changes = [change for move in moves for change in _changes(root, move)]
    notes = [f"{move.name}: {note}" for move in moves for note in move.notes]
    if not names:
        notes += [f"{path} is left alone: it is not valid JSON" for path in _broken(root, folders)]
    return Plan(tuple(changes), tuple(notes)), tuple(moves)


def _changes(root: Root, move: Move) -> Iterator[Change]:
    """The backup first: whatever happens then, nothing is lost. An older backup is the older truth, and stays."""
    before = root.read(move.path)
    if before is None:
        if not root.is_directory(move.path.parent):
            yield MakeDirectory(move.path.parent)
        yield WriteFile(move.path, move.content)
        return
    mode = S_IMODE(root.place(move.path).stat().st_mode)
    backup = move.path.with_name(move.path.name + BACKUP)
    if not root.exists(backup):
        yield WriteFile(backup, before, mode)
    yield WriteFile(move.path, move.content, mode, replaces=True)


def _moves(root: Root, folders: Collection[Path], *, to_netavark: bool) -> Iterator[Move]:
    taken = {_stem(name) for name in root.names(NETAVARK_NETWORKS)}
    for path in (folder / name for folder in folders for name in root.names(folder)):
        data = _read(root, path)
        if data is None:
            continue
        if "driver" in data and "id" in data:
            move = _netavark_move(path, data)
        elif not to_netavark:
            move = _cni_move(path, data)
        else:
            move = None if data.get("name") in taken else _crossing(data)
        if move is not None:
            yield move


def _read(root: Root, path: Path) -> dict[str, Any] | None:
    if not path.name.endswith(CNI_ENDINGS):
        return None
    try:
        data = json.loads(root.text(path) or "")
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and isinstance(data.get("name"), str) else None


def _broken(root: Root, folders: Collection[Path]) -> Iterator[Path]:
    """Files that podman, too, can't read: a network that is not listed may be in one."""
    for path in (folder / name for folder in folders for name in root.names(folder)):
        if path.name.endswith(CNI_ENDINGS):
            try:
                json.loads(root.text(path) or "null")
            except (ValueError, RecursionError):
                yield path


def _stem(name: str) -> str:
    return name.removesuffix(".json")


# CNI


def _cni_move(path: Path, data: dict[str, Any]) -> Move | None:
    plugins = _plugins(data)
    becomes = [_plugin(plugin) for plugin in plugins]
    says = [said for _, said in becomes if said]
    if not says:
        return None
    changed = [plugin for plugin, _ in becomes]
    for plugin, (_, said) in zip(changed, becomes, strict=True):
        if said:
            _require_readable(data, plugin)
    wanted = data | {"plugins": changed} if "plugins" in data else changed[0]
    return Move(
        data["name"], path, tuple(says), _as_json(wanted), _restart_notes("the reference's dhcp daemon")
    )


def _plugins(data: dict[str, Any]) -> list[dict[str, Any]]:
    found = data.get("plugins", [data])
    return [plugin for plugin in found if isinstance(plugin, dict)] if isinstance(found, list) else []


def _plugin(plugin: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a plugin's part becomes, and that in words; empty words where it stays."""
    ipam = plugin.get("ipam")
    if not isinstance(ipam, dict) or ipam.get("type") != DHCP:
        return plugin, ""
    rest = {key: value for key, value in ipam.items() if key not in {"type", "daemonSocketPath"}}
    if plugin.get("type") == "macvlan":
        others = {key: value for key, value in plugin.items() if key != "ipam"}
        ours = others | {"type": PLUGIN} | ({"ipam": {"type": PLUGIN} | rest} if rest else {})
        return ours, f"macvlan on {plugin.get('master') or DEFAULT} with dhcp becomes {PLUGIN}"
    return plugin | {
        "ipam": {"type": PLUGIN} | rest
    }, f"{plugin.get('type')} stays, and its ipam becomes {PLUGIN}"


def _require_readable(data: dict[str, Any], plugin: dict[str, Any]) -> None:
    """Raises BAD_CONFIG when hooknet could not serve it."""
    try:
        read_netconf(PLUGIN, {"cniVersion": data.get("cniVersion"), "name": data["name"]} | plugin, {})
    except HooknetError as error:
        raise HooknetError(
            error.kind, f"the network {data['name']} can't be moved: {error.message}", details=error.details,
            hint=error.hint,
        ) from None  # fmt: skip


# netavark


def _netavark_move(path: Path, data: dict[str, Any]) -> Move | None:
    ipam = data.get("ipam_options")
    if data.get("driver") != "macvlan" or not isinstance(ipam, dict) or ipam.get("driver") != DHCP:
        return None
    given = data.get("options")
    given = dict(given) if isinstance(given, dict) else {}
    options = {key: str(given[key]) for key in CARRIED if given.get(key)}
    parent = data.get("network_interface")
    if parent and "parent" not in options:
        options["parent"] = str(parent)
    if str(given.get("no_default_route", "")).lower() in {"true", "1"}:
        options["suppress"] = "gateway"
    left = sorted(set(given) - {*CARRIED, "no_default_route"})
    dropped = (f"{', '.join(left)} is netavark's own, and is left out",) if left else ()
    wanted = {key: value for key, value in data.items() if key != "network_interface"}
    wanted |= {"driver": PLUGIN, "options": options}
    answer, _ = _checked(wanted)
    where = options.get("parent", DEFAULT)
    return Move(
        data["name"],
        path,
        (f"netavark's macvlan on {where} with dhcp becomes a network of the driver {PLUGIN}",),
        _as_json(answer),
        (*dropped, *_restart_notes("netavark's dhcp-proxy")),
    )


def _crossing(data: dict[str, Any]) -> Move | None:
    """A CNI network as a netavark network."""
    plugins = _plugins(data)
    if not plugins or not _leases_for_macvlan(plugins[0]):
        return None
    main, name = plugins[0], data["name"]
    ipam = main.get("ipam")
    ipam = ipam if isinstance(ipam, dict) else {}
    settings = settings_given(Section(main), Section(ipam))
    options = {ours: _as_text(main[key]) for key, ours in LINK_KEYS.items() if main.get(key)}
    options |= {key: _as_text(value) for key, value in settings.items()}
    lost = [str(plugin.get("type")) for plugin in plugins[1:]]
    lost += [f"ipam.{key}" for key in ("provide", "request") if ipam.get(key)]
    lost += [key for key in ("linkInContainer", "mac") if main.get(key)]
    answer, _ = _checked(
        {
            "name": name,
            "id": hashlib.sha256(name.encode()).hexdigest(),
            "driver": PLUGIN,
            "created": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "options": options,
        }
    )
    notes = (f"left out, for netavark has no place for it: {', '.join(lost)}",) if lost else ()
    says = f"a netavark network of the driver {PLUGIN} on {options.get('parent', DEFAULT)}"
    return Move(name, NETAVARK_NETWORKS / f"{name}.json", (says,), _as_json(answer), notes)


def _leases_for_macvlan(plugin: dict[str, Any]) -> bool:
    kind, ipam = plugin.get("type"), plugin.get("ipam")
    source = ipam.get("type") if isinstance(ipam, dict) else None
    ours = kind == PLUGIN and source in {None, DHCP, PLUGIN} and ipam != {}
    return ours or (kind == "macvlan" and source == DHCP)


def _checked(network: dict[str, Any]) -> tuple[dict[str, Any], object]:
    try:
        return read_create(json.dumps(network).encode())
    except HooknetError as error:
        raise HooknetError(
            error.kind,
            f"{network['name']} can't be moved: {error.message}",
            details=error.details,
            hint=error.hint,
        ) from None


def _restart_notes(before: str) -> tuple[str, ...]:
    return (
        f"restart its containers (podman restart NAME); what {before} leased for them runs out by itself",
    )


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _as_json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
