"""Who is measured: hooknet in both of its forms, and plugin directories of the reference's kind.

A peer knows the configuration that a runtime would hand to it, the plugin that is run with it, and the daemon
behind. All peers of a run are up at the same time, on one host, with one parent and one DHCP server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calls import Call
from lab import eventually
from lab.podman import DEBIAN_PLUGINS
from lab.process import Program, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ground import Box
    from lab import Host

PARENT = "host0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A plugin and its daemon. Several peers may share a daemon; `folders` is CNI_PATH."""

    name: str
    main: str
    config: Mapping[str, Any]
    folders: tuple[Path, ...]
    daemon: Program

    @property
    def plugin(self) -> Path:
        return next(folder / self.main for folder in self.folders if (folder / self.main).exists())

    def call(self, verb: str, box: Box) -> Call:
        return Call(
            plugin=self.plugin,
            verb=verb,
            config=self.config,
            container_id=box.container_id,
            netns=box.path,
            name=box.name,
            path=":".join(map(str, self.folders)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A directory with the reference's plugins, or any that are called like them: `--peer NAME=DIR[:MAIN[:IPAM]]`."""

    name: str
    folder: Path
    main: str = "macvlan"
    ipam: str = "dhcp"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ValueError for what is no NAME=DIR with plugins in it."""
        form = re.fullmatch(r"([\w.-]+)=([^:]+)(?::([\w.-]+))?(?::([\w.-]+))?", text)
        if form is None:
            raise ValueError(f"{text!r} is not NAME=DIR[:MAIN[:IPAM]]")
        name, folder, main, ipam = form.groups()
        types = {word: type_ for word, type_ in (("main", main), ("ipam", ipam)) if type_}
        found = cls(name=name, folder=Path(folder), **types)
        for plugin in (found.main, found.ipam):
            if not (found.folder / plugin).exists():
                raise ValueError(f"there is no {found.folder / plugin}")
        return found

    def start(self, host: Host) -> Peer:
        """Its daemon on a socket of its own, so that several references don't meet."""
        socket = Path(f"/run/cni/{self.name}.sock")
        socket.parent.mkdir(exist_ok=True)
        daemon = self.start_daemon(host, socket)
        ipam = {"type": self.ipam, "daemonSocketPath": str(socket)}
        config = {
            "cniVersion": "0.4.0",
            "name": f"lan-{self.name}",
            "type": self.main,
            "master": PARENT,
            "ipam": ipam,
        }
        return Peer(name=self.name, main=self.main, config=config, folders=(self.folder,), daemon=daemon)

    def start_daemon(self, host: Host, socket: Path) -> Program:
        socket.unlink(missing_ok=True)
        command = (self.folder / self.ipam, "daemon", "-socketpath", str(socket))
        daemon = host.program(*command, log=f"{self.name}.log")
        host.cleanup.callback(socket.unlink, missing_ok=True)
        eventually(socket.is_socket, what=f"the daemon of {self.name} listens")
        return daemon


DEBIAN = "debian"


def debian() -> Reference:
    return Reference(name=DEBIAN, folder=DEBIAN_PLUGINS)


def debian_version() -> str:
    found = run(
        ["dpkg-query", "--show", "--showformat", "${Version}", "containernetworking-plugins"], check=False
    )
    return found.stdout.strip() or "unknown"


HOOKNET, DROP_IN = "hooknet", "drop-in"


def hooknet_peers(daemon: Program, shims: Path) -> tuple[Peer, Peer]:
    """`type: hooknet`, and the seed's own configuration through hooknet's `macvlan`. One daemon serves both."""
    own = {"cniVersion": "1.0.0", "name": "lan-hooknet", "type": "hooknet", "master": PARENT}
    seed = {
        "cniVersion": "0.4.0",
        "name": "lan-drop-in",
        "type": "macvlan",
        "master": PARENT,
        "ipam": {"type": "dhcp"},
    }
    folders = (shims, DEBIAN_PLUGINS)
    return (
        Peer(name=HOOKNET, main="hooknet", config=own, folders=folders, daemon=daemon),
        Peer(name=DROP_IN, main="macvlan", config=seed, folders=folders, daemon=daemon),
    )
