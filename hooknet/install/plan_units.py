"""The part of an installation that systemd has in it: our units, the reference's, and what systemctl is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hooknet.install import units
from hooknet.install.changes import MakeLink, RemoveFile, Run
from hooknet.install.containers_conf import ContainersConf
from hooknet.install.delegates import plan_data
from hooknet.install.planning import Planning, Wanted
from hooknet.install.units import Reference, Running


def plan_units(planning: Planning, wanted: Wanted, running: Running, conf: ContainersConf) -> None:
    """Our units and what enables them; the reference's make room."""
    sockets = (*units.SOCKETS, *([units.NETAVARK_SOCKET] if wanted.netavark else []))
    texts = {name: units.text(name, wanted.daemon) for name in (*sockets, units.SERVICE)}
    written = {name for name, text in texts.items() if planning.file(units.FOLDER / name, text.encode())}
    if plan_data(planning, conf):
        written.add(units.SERVICE)
    for name, text in texts.items():
        for path, target in units.links_of(name, text):
            planning.link(path, target)
    for found in units.references(planning.root, running):
        if found.is_used:
            plan_migration(planning, found, takes_over=wanted.drop_in or found.is_hooknet)
    proxy = units.reference(planning.root, units.NETAVARKS_PROXY, running)
    if wanted.netavark and proxy is not None:
        replace_proxy(planning, proxy)
    if planning.root.has_systemd:
        plan_systemctl(planning, running, sockets, written)


def plan_migration(planning: Planning, found: Reference, *, takes_over: bool) -> None:
    """Disable the reference's units where hooknet takes their place; what they were is kept for `uninstall`."""
    if not takes_over:
        planning.notes.append(
            f"{found} are there and stay: conflists that say `dhcp` go on to use the reference's daemon; --drop-in "
            "lets hooknet serve them"
        )
        return
    stopped = found.active if found.is_hooknet else ()
    disable(planning, found, stopped=stopped)
    if stopped:
        planning.changes.append(Run(("systemctl", "stop", *stopped)))
    planning.notes.append(about(found, planning))


def about(found: Reference, planning: Planning) -> str:
    """What happens to units of the reference, and what is left to do."""
    if found.is_hooknet:
        return f"{found} start hooknet, whose own units take their place: they are disabled, and no lease is dropped"
    if found.active:
        return (
            f"{found} are disabled, and left running: the reference's daemon goes on to renew what it leased, new "
            "containers are hooknet's; restart the old ones (podman restart), and then: systemctl stop "
            + " ".join(found.active)
        )
    disabled = any(Path(path).name.startswith(found.name) for path in planning.record.disabled)
    return f"{found} are there, and {'disabled' if disabled else 'not enabled'}: hooknet.socket takes their place"


def replace_proxy(planning: Planning, proxy: Reference) -> None:
    """Two can't listen on one path: netavark's own proxy is disabled, and our socket's start stops it."""
    disable(planning, proxy, stopped=proxy.active)
    if proxy.active:
        planning.notes.append(
            f"{proxy} make room for {units.NETAVARK_SOCKET}; what netavark's proxy leased it has forgotten: restart "
            "those containers"
        )


def disable(planning: Planning, found: Reference, *, stopped: tuple[str, ...]) -> None:
    """Remove what enables units, and remember it, and what ran."""
    planning.changes += [RemoveFile(path) for path in found.links]
    record = planning.record
    planning.record = replace(
        record,
        disabled={**record.disabled, **{str(path): target for path, target in found.links.items()}},
        stopped=tuple(dict.fromkeys((*record.stopped, *stopped))),
    )


def plan_systemctl(planning: Planning, running: Running, sockets: tuple[str, ...], written: set[str]) -> None:
    """Tell systemd what changed. A daemon that runs takes up a new unit; it drops no lease.

    Sockets can't take the place of those that a running daemon made for itself: then it is stopped first.
    """
    links = any(isinstance(change, MakeLink | RemoveFile) for change in planning.changes)
    if written or links:
        planning.changes.append(Run(("systemctl", "daemon-reload")))
    idle = [name for name in sockets if not running.active(name)]
    serving = running.active(units.SERVICE)
    if serving and idle:
        planning.changes.append(Run(("systemctl", "stop", units.SERVICE)))
    elif serving and units.SERVICE in written:
        planning.changes.append(Run(("systemctl", "restart", units.SERVICE)))
    if idle:
        planning.changes.append(Run(("systemctl", "start", *idle)))
