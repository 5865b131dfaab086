"""What `hooknet install` would change, found out by looking only.

Order matters: the record first, then what nobody sees yet (group, directories, configuration, shims), then what makes
podman use it (containers.conf, a network), and last the units and what systemd is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path

from hooknet.config import DEFAULT_CONFIG, DEFAULT_STATE_DIR
from hooknet.errors import HooknetError, Kind
from hooknet.install import containers_conf, group, units
from hooknet.install.changes import AddGroup
from hooknet.install.containers_conf import ContainersConf, Directories
from hooknet.install.delegates import DELEGATES_DIR
from hooknet.install.network import plan_network
from hooknet.install.plan_units import plan_units
from hooknet.install.planning import Plan, Planning, Wanted
from hooknet.install.program import interpreter
from hooknet.install.record import Record
from hooknet.install.root import Root
from hooknet.install.units import Running
from hooknet.shim import install as shim
from hooknet.sockets import GROUP

DROP_IN_DIR = Path("/usr/local/libexec/hooknet/cni")
PODMAN_SOCKET = "podman.socket"
PLUGINS_DIR, DRIVERS_DIR = containers_conf.DEFAULT_PLUGIN_DIRS[0], containers_conf.DEFAULT_DRIVER_DIRS[0]
LOCAL = (Path("/usr/local"), Path("/opt"))


def plan(
    root: Root, wanted: Wanted, before: Record | None, *, running: Running, environ: Mapping[str, str]
) -> Plan:
    """Raises BAD_CONFIG where something of somebody else's is in the way."""
    before = before or Record()
    wanted = remembered(wanted, before)
    conf = read_conf(root, environ)
    planning = Planning(root, before, wanted)
    planning.directory(DEFAULT_STATE_DIR, 0o700)
    plan_group(planning)
    planning.directory(DEFAULT_CONFIG.parent, 0o700)
    planning.once(DEFAULT_CONFIG, default_config(), 0o600)
    planning.directory(DELEGATES_DIR)
    plan_shims(planning, wanted, conf)
    if wanted.network is not None:
        plan_network(planning, wanted.network, wanted.parent, conf)
    if units.is_used(root):
        plan_units(planning, wanted, running, conf)
    else:
        planning.notes.append(f"systemd is not here: let your init start `{wanted.daemon} daemon` at boot")
    planning.notes += notes_on_podman(root, conf, environ, running, netavark=wanted.netavark)
    return planning.finished()


def plan_group(planning: Planning) -> None:
    """The group, in the files that the root has: an image's tree may get its /etc/group later."""
    if group.exists(planning.root, GROUP):
        return
    if planning.root.exists(group.GROUP):
        planning.changes.append(AddGroup(GROUP, group.free_gid(planning.root)))
    else:
        planning.notes.append(
            f"there is no {group.GROUP} for the group {GROUP}, which hooknet-control.socket needs: "
            f"groupadd --system {GROUP}"
        )


def remembered(wanted: Wanted, before: Record) -> Wanted:
    """What an earlier installation was asked for goes on, so that an upgrade is a plain `hooknet install`."""
    return replace(
        wanted,
        drop_in=wanted.drop_in or before.drop_in,
        netavark=wanted.netavark or before.netavark,
        cni_dir=wanted.cni_dir or (None if before.cni_dir is None else Path(before.cni_dir)),
        socket=wanted.socket or (None if before.socket is None else Path(before.socket)),
    )


def read_conf(root: Root, environ: Mapping[str, str]) -> ContainersConf:
    """What podman is configured to do without us. Raises BAD_CONFIG for one that podman itself can't read."""
    files = containers_conf.files(root, environ if root.is_machine else {})
    conf = containers_conf.read(root, [path for path in files if path != containers_conf.OURS])
    for path, problem in conf.problems:
        raise HooknetError(
            Kind.BAD_CONFIG, f"podman's {path} can't be used: {problem}", hint="correct it, and install again"
        )
    return conf


def default_config() -> bytes:
    """hooknet.toml with every setting in it, commented out."""
    return resources.files(__package__).joinpath("hooknet.toml").read_bytes()


def plan_shims(planning: Planning, wanted: Wanted, conf: ContainersConf) -> None:
    """`hooknet` where podman looks; with drop_in all three in a directory of their own, which podman is told of."""
    choices = shim.Choices(daemon=wanted.daemon, interpreter=interpreter(planning.root), socket=wanted.socket)
    content = shim.text(choices).encode()
    if wanted.netavark:
        plan_shim(
            planning, local_dir(conf.drivers, containers_conf.DRIVERS, DRIVERS_DIR) / shim.PLUGIN, content
        )
        if not (conf.plugin_dirs or wanted.cni_dir or wanted.drop_in):
            return  # no CNI here, and nobody asks for it
    folder = wanted.cni_dir or (
        DROP_IN_DIR if wanted.drop_in else local_dir(conf.plugins, containers_conf.PLUGINS, PLUGINS_DIR)
    )
    for name in shim.NAMES if wanted.drop_in else (shim.PLUGIN,):
        plan_shim(planning, folder / name, content)
    if wanted.drop_in:
        plan_first_place(planning, folder, conf)
    elif folder not in conf.plugin_dirs:
        planning.notes.append(
            f"podman does not look for CNI plugins in {folder}: list it in cni_plugin_dirs, or give --drop-in"
        )


def plan_shims_only(root: Root, folder: Path, choices: shim.Choices) -> Plan:
    """The three shims in `folder`, for whoever takes care of the rest; no record is kept. Raises BAD_CONFIG."""
    planning = Planning(root, Record(), Wanted(daemon=choices.daemon))
    content = shim.text(choices).encode()
    for name in shim.NAMES:
        plan_shim(planning, folder / name, content)
    return Plan(tuple(planning.changes), ())


def plan_shim(planning: Planning, path: Path, content: bytes) -> None:
    planning.file(path, content, shim.MODE, is_ours=lambda found: shim.SIGNATURE in found)


def local_dir(directories: Directories, key: str, usual: Path) -> Path:
    """The first that is the administrator's, not a distribution's; else the first. Raises BAD_CONFIG for none."""
    if not directories.paths:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{directories.origin} says {key} = []: podman looks for plugins nowhere",
            hint=f'write {key} = ["{usual}"] there, or take the line out for podman\'s default',
        )
    local = [path for path in directories.paths if any(path.is_relative_to(folder) for folder in LOCAL)]
    return (local or list(directories.paths))[0]


def plan_first_place(planning: Planning, folder: Path, conf: ContainersConf) -> None:
    """The part of containers.conf that lists `folder` first. Raises BAD_CONFIG when it would not count."""
    ours, origin = containers_conf.OURS, conf.plugins.replaced_by
    if origin is not None and origin.parent == ours.parent and origin.name > ours.name:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{origin} sets cni_plugin_dirs, and is read after {ours.name}",
            details="the last list wins",
            hint=f"give it a name that sorts before {ours.name}, or list {folder} first in it by hand",
        )
    planning.file(ours, containers_conf.with_first(folder, conf.plugins))


def notes_on_podman(
    root: Root, conf: ContainersConf, environ: Mapping[str, str], running: Running, *, netavark: bool
) -> list[str]:
    """What of podman stands in hooknet's way, or would help it."""
    notes = []
    for path, key in () if netavark else conf.with_tables:
        notes.append(
            f"{path}: {key} holds {{append=true}}: a podman before 4.8 refuses that file, and does not start"
        )
    if conf.backend == "netavark" and not netavark:
        notes.append(
            f'{conf.backend_from} says network_backend = "netavark", which runs no CNI plugins: install --netavark '
            "gives it hooknet as a driver"
        )
    if root.is_machine and (chosen := environ.get(containers_conf.VARIABLE)):
        notes.append(f"CONTAINERS_CONF is set: a podman that sees it reads {chosen} and nothing else")
    has_socket = any(root.exists(folder / PODMAN_SOCKET) for folder in units.SEARCHED)
    enabled = root.exists(units.FOLDER / "sockets.target.wants" / PODMAN_SOCKET)
    if has_socket and not enabled and not running.active(PODMAN_SOCKET):
        notes.append(
            "podman.socket is not enabled, and hooknet follows podman's events there: systemctl enable --now "
            + PODMAN_SOCKET
        )
    return notes
