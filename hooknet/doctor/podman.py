"""Will podman call us at all: is it there, with CNI, and is its configuration what it seems?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hooknet.doctor.backend import Backend, ask_backend, last_line
from hooknet.doctor.doors import HOOKNET, check_proxy, server_of_proxy
from hooknet.doctor.findings import Finding, note, ok, problem, skipped
from hooknet.doctor.host import Host, Line
from hooknet.doctor.plugins import is_shim, read_conf
from hooknet.doctor.units import comes_up, sleeps
from hooknet.errors import HooknetError
from hooknet.install.containers_conf import TABLES_SINCE, VARIABLE, ContainersConf
from hooknet.shim.install import PLUGIN

SOCKET = Path("/run/podman/podman.sock")


def check_rootless(host: Host) -> Iterator[Finding]:
    """Rootless podman can't have an address on the LAN, and neither can the doctor see everything."""
    if host.uid != 0:
        yield problem(
            "this is not root: rootless podman can't give containers addresses on the LAN",
            todo="run containers as root (sudo podman run …), and the doctor too: sudo hooknet doctor",
            why="making a macvlan takes root in the host's network namespace",
        )


def check_podman(host: Host) -> Iterator[Finding]:
    """podman, its version, and files of its configuration that it can't use."""
    ran = host.run("podman", "--version")
    if ran is None:
        yield problem(
            "podman does not run here", todo="install podman: apt install podman, dnf install podman"
        )
        return
    conf = read_conf(host)
    if ran.code or version(ran.stdout) < TABLES_SINCE:
        yield from about_tables(conf)
    if ran.code:
        yield problem(
            f"podman --version exits {ran.code}", todo="podman --version", why=last_line(ran.stderr)
        )
        return
    yield ok(ran.stdout.strip())
    for path, text in conf.problems:
        yield problem(f"podman's {path}: {text}", todo="correct the file")
    if chosen := host.environ.get(VARIABLE):
        yield note(
            f"CONTAINERS_CONF is set here: podman reads {chosen} and nothing else",
            todo="unset it, or list hooknet's directory in that file",
        )


def about_tables(conf: ContainersConf) -> Iterator[Finding]:
    """Lists that an older podman can't read: it does not even tell its version."""
    for path, key in conf.with_tables:
        yield problem(
            f"podman's {path}: {key} holds {{append=true}}, which podman before 4.8 refuses: it does not start",
            todo="write the list whole",
        )


def version(said: str) -> tuple[int, ...]:
    """The numbers in what `podman --version` said."""
    found = re.search(r"\d+(?:\.\d+)*", said)
    return tuple(map(int, found[0].split("."))) if found else ()


def check_backend(host: Host) -> Iterator[Finding]:
    """CNI, or netavark, which runs no CNI plugins but has drivers."""
    if host.uid != 0:
        yield skipped("the network back end of rootful podman: only root can ask", todo="sudo hooknet doctor")
        return
    conf, told = read_conf(host), ask_backend(host)
    match told.name:
        case Backend.CNI.value:
            yield ok("podman uses CNI")
        case "":
            yield problem("podman does not tell its network back end", todo="podman info", why=told.complaint)
        case _ if any(is_shim(host, folder / PLUGIN) for folder in conf.driver_dirs):
            yield ok(f"podman uses {told.name}, which finds hooknet among its drivers")
            yield from check_proxy(host)
        case _ if server_of_proxy(host) == HOOKNET:
            yield ok(f"podman uses {told.name}")
            yield from check_proxy(host)
        case _:
            yield problem(
                f"podman uses {told.name}, which runs no CNI plugins",
                todo="hooknet install --netavark makes hooknet one of its drivers; or go back to CNI, where podman "
                'has it: network_backend = "cni" below [network] in /etc/containers/containers.conf, and a reboot',
                why=f"says {conf.backend_from}" if conf.backend else "it chose so when it first ran",
            )


def check_events(host: Host) -> Iterator[Finding]:
    """Without podman's socket hooknet works, but notices late what podman forgot to say."""
    match host.line(SOCKET):
        case Line.SERVED:
            yield ok(f"podman's events can be followed on {SOCKET}")
        case Line.DENIED:
            yield skipped(f"{SOCKET} may be opened by root only", todo="sudo hooknet doctor")
        case Line.MISSING | Line.DEAD if not daemon_tells(host):
            yield note(
                f"podman's socket {SOCKET} is not served",
                todo="systemctl enable --now podman.socket"
                if host.root.has_systemd
                else f"podman system service -t 0 unix://{SOCKET}",
                why="its events tell at once of containers that went without a DEL; else hooknet looks once a minute",
            )


def daemon_tells(host: Host) -> bool:
    """Whether a daemon that runs has said the same of itself."""
    if sleeps(host) or not comes_up(host):
        return False
    try:
        return any(str(SOCKET) in one["what"] for one in host.status()["problems"])
    except HooknetError:
        return False
