"""Where the IPAM plugins that hooknet runs keep their files.

They run inside the daemon's unit, which may write in /var/lib/cni and in no other of their places. Of host-local a
network may say another one (`dataDir`): then the unit needs a drop-in, or every ADD of that network fails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hooknet.install import containers_conf, units
from hooknet.install.containers_conf import ContainersConf, part, plugins_of
from hooknet.install.planning import Planning
from hooknet.install.program import HIDDEN, lies_under
from hooknet.install.root import Root
from hooknet.shim.install import DROP_INS, PLAIN_PATH, PLUGIN

DELEGATES_DIR = Path("/var/lib/cni")
PARTS = units.FOLDER / f"{units.SERVICE}.d"
DROP_IN = PARTS / "50-ipam-data.conf"
TEXT = """\
# Written by `hooknet install`, and removed by `hooknet uninstall`: where networks let host-local keep its files.
[Service]
"""


@dataclass(frozen=True, slots=True)
class Data:
    """network: whose `dataDir` it is."""

    folder: Path
    network: str

    @property
    def can_be_allowed(self) -> bool:
        """A unit with ProtectHome and PrivateTmp sees no such folder, whatever it is allowed."""
        hidden = any(lies_under(self.folder, folder) for folder in HIDDEN)
        return not hidden and PLAIN_PATH.fullmatch(str(self.folder)) is not None


def served(drop_ins: Collection[str]) -> tuple[str, ...]:
    """The main plugins whose IPAM plugin hooknet runs, where podman takes `drop_ins` from hooknet.

    No set: what a network says in the place of a name may be anything, and need not hash.
    """
    return (PLUGIN, *(name for name in drop_ins if name != "dhcp"))


def data_of(root: Root, conf: ContainersConf, mains: Collection[str]) -> Iterator[Data]:
    """What lies elsewhere than the unit may write by itself, each folder once."""
    found = set()
    for _, network in containers_conf.networks(root, conf.networks):
        for plugin in plugins_of(network):
            said = part(plugin, "ipam").get("dataDir") if plugin.get("type") in mains else None
            folder = (
                Path(os.path.normpath(said))
                if isinstance(said, str) and said.startswith("/")
                else DELEGATES_DIR
            )
            if not folder.is_relative_to(DELEGATES_DIR) and folder not in found:
                found.add(folder)
                yield Data(folder, str(network.get("name")))


def plan_data(planning: Planning, conf: ContainersConf) -> bool:
    """The drop-in, and the folders, which must be there when the daemon starts. True where the unit changes."""
    drop_ins = DROP_INS if planning.record.drop_in else ()
    needed = list(data_of(planning.root, conf, served(drop_ins)))
    planning.notes += [
        f"the network {data.network} keeps host-local's files in {data.folder}, which the daemon's unit can't be "
        "allowed: choose a plain path outside of homes and /tmp for its dataDir"
        for data in needed
        if not data.can_be_allowed
    ]
    allowed = [data.folder for data in needed if data.can_be_allowed]
    if not allowed:
        return planning.gone(DROP_IN)
    for folder in allowed:
        planning.directory(folder)
    lines = "".join(f"ReadWritePaths=-{str(folder).replace('%', '%%')}\n" for folder in allowed)
    return planning.file(DROP_IN, (TEXT + lines).encode())


def writable(root: Root) -> list[Path]:
    """What the installed unit may write, by itself and by its drop-ins."""
    texts = [root.text(units.FOLDER / units.SERVICE) or ""]
    texts += [root.text(PARTS / name) or "" for name in root.names(PARTS) if name.endswith(".conf")]
    words = " ".join(re.findall(r"^ReadWritePaths=(.*)$", "\n".join(texts), re.MULTILINE)).split()
    return [Path(word.strip("\"'").lstrip("-+").replace("%%", "%")) for word in words]
