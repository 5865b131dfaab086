"""A network for `podman run --network NAME`: a conflist where podman keeps its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hooknet.cni.names import ifname_flaw, is_identifier
from hooknet.errors import HooknetError, Kind
from hooknet.install import containers_conf
from hooknet.install.containers_conf import ContainersConf
from hooknet.install.planning import Planning
from hooknet.install.root import Root
from hooknet.shim.install import PLUGIN

BACKUP = ".before-hooknet"
"""What `hooknet migrate` puts behind the name of a network's file as it was; `.2`, `.3` follow where one was kept."""

NUMBERED = re.compile(rf"(.+){re.escape(BACKUP)}(?:\.([2-9]|[1-9][0-9]+))?", re.DOTALL)
"""A backup's name: the file's, and the number."""

VERSION = "0.4.0"
"""The newest that every podman with CNI reads: Ubuntu 22.04's refuses 1.0.0."""


def plan_network(planning: Planning, name: str, parent: str | None, conf: ContainersConf) -> None:
    """Raises BAD_CONFIG when the name is taken by a network that is not the same."""
    require_names(name, parent)
    path = conf.networks / f"90-{name}.conflist"
    wanted = conflist(name, parent)
    for other, found in containers_conf.networks(planning.root, conf.networks):
        if found.get("name") == name and found != wanted:
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"there is a network {name} already, in {other}",
                hint="choose another name, or remove it: podman network rm",
            )
        if found == wanted:
            return
    planning.once(path, (json.dumps(wanted, indent=2) + "\n").encode(), 0o644)
    if planning.root.is_machine and parent is not None and not Path("/sys/class/net", parent).exists():
        planning.notes.append(f"there is no interface {parent} now (ip link shows the names)")


def require_names(name: str, parent: str | None) -> None:
    """Raises BAD_CONFIG for names that podman or the kernel would refuse."""
    if not is_identifier(name):
        raise HooknetError(
            Kind.BAD_CONFIG, f"{name!r} can't be a network's name", hint="letters and digits, then also _ . -"
        )
    if parent is not None and (flaw := ifname_flaw(parent)):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{parent!r} can't be an interface's name",
            details=flaw,
            hint="ip link shows the names",
        )


def backup(path: Path, number: int) -> Path:
    """Where a network's file is kept as it was before the migration of this number."""
    return path.with_name(path.name + BACKUP + ("" if number == 1 else f".{number}"))


def backups(root: Root, path: Path) -> list[int]:
    """The numbers of what is kept of a network's file; the last is what the file was before it became hooknet's."""
    found = (NUMBERED.fullmatch(name) for name in root.names(path.parent))
    return sorted(int(match[2] or 1) for match in found if match is not None and match[1] == path.name)


def conflist(name: str, parent: str | None) -> dict[str, object]:
    """A network with hooknet as its main plugin; without a parent it takes the interface of the default route."""
    plugin = {"type": PLUGIN} | ({} if parent is None else {"master": parent})
    return {"cniVersion": VERSION, "name": name, "plugins": [plugin]}
