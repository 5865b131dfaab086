"""Real podman 5 with netavark, unpatched from Debian trixie, on a host of the lab: `Podman` in another root.

The root lies in .cache/trixie (script/lib/podman5.sh makes it) and stays as it is: an overlay takes what is
written. Its processes see the world's own /run, so network namespaces, sockets and containers' state are the same
on both sides; hooknet's daemon runs on this side, as Debian 12 has it. `podman exec` needs a real root: a chroot
will not do, so the other side is a mount namespace with pivot_root in it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lab.podman import Podman
from lab.process import Program, run
from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.host import Host

ROOT = Path(__file__).resolve().parents[3] / ".cache" / "trixie"
PROXY_SOCKET = Path("/run/podman/nv-proxy.sock")

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[network]
network_backend = "netavark"
netavark_plugin_dirs = {plugin_dirs}
network_config_dir = "{folder}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
"""

ENTER = """
set -e
root=$1 upper=$2 netns=$3 ready=$4
mkdir -p "$upper/up" "$upper/work"
mount -t overlay -o "lowerdir=$root,upperdir=$upper/up,workdir=$upper/work" overlay /mnt
cd /mnt
nsenter --net="$netns" mount -t sysfs sysfs sys
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /run run
mkdir -p .old
pivot_root . .old
mount --make-rprivate /.old
umount -l /.old
touch "$ready"
exec sleep infinity
"""
"""The world's mounts are private, so nothing that is mounted here is seen outside. The one exception is what
`ip netns add` makes of /run/netns: a shared mount, in which the namespaces of each side show up on the other."""


def missing() -> str | None:
    """Why there is no podman 5 here, with the remedy."""
    if (ROOT / "complete").exists():
        return None
    return f"there is no podman 5 in {ROOT.parent.name}/{ROOT.name}: script/test --long makes it"


class Podman5(Podman):
    """`shim`: hooknet's, installed as netavark's driver `hooknet`; None for a podman that knows nothing of it."""

    def __init__(self, host: Host, shim: Path | None) -> None:
        self.host = host
        self.plugins = host.folder / "netavark"
        self.plugins.mkdir()
        if shim is not None:
            shutil.copy(shim, self.plugins / "hooknet")
        self.root = self._enter_root()
        folder = host.folder / "podman5"
        (folder / "networks").mkdir(parents=True)
        super().__init__(host.netns, folder, host.images, host.cleanup)

    def _enter_root(self) -> Program:
        propagation = run(["findmnt", "-no", "PROPAGATION", "/run/netns"]).stdout.split()
        assert propagation == ["shared"], "the lab has made its namespaces"
        propagation = run(["findmnt", "-no", "PROPAGATION", "/run"]).stdout.split()
        assert propagation == ["private"], "mounts of the other side stay there"
        Path("/run/podman").mkdir(exist_ok=True)
        ready = self.host.folder / "ready"
        words: list[str | Path] = [ROOT, self.host.folder / "trixie", self.host.netns.path, ready]
        command = ["unshare", "--mount", "--propagation=unchanged", "sh", "-c", ENTER, "sh", *words]
        program = Program(command, self.host.folder / "trixie.log")
        self.host.cleanup.callback(program.stop)
        program.start()
        eventually(ready.exists, within=10, what="the other root is entered")
        return program

    @property
    def enter(self) -> list[str]:
        """What comes before a command on the other side, on this host."""
        return ["nsenter", f"--mount=/proc/{self.root.pid}/ns/mnt", f"--net={self.netns.path}", "--"]

    @property
    def command(self) -> list[str]:
        return [*self.enter, "podman"]

    def use_plugins(self, *folders: Path) -> None:
        """CNI's folders mean nothing here: netavark's drivers lie in one of our own."""
        text = CONTAINERS_CONF.format(plugin_dirs=json.dumps([str(self.plugins)]), folder=self.folder)
        (self.folder / "containers.conf").write_text(text, encoding="utf-8")

    def network(
        self, name: str, *, driver: str = "hooknet", parent: str = "host0", options: Sequence[str] = ()
    ) -> None:
        """`podman network create`."""
        more = ["--ipam-driver=dhcp"] if driver == "macvlan" else []
        words = [word for option in (f"parent={parent}", *options) for word in ("-o", option)]
        self("network", "create", "-d", driver, *more, *words, name)

    def netavark_proxy(self) -> Program:
        """netavark's own dhcp-proxy, the yardstick of the other door."""
        PROXY_SOCKET.unlink(missing_ok=True)
        command = [*self.enter, "/usr/lib/podman/netavark", "dhcp-proxy", "-a", "0"]
        program = Program(command, self.folder / "proxy.log")
        self.cleanup.callback(program.stop)
        program.start()
        eventually(PROXY_SOCKET.exists, what="netavark's proxy listens")
        return program
