"""Whether a lab can be built here, and how a test run gets into a world of its own."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "script" / "world"
MARK = "HOOKNET_WORLD"
WHY_NOT = "HOOKNET_NO_WORLD"
FOLDER = Path("/run/lab")
PROGRAMS = ("ip", "nsenter", "podman", "runc", "conmon", "dnsmasq", "busybox", "tcpdump")
PLUGINS = ("macvlan", "dhcp", "bridge", "host-local")
LINKS = ("veth", "bridge", "macvlan")


def inside() -> bool:
    """Whether this process is in a world."""
    return MARK in os.environ


def required() -> bool:
    """Whether a lab that can't be built is a failure: always in CI, and whenever script/test runs."""
    return os.environ.get("CI") == "true" or os.environ.get("HOOKNET_LAB") == "required"


def move_in(command: list[str]) -> None:
    """Replace this process by the same command in a world. Returns where that can't be, and remembers why."""
    tried = subprocess.run([SCRIPT, "true"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        os.execv(SCRIPT, [str(SCRIPT), *command])
    os.environ[WHY_NOT] = tried.stderr.strip()


@functools.cache
def missing() -> str | None:
    """Why no lab can be built here, with the remedy; None when it can."""
    if not inside():
        reason = os.environ.get(WHY_NOT, "the tests don't run as root")
        return f"no lab: {reason}; run script/test as root"
    programs = [name for name in PROGRAMS if shutil.which(name) is None]
    programs += [name for name in PLUGINS if not Path("/usr/lib/cni", name).exists()]
    if programs:
        return f"no lab: {', '.join(programs)} not installed; script/test installs what is missing"
    links = [kind for kind in LINKS if not kernel_has(kind)]
    if links:
        return f"no lab: this kernel has no {', '.join(links)}"
    return None


@functools.cache
def kernel_has(kind: str) -> bool:
    """Whether the kernel can make links of this kind (`ipvlan`, `bond`, …), by trying."""
    below = ["link", "try0"] if kind in {"macvlan", "ipvlan", "vlan", "macvtap"} else []
    more = ["id", "7"] if kind == "vlan" else []
    try:
        return ip("add", "try0", "type", "veth", "peer", "name", "try1") and (
            kind == "veth" or ip("add", *below, "name", "try2", "type", kind, *more)
        )
    finally:
        ip("delete", "try2")
        ip("delete", "try0")


def ip(*words: str) -> bool:
    return subprocess.run(["ip", "link", *words], capture_output=True, check=False).returncode == 0
