"""What `hooknet uninstall` would change: exactly what the record says was made, backwards.

A file that was changed since it was installed is the administrator's, and stays; so does the state (leases, hosts'
identities) unless it is to be purged. Directories go when they were made for us and are empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from hooknet.config import DEFAULT_CONFIG, DEFAULT_RUN_DIR, DEFAULT_STATE_DIR
from hooknet.install import containers_conf, group, units
from hooknet.install.changes import Change, MakeLink, RemoveDirectory, RemoveFile, RemoveGroup, Run
from hooknet.install.containers_conf import part, plugins_of
from hooknet.install.network import NUMBERED, backup, backups
from hooknet.install.planning import Plan
from hooknet.install.record import RECORD, Record
from hooknet.install.root import Root
from hooknet.install.units import Running
from hooknet.shim import install as shim


def plan(
    root: Root, record: Record | None, *, running: Running, purge: bool, environ: Mapping[str, str]
) -> Plan:
    """Without a record there is nothing that is known to be ours; with `purge` state and configuration go too."""
    notes: list[str] = []
    changes: list[Change] = []
    if record is not None:
        changes += stops(running) if root.has_systemd else []
        changes += removals(root, record, notes)
        changes += restorations(root, record)
    if root.exists(RECORD):
        changes.append(RemoveFile(RECORD))
    if purge:
        doomed = (DEFAULT_STATE_DIR, DEFAULT_CONFIG.parent, *([DEFAULT_RUN_DIR] if root.is_machine else []))
        changes += [RemoveDirectory(path, whole=True) for path in doomed if root.exists(path)]
    if record is not None:
        changes += emptied(root, record, purge=purge)
        changes += told_systemd(root, record)
    if record is not None:
        removed = {change.path for change in changes if isinstance(change, RemoveFile)}
        notes += left_behind(root, removed, environ)
    if not purge and len(root.names(DEFAULT_STATE_DIR)) > (1 if root.exists(RECORD) else 0):
        notes.append(f"{DEFAULT_STATE_DIR} is kept: it remembers leases and identities (--purge removes it)")
    return Plan(tuple(changes), tuple(notes))


def left_behind(root: Root, removed: Collection[Path], environ: Mapping[str, str]) -> Iterator[str]:
    """Networks on which no container starts any more, and what `hooknet migrate` kept of those before."""
    conf = containers_conf.read(root, containers_conf.files(root, environ if root.is_machine else {}))
    for folder in conf.network_dirs:
        for path, data in containers_conf.networks(root, folder):
            if path not in removed and names_hooknet(data):
                kept = backups(root, path)
                undo = (
                    f"mv {backup(path, kept[-1])} {path}" if kept else f"podman network rm {data.get('name')}"
                )
                yield f"the network {data.get('name')} ({path}) asks for hooknet, so nothing starts on it now: {undo}"
        for name in root.names(folder):
            if NUMBERED.fullmatch(name):
                yield f"{folder / name} is the network as it was before `hooknet migrate`: delete it, if that was all"


def names_hooknet(network: Mapping[str, Any]) -> bool:
    """Whether a network, of CNI or of netavark, is made by hooknet or leases by it."""
    plugins = plugins_of(network)
    ipams = [part(plugin, "ipam").get("type") for plugin in plugins]
    return shim.PLUGIN in [network.get("driver"), *(plugin.get("type") for plugin in plugins), *ipams]


def stops(running: Running) -> list[Change]:
    """Sockets before the service, or a caller would start it again."""
    ours = (*units.SOCKETS, units.NETAVARK_SOCKET, units.SERVICE)
    active = [unit for unit in ours if running.active(unit)]
    return [Run(("systemctl", "stop", *active))] if active else []


def removals(root: Root, record: Record, notes: list[str]) -> list[Change]:
    """Links and files that are as we made them, newest first; adds a note for each that is not."""
    changes: list[Change] = [
        RemoveFile(Path(path))
        for path, target in reversed(list(record.links.items()))
        if root.link(Path(path)) == target
    ]
    for path in reversed([Path(path) for path in record.files]):
        content = root.read(path)
        if content is None:
            continue
        if record.wrote(path, content) or (path.name in shim.NAMES and shim.SIGNATURE in content):
            changes.append(RemoveFile(path))
        elif path != DEFAULT_CONFIG:
            notes.append(f"{path} was changed since it was installed, and stays")
        else:
            notes.append(f"{path} was changed, and stays (--purge removes it)")
    if record.group is not None and group.exists(root, record.group):
        if members := group.members(root, record.group):
            notes.append(f"{', '.join(members)} belonged to the group {record.group}")
        changes.append(RemoveGroup(record.group))
    return changes


def restorations(root: Root, record: Record) -> list[Change]:
    """What enabled the reference's units, unless somebody has put it back."""
    return [
        MakeLink(Path(path), target)
        for path, target in record.disabled.items()
        if not root.exists(Path(path)) and root.is_directory(Path(path).parent)
    ]


def emptied(root: Root, record: Record, *, purge: bool) -> list[Change]:
    """The directories that were made for us, the deepest first."""
    gone = {DEFAULT_STATE_DIR, DEFAULT_CONFIG.parent} if purge else set()
    return [
        RemoveDirectory(path)
        for path in reversed([Path(path) for path in record.directories])
        if path not in gone and root.is_directory(path)
    ]


def told_systemd(root: Root, record: Record) -> list[Change]:
    if not root.has_systemd:
        return []
    restarted = [Run(("systemctl", "start", *record.stopped))] if record.stopped else []
    return [Run(("systemctl", "daemon-reload")), *restarted]
