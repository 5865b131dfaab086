"""The daemon: its units, its sockets, how it does, and whether the reference's sits in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hooknet.doctor.findings import Finding, from_error, note, ok, problem, skipped
from hooknet.doctor.host import Host, Line
from hooknet.errors import HooknetError
from hooknet.install import units
from hooknet.install.units import SERVICE, SOCKETS

REFERENCE_SOCKET = Path("/run/cni/dhcp.sock")
PROPERTIES = "LoadState,ActiveState,SubState,Result,NRestarts,MainPID,UnitFileState"


def check_units(host: Host) -> Iterator[Finding]:
    """Installed, enabled, listening, not failing."""
    if not host.root.has_systemd:
        yield skipped("systemd does not run here: the daemon is started by other means")
        return
    for name in (*SOCKETS, SERVICE):
        state = show(host, name)
        if state.get("LoadState") != "loaded":
            yield problem(f"systemd has no {name}", todo="hooknet install")
        elif name in SOCKETS and state.get("ActiveState") != "active":
            yield problem(
                f"{name} is {state.get('ActiveState')}",
                todo=f"systemctl start {name}; if it fails: journalctl -u {name}",
                why="without it a stopped daemon refuses calls",
            )
        elif state.get("UnitFileState") != "enabled":
            yield problem(
                f"{name} is not enabled: it is missing after a reboot", todo=f"systemctl enable {name}"
            )
        elif state.get("SubState") in {"auto-restart", "failed"}:
            yield problem(
                f"{name} fails ({state.get('Result')}), and is tried again ({state.get('NRestarts')} times by now)",
                todo="journalctl -u hooknet says why",
            )
        else:
            yield ok(f"{name} is {state.get('ActiveState')} and enabled")


def check_daemon(host: Host) -> Iterator[Finding]:
    """Its sockets, and what it says of itself. One that waits to be called is left asleep."""
    if sleeps(host):
        yield ok("the daemon is not running: the first call starts it")
        return
    cni, control = host.run_dir / "cni.sock", host.run_dir / "control.sock"
    line = host.line(cni)
    if line in {Line.MISSING, Line.DEAD}:
        yield problem(
            f"no daemon listens on {cni}",
            todo="systemctl start hooknet.socket" if host.root.has_systemd else "start it: hooknet daemon",
            why=line.value,
        )
        return
    if line is Line.DENIED:
        yield skipped(f"{cni} may be opened by root only", todo="sudo hooknet doctor")
    yield from check_status(host, control)


def check_status(host: Host, control: Path) -> Iterator[Finding]:
    try:
        status = host.status()
    except HooknetError as error:
        yield from_error(error, f"see who serves {control}: ss -xlp")
        return
    missing = host.missing_capabilities(status["pid"])
    if missing:
        yield problem(
            f"the daemon (pid {status['pid']}) lacks {', '.join('CAP_' + name for name in missing)}",
            todo="start it by its unit: systemctl restart hooknet; look for what `systemctl edit hooknet` changed",
        )
    if status["healthy"]:
        held = status["counts"]["leases"]
        yield ok(
            f"the daemon {status['version']} is healthy and holds {held} lease{'' if held == 1 else 's'}"
        )
    for one in status["problems"]:
        yield (note if status["healthy"] else problem)(
            one["what"], todo=one["todo"] or "hooknet status; journalctl -u hooknet", why=one["why"]
        )


def check_rights(host: Host) -> Iterator[Finding]:
    """What root may do here: in a container it may lack what the daemon needs."""
    if host.uid != 0:
        return
    missing = host.missing_capabilities()
    if missing:
        yield problem(
            f"root lacks {', '.join('CAP_' + name for name in missing)} here, and so will the daemon",
            todo="is this a container? Start it with these capabilities (--cap-add), or install on the host",
        )
    else:
        yield ok("root has the capabilities that the daemon needs")


def check_reference(host: Host) -> Iterator[Finding]:
    """A second DHCP daemon is fine for old containers, and a trap for new ones."""
    for found in units.references(host.root, Shown(host)):
        if found.active and not found.is_hooknet:
            yield note(
                f"the reference's daemon is still active: {', '.join(found.active)}",
                todo="restart the containers that it serves, then: systemctl disable --now "
                + " ".join(found.active),
                why="containers that it attached are not renewed by hooknet",
            )
            return
    if host.line(REFERENCE_SOCKET) is Line.SERVED:
        yield note(
            f"somebody listens on {REFERENCE_SOCKET}, most likely the reference's `dhcp daemon`, started by hand",
            todo="restart the containers that it serves, then stop it",
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """Which units run, as the host tells."""

    host: Host

    def active(self, unit: str) -> bool:
        return self.host.root.has_systemd and show(self.host, unit).get("ActiveState") == "active"


def sleeps(host: Host) -> bool:
    """Whether systemd holds the sockets for a daemon that does not run."""
    if not host.root.has_systemd:
        return False
    held = all(show(host, name).get("ActiveState") == "active" for name in SOCKETS)
    return held and show(host, SERVICE).get("ActiveState") == "inactive"


def show(host: Host, unit: str) -> dict[str, str]:
    """Properties of a unit; empty when systemctl does not answer."""
    ran = host.run("systemctl", "show", f"--property={PROPERTIES}", unit)
    lines = ran.stdout.splitlines() if ran is not None and ran.code == 0 else []
    return {key: value for key, _, value in (line.partition("=") for line in lines)}
