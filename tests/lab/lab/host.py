"""A host: a network namespace plugged into LANs (host0, host1, …), with podman and room for hooknet."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.cni import Cni
from lab.daemon import Daemon
from lab.netns import Netns
from lab.podman import DEBIAN_PLUGINS, Podman
from lab.process import Program
from lab.wait import eventually

if TYPE_CHECKING:
    from contextlib import ExitStack
    from ipaddress import IPv4Address

    from lab.lan import Lan


class Host:
    """`shims`: the folder of hooknet's CNI shims; it comes before Debian's plugins."""

    def __init__(
        self, number: int, folder: Path, *, images: Path, shims: Path | None, cleanup: ExitStack
    ) -> None:
        self.name = f"host{number}"
        self.folder = folder / self.name
        self.folder.mkdir()
        self.images = images
        self.cleanup = cleanup
        self.netns = Netns(self.name)
        cleanup.callback(self.netns.delete)
        self.lans: list[Lan] = []
        self.daemons: list[Daemon] = []
        self.plugin_dirs = (*([shims] if shims else []), DEBIAN_PLUGINS)

    def __repr__(self) -> str:
        return f"Host({self.name}, {self.lans})"

    def plug(self, lan: Lan, ifname: str | None = None) -> str:
        """A cable into a LAN, with the address .2 for the first host on it; returns the interface's name."""
        ifname = ifname or f"host{len(self.lans)}"
        self.lans.append(lan)
        lan.plug(self.netns, ifname)
        address: IPv4Address = lan.address(1 + lan.ports)
        self.netns.ip("address", "add", f"{address}/{lan.network.prefixlen}", "dev", ifname)
        return ifname

    @cached_property
    def podman(self) -> Podman:
        """This host's podman; made when a test first asks for it."""
        podman = Podman(self.netns, self.folder / "podman", self.images, self.cleanup)
        podman.use_plugins(*self.plugin_dirs)
        return podman

    @cached_property
    def cni(self) -> Cni:
        """A runtime without podman."""
        return Cni(self.netns, self.plugin_dirs, self.cleanup)

    def conflist(self, name: str, *plugins: dict[str, Any], version: str = "0.4.0", **keys: Any) -> Path:
        """Write a network configuration by hand, where podman looks for it."""
        path = self.podman.net_d / f"90-{name}.conflist"
        path.write_text(
            json.dumps({"cniVersion": version, "name": name, **keys, "plugins": plugins}, indent=2)
        )
        return path

    def shims_only(self, *names: str) -> None:
        """Of hooknet's shims, leave only these before Debian's plugins: the others are Debian's own."""
        assert self.plugin_dirs[0] != DEBIAN_PLUGINS, "this lab has no shims"
        some = self.folder / "shims"
        some.mkdir()
        for name in names:
            (some / name).symlink_to(self.plugin_dirs[0] / name)
        self.plugin_dirs = (some, DEBIAN_PLUGINS)
        self.podman.use_plugins(*self.plugin_dirs)

    def daemon(self, config: str = "", **how: Any) -> Daemon:
        """A hooknet daemon on this host, not started yet; `how` as in `Daemon`."""
        daemon = Daemon(self.netns, self.folder / f"daemon{len(self.daemons) + 1}", config=config, **how)
        self.daemons.append(daemon)
        self.cleanup.callback(daemon.stop)
        return daemon

    def following_daemon(self, config: str = "", **how: Any) -> Daemon:
        """A daemon that follows this host's podman by its service, as on a real host; not started yet."""
        self.podman.service()
        return self.daemon(config, podman_url=self.podman.url, **how)

    def program(self, *command: str | Path, log: str) -> Program:
        """Any program on this host, in the background until the test ends."""
        program = Program([*self.netns.enter, *command], self.folder / log)
        self.cleanup.callback(program.stop)
        program.start()
        return program

    def reference_daemon(self) -> Program:
        """The daemon of Debian's own `dhcp` plugin, which hooknet replaces: the lab's yardstick."""
        socket = Path("/run/cni/dhcp.sock")
        socket.parent.mkdir(exist_ok=True)
        socket.unlink(missing_ok=True)
        program = self.program(DEBIAN_PLUGINS / "dhcp", "daemon", log="reference.log")
        self.cleanup.callback(socket.unlink, missing_ok=True)
        eventually(socket.is_socket, what="the reference's daemon listens")
        return program
