"""The daemon: its sockets, how it does, and whether the reference's sits in its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hooknet.doctor.findings import Finding, from_error, note, ok, problem, skipped
from hooknet.doctor.host import Host, Line
from hooknet.doctor.systemd import Shown, show
from hooknet.doctor.units import REFERENCE_SOCKET, Serving, comes_up, serving, sleeps
from hooknet.errors import HooknetError
from hooknet.install import units
from hooknet.install.units import SERVICE


def check_daemon(host: Host) -> Iterator[Finding]:
    """Its sockets, and what it says of itself. One that waits to be called is left asleep."""
    if sleeps(host):
        yield ok("the daemon is not running: the first call starts it")
        return
    found = serving(host)
    cni, control = found.cni, host.run_dir / "control.sock"
    line = host.line(cni)
    if line in {Line.MISSING, Line.DEAD}:
        yield problem(f"no daemon listens on {cni}", todo=how_to_start(host, found), why=line.value)
        return
    if not comes_up(host):
        yield problem(
            f"the daemon does not come up: {found.service} is {show(host, found.service).get('ActiveState')}",
            todo=f"journalctl -u {found.service} says why; if it starts just now, look again",
        )
        return
    if line is Line.DENIED:
        yield skipped(f"{cni} may be opened by root only", todo="sudo hooknet doctor")
    yield from check_status(host, control)


def how_to_start(host: Host, found: Serving) -> str:
    if not host.root.has_systemd:
        return "start it: hooknet daemon"
    unit = (*found.sockets, found.service)[0]
    is_there = show(host, unit).get("LoadState") == "loaded"
    return f"systemctl start {unit}" if is_there else "hooknet install"


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
    found = [one for one in units.references(host.root, Shown(host)) if one.active]
    for one in found:
        names = " ".join(one.active)
        if not one.is_hooknet:
            yield note(
                f"the reference's daemon is still active: {', '.join(one.active)}",
                todo=f"restart the containers that it serves, then: systemctl disable --now {names}",
                why="containers that it attached are not renewed by hooknet",
            )
        elif serving(host).service == SERVICE:
            yield problem(
                f"{', '.join(one.active)} would start a second hooknet",
                todo=f"systemctl disable --now {names}",
                why="two daemons can't share a state directory",
            )
    if not found and host.line(REFERENCE_SOCKET) is Line.SERVED:
        yield note(
            f"somebody listens on {REFERENCE_SOCKET}, most likely the reference's `dhcp daemon`, started by hand",
            todo="restart the containers that it serves, then stop it",
        )
