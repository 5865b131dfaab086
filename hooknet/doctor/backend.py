"""The network back end of podman: whose plugins run, whose networks are read. Files of the other are leftovers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from hooknet.doctor.host import Host
from hooknet.doctor.plugins import read_conf


@unique
class Backend(Enum):
    """As podman calls them."""

    CNI = "cni"
    NETAVARK = "netavark"


@dataclass(frozen=True, slots=True)
class Told:
    """name: the back end, "" where nobody tells; complaint: what podman said at last, where it failed."""

    name: str
    complaint: str = ""

    @property
    def backend(self) -> Backend | None:
        """None for what is not known."""
        return next((one for one in Backend if one.value == self.name), None)


def ask_backend(host: Host) -> Told:
    """What podman says, else what it is configured to use. Only root is told of rootful podman's."""
    ran = host.run("podman", "info", "--format", "{{.Host.NetworkBackend}}") if host.uid == 0 else None
    if ran is not None and ran.code == 0:
        return Told(ran.stdout.strip())
    return Told(read_conf(host).backend, "" if ran is None else last_line(ran.stderr))


def last_line(said: str) -> str:
    """What a program that failed said at last."""
    return "".join(said.strip().splitlines()[-1:])
