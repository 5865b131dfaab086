"""All networks of a machine, what each becomes, and the changes that do it.

One that can't be moved is told of, and keeps no other from moving; asked for by its name, it is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique
from pathlib import Path
from stat import S_IMODE
from typing import Any

from hooknet.config import DEFAULT_CONFIG
from hooknet.errors import HooknetError, Kind
from hooknet.install.changes import Change, MakeDirectory, WriteFile
from hooknet.install.containers_conf import ContainersConf, broken_networks, is_netavarks, networks
from hooknet.install.network import backup, backups
from hooknet.install.planning import Plan
from hooknet.install.root import Root
from hooknet.migrate import cni, netavark
from hooknet.migrate.moves import Move


@unique
class Way(Enum):
    """Where CNI networks go. Netavark's always become networks of the driver."""

    IN_PLACE = "in place"
    TO_NETAVARK = "to netavark"


@dataclass(frozen=True, slots=True)
class Moving:
    """The moves, what can't be moved and why, and the changes that carry the moves out."""

    plan: Plan
    moves: tuple[Move, ...]
    refused: tuple[HooknetError, ...] = ()


def plan(root: Root, conf: ContainersConf, names: Collection[str], way: Way, now: datetime) -> Moving:
    """`names` empty: all that can be moved. `now`: when a network that is made says it was.

    Raises NOT_FOUND for a name that is no network which leases by DHCP, BAD_CONFIG for one that can't be moved.
    """
    moves, refused = [], []
    become = _becoming(root, conf, way, now)
    for path, data in _named(root, conf):
        if names and data["name"] not in names:
            continue
        try:
            move = become(path, data)
        except HooknetError as error:
            if names:
                raise
            refused.append(error)
        else:
            moves += [move] if move is not None else []
    _require_all(names, moves, conf)
    changes = [change for move in moves for change in _changes(root, move)]
    notes = [f"{move.name}: {note}" for move in moves for note in move.notes]
    if not names:
        broken = [path for folder in conf.network_dirs for path in broken_networks(root, folder)]
        notes += [f"{path} is left alone: it is not valid JSON" for path in broken]
    return Moving(Plan(tuple(changes), tuple(notes)), tuple(moves), tuple(refused))


def _becoming(
    root: Root, conf: ContainersConf, way: Way, now: datetime
) -> Callable[[Path, dict[str, Any]], Move | None]:
    """What is made of a file in one of the folders."""
    taken = {name.removesuffix(".json") for name in root.names(conf.netavark_networks)}
    tuned = _tuned(root)

    def become(path: Path, data: dict[str, Any]) -> Move | None:
        if is_netavarks(data):
            return netavark.to_driver(path, data, tuned)
        if way is Way.IN_PLACE:
            return cni.in_place(path, data)
        return cross(data)

    def cross(data: dict[str, Any]) -> Move | None:
        """As podman 4, which takes the first file of a name and passes over the others."""
        name = data["name"]
        move = None if name in taken else netavark.crossing(conf.netavark_networks, data, now)
        if move is not None:
            taken.add(name)
        return move

    return become


def _require_all(names: Collection[str], moves: Collection[Move], conf: ContainersConf) -> None:
    missing = sorted(set(names) - {move.name for move in moves})
    if missing:
        raise HooknetError(
            Kind.NOT_FOUND,
            f"{', '.join(missing)}: no network of that name leases by DHCP and is not hooknet's yet",
            details=f"looked in {', '.join(map(str, conf.network_dirs))}",
            hint="`hooknet migrate` without a name lists those that can be moved",
        )


def _changes(root: Root, move: Move) -> Iterator[Change]:
    """The backup first: whatever happens then, nothing is lost."""
    before = root.read(move.path)
    if before is None:
        if not root.is_directory(move.path.parent):
            yield MakeDirectory(move.path.parent)
        yield WriteFile(move.path, move.content)
        return
    mode = S_IMODE(root.place(move.path).stat().st_mode)
    yield from _kept(root, move.path, before, mode)
    yield WriteFile(move.path, move.content, mode, replaces=True)


def _kept(root: Root, path: Path, before: bytes, mode: int) -> Iterator[Change]:
    """The file as it is, beside older backups, which are of networks that had its name before.

    None where the last holds it already: an earlier run was cut off between the two.
    """
    last = max(backups(root, path), default=0)
    if not last or root.read(backup(path, last)) != before:
        yield WriteFile(backup(path, last + 1), before, mode)


def _named(root: Root, conf: ContainersConf) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each network that has a name, and its file."""
    for folder in conf.network_dirs:
        for path, data in networks(root, folder):
            if isinstance(data.get("name"), str):
                yield path, data


def _tuned(root: Root) -> tuple[str, ...]:
    """The networks that hooknet.toml has settings for; none where it can't be read, which the daemon tells."""
    try:
        tables = tomllib.loads(root.text(DEFAULT_CONFIG) or "").get("network")
    except tomllib.TOMLDecodeError:
        return ()
    return tuple(tables) if isinstance(tables, dict) else ()
