"""Real podman 5 with netavark, unpatched from Debian trixie, on a host of the lab, in another root.

The root lies in .cache/trixie (script/lib/podman5.sh makes it) and stays as it is: an overlay takes what is
written. Its processes see the world's own /run, so network namespaces, sockets and containers' state are the same
on both sides; hooknet's daemon runs on this side, as Debian 12 has it. `podman exec` needs a real root: a chroot
will not do, so the other side is a mount namespace with pivot_root in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.netavark import NetavarkPodman
from lab.process import Program, run
from lab.wait import eventually

if TYPE_CHECKING:
    from lab.host import Host

ROOT = Path(__file__).resolve().parents[3] / ".cache" / "trixie"
PROXY_SOCKET = Path("/run/podman/nv-proxy.sock")

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


class Podman5(NetavarkPodman):
    """`shim`: hooknet's, installed as netavark's driver `hooknet`; None for a podman that knows nothing of it."""

    def __init__(self, host: Host, shim: Path | None) -> None:
        self.host = host
        self.root = self._enter_root()
        super().__init__(host, host.folder / "podman5", shim)

    def _enter_root(self) -> Program:
        propagation = run(["findmnt", "-no", "PROPAGATION", "/run/netns"]).stdout.split()
        assert propagation[-1:] == ["shared"], "the lab has made its namespaces"  # the last mount is on top
        propagation = run(["findmnt", "-no", "PROPAGATION", "/run"]).stdout.split()
        # one for each world around us
        assert set(propagation) == {"private"}, "mounts of the other side stay there"
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

    def netavark_proxy(self) -> Program:
        """netavark's own dhcp-proxy, the yardstick of the other door."""
        PROXY_SOCKET.unlink(missing_ok=True)
        command = [*self.enter, "/usr/lib/podman/netavark", "dhcp-proxy", "-a", "0"]
        program = Program(command, self.folder / "proxy.log")
        self.cleanup.callback(program.stop)
        program.start()
        eventually(PROXY_SOCKET.exists, what="netavark's proxy listens")
        return program
