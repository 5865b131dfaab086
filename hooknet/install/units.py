"""systemd's units: ours, and those of the reference's daemon that we replace.

Ours lie in the package as they are installed, but for the path of the command. They are enabled by the links that
`systemctl enable` would make, on a running system and in an image alike, so that a plan shows them and `uninstall`
takes away exactly them.

The reference's `dhcp daemon` is started by units under two names: those that administrators write by hand after the
well-known instructions, and Debian's. A daemon of the reference that runs is not stopped: it goes on renewing the
leases that it holds. One that is already hooknet's (its ExecStart runs our `dhcp`) is stopped, because two daemons
can't share a state directory; it drops no lease.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from hooknet.errors import HooknetError, Kind
from hooknet.install.root import Root
from hooknet.shim.install import SIGNATURE

SOCKETS = ("hooknet.socket", "hooknet-control.socket")
NETAVARK_SOCKET = "hooknet-netavark.socket"
SERVICE = "hooknet.service"
UNITS = (*SOCKETS, SERVICE)
"""What is always installed; the socket of netavark's dhcp-proxy when it is asked for."""

FOLDER = Path("/etc/systemd/system")
PACKAGED_DAEMON = "/opt/hooknet/bin/hooknet"
REFERENCES = ("io.podman.dhcp", "cni-dhcp")
NETAVARKS_PROXY = "netavark-dhcp-proxy"
SEARCHED = tuple(
    Path(path)
    for path in (
        "/etc/systemd/system",
        "/usr/local/lib/systemd/system",
        "/lib/systemd/system",
        "/usr/lib/systemd/system",
    )
)
IS_ACTIVE_PATIENCE = 10.0


class Running(Protocol):
    """Asks which units run. Raises IO when that can't be told."""

    def active(self, unit: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Systemctl:
    """The units of this machine; of an image nothing runs."""

    root: Root

    def active(self, unit: str) -> bool:
        if not self.root.has_systemd:
            return False
        command = ["systemctl", "is-active", "--quiet", unit]
        try:
            done = subprocess.run(command, check=False, timeout=IS_ACTIVE_PATIENCE)  # noqa: S603 - units' names
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HooknetError(
                Kind.IO,
                f"systemd can't be asked whether {unit} runs",
                details=str(error),
                hint="systemctl status must work; try again when the machine is less busy",
            ) from None
        return done.returncode == 0


def text(name: str, daemon: Path) -> str:
    """One of our units, with the command's path in it."""
    packaged = resources.files(__package__).joinpath("units", name).read_text("utf-8")
    return packaged.replace(PACKAGED_DAEMON, str(daemon).replace("%", "%%"))


def links_of(name: str, unit: str) -> Iterator[tuple[Path, str]]:
    """The links that enable a unit with this text: systemd.unit(5), WantedBy=."""
    for target in " ".join(re.findall(r"^WantedBy=(.*)$", unit, re.MULTILINE)).split():
        yield FOLDER / f"{target}.wants" / name, str(FOLDER / name)


def is_used(root: Root) -> bool:
    """Whether there is a systemd to install units for."""
    return any(root.is_directory(folder) for folder in SEARCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference's units under one name.

    folder: where they lie. links: what enables them. is_hooknet: they start hooknet's drop-in `dhcp`. active: those
    that run now.
    """

    name: str
    folder: Path
    links: Mapping[Path, str]
    is_hooknet: bool
    active: tuple[str, ...]

    @property
    def is_used(self) -> bool:
        """Enabled, running, or written by an administrator; a distribution's may just lie there."""
        return bool(self.links or self.active) or self.folder == FOLDER

    def __str__(self) -> str:
        return f"{self.name}.socket and {self.name}.service (in {self.folder})"


def references(root: Root, running: Running) -> Iterator[Reference]:
    """The reference's units that are there."""
    for name in REFERENCES:
        if (found := reference(root, name, running)) is not None:
            yield found


def reference(root: Root, name: str, running: Running) -> Reference | None:
    """The socket and the service of that name; None when there is neither."""
    both = (f"{name}.socket", f"{name}.service")
    folder = next((one for one in SEARCHED if any(root.exists(one / unit) for unit in both)), None)
    if folder is None:
        return None
    return Reference(
        name=name,
        folder=folder,
        links=dict(enabling_links(root, both)),
        is_hooknet=starts_hooknet(root, name, folder),
        active=tuple(unit for unit in both if running.active(unit)),
    )


def enabling_links(root: Root, names: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    for folder in root.names(FOLDER):
        if folder.endswith((".wants", ".requires")):
            for name in names:
                path = FOLDER / folder / name
                if (target := root.link(path)) is not None:
                    yield path, target


def starts_hooknet(root: Root, name: str, folder: Path) -> bool:
    """Whether the service's ExecStart is one of our shims, or hooknet itself."""
    dropped_in = FOLDER / f"{name}.service.d"
    texts = [root.text(folder / f"{name}.service") or ""]
    texts += [root.text(dropped_in / part) or "" for part in root.names(dropped_in) if part.endswith(".conf")]
    commands = re.findall(r"^ExecStart=[@:+!-]*(/\S+)", "\n".join(texts), re.MULTILINE)
    if not commands:
        return False
    program = Path(commands[-1])
    return program.name == "hooknet" or SIGNATURE in (root.read(program) or b"")
