"""Which units start hooknet, and how they do: its own, or the reference's, pointed at hooknet's `dhcp`.

Sockets are what matters: where systemd holds them, the first call starts the daemon. So a service that is not enabled
is fine, and one that sleeps is left asleep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hooknet.doctor.doors import proxy_is_configured
from hooknet.doctor.findings import Finding, note, ok, problem, skipped
from hooknet.doctor.host import Host
from hooknet.doctor.systemd import Shown, is_active, show
from hooknet.install import units
from hooknet.install.units import FOLDER, NETAVARK_SOCKET, NETAVARKS_PROXY, SERVICE, SOCKETS

REFERENCE_SOCKET = Path("/run/cni/dhcp.sock")
FAILING = {"auto-restart", "failed"}


@dataclass(frozen=True, slots=True)
class Serving:
    """Units that start hooknet. cni: the socket that plugins dial. sockets: none where the daemon makes its own."""

    sockets: tuple[str, ...]
    service: str
    cni: Path


def serving(host: Host) -> Serving:
    """Those of hooknet, also where they are missing; the reference's where only they start hooknet."""
    own = Serving(SOCKETS, SERVICE, host.run_dir / "cni.sock")
    if host.root.exists(FOLDER / SERVICE):
        return own
    pointed = (one for one in units.references(host.root, Shown(host)) if one.is_hooknet and one.is_used)
    return next((of_reference(host, one) for one in pointed), own)


def of_reference(host: Host, found: units.Reference) -> Serving:
    socket = f"{found.name}.socket"
    if host.root.exists(found.folder / socket):
        return Serving((socket,), f"{found.name}.service", REFERENCE_SOCKET)
    return Serving((), f"{found.name}.service", host.run_dir / "cni.sock")


def sleeps(host: Host) -> bool:
    """Whether systemd holds the sockets for a daemon that does not run."""
    found = serving(host)
    if not host.root.has_systemd or not found.sockets:
        return False
    held = all(is_active(host, name) for name in found.sockets)
    return held and show(host, found.service).get("ActiveState") == "inactive"


def comes_up(host: Host) -> bool:
    """Whether the service runs, where systemd starts it: nobody answers behind a socket that only systemd holds."""
    found = serving(host)
    held = host.root.has_systemd and any(is_active(host, name) for name in found.sockets)
    return not held or is_active(host, found.service)


def check_units(host: Host) -> Iterator[Finding]:
    """Installed, enabled, listening, not failing; and nobody in the place of netavark's proxy but hooknet."""
    if not host.root.has_systemd:
        yield skipped("systemd does not run here: the daemon is started by other means")
        return
    found = serving(host)
    netavarks = (NETAVARK_SOCKET,) if host.root.exists(FOLDER / NETAVARK_SOCKET) else ()
    states = {name: show(host, name) for name in (*found.sockets, *netavarks, found.service)}
    missing = [name for name, state in states.items() if state.get("LoadState") != "loaded"]
    if missing:
        yield problem(f"systemd has no {', '.join(missing)}", todo="hooknet install")
    for name, state in states.items():
        if name not in missing:
            yield about_service(found, state) if name == found.service else about_socket(name, state)
    if netavarks or proxy_is_configured(host):
        yield from check_netavarks_proxy(host)


def about_socket(name: str, state: Mapping[str, str]) -> Finding:
    if state.get("ActiveState") != "active":
        return problem(
            f"{name} is {state.get('ActiveState')}",
            todo=f"systemctl start {name}; if it fails: journalctl -u {name}",
            why="without it a stopped daemon refuses calls",
        )
    if state.get("UnitFileState") != "enabled":
        return problem(
            f"{name} is not enabled: it is missing after a reboot", todo=f"systemctl enable {name}"
        )
    return ok(f"{name} is active and enabled")


def about_service(found: Serving, state: Mapping[str, str]) -> Finding:
    name = found.service
    if state.get("SubState") in FAILING:
        return problem(
            f"{name} fails ({state.get('Result')}), and is tried again ({state.get('NRestarts')} times by now)",
            todo=f"journalctl -u {name} says why",
        )
    if state.get("UnitFileState") == "enabled":
        return ok(f"{name} is {state.get('ActiveState')} and enabled")
    if not found.sockets:
        return problem(
            f"{name} is not enabled: it is missing after a reboot", todo=f"systemctl enable {name}"
        )
    if name == SERVICE:
        return note(
            f"{name} is not enabled: after a reboot it starts at the first call",
            todo=f"nothing, if that is meant so; else: systemctl enable {name}",
            why="until then nobody renews, and podman's events go unheard",
        )
    return ok(f"{name} starts hooknet, at the first call")


def check_netavarks_proxy(host: Host) -> Iterator[Finding]:
    """Two can't listen on one path: at the next boot it is chance who does."""
    theirs = [
        unit for unit in (f"{NETAVARKS_PROXY}.socket", f"{NETAVARKS_PROXY}.service") if in_use(host, unit)
    ]
    by_socket = host.root.exists(FOLDER / NETAVARK_SOCKET)
    if theirs:
        yield problem(
            f"netavark's own dhcp-proxy is in hooknet's place, now or after a reboot: {', '.join(theirs)}",
            todo=f"systemctl disable --now {' '.join(theirs)}, and then: "
            + ("hooknet install --netavark" if by_socket else f"systemctl restart {SERVICE}"),
        )


def in_use(host: Host, unit: str) -> bool:
    state = show(host, unit)
    return state.get("ActiveState") == "active" or state.get("UnitFileState") == "enabled"
