"""A host that systemd boots: PID 1 of its own, over this machine's files, with hooknet in /opt as people install it.

Its root is an overlay: what it changes lies in the lab's folder, outlives a reboot, and goes with the lab. Of this
machine's enabled services none is started. The LANs are those of a `Host`, whose network namespace it boots in, so a
reboot keeps its cables. podman runs inside, with its configuration where podman itself looks for it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import uuid
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import world
from lab.podman import CGROUP, IDLE, IMAGE
from lab.process import TIMEOUT, Program, run
from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lab.host import Host

BOOT_ID = "/proc/sys/kernel/random/boot_id"
"""A kernel's, and this one is not booted anew: units that start hooknet are shown another one after each boot."""

DAEMONS = ("hooknet.service", "io.podman.dhcp.service")

SYSTEMD = Path("/lib/systemd/systemd")
BOOT = Path(__file__).with_name("boot")
SOURCE = Path(__file__).resolve().parents[3]
HOOKNET = "/opt/hooknet/bin/hooknet"
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup")
BOOTS_WITHIN = 30.0
UP = frozenset({"running", "degraded"})
STARTING = UP | {"starting"}
MASKED = (
    "getty.target",
    "console-getty.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
)
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
pids_limit = 0
[network]
network_backend = "cni"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
STORAGE_CONF = """\
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
[storage.options]
additionalimagestores = ["{images}"]
"""

numbers = itertools.count(1)


class Machine:
    """Boots when `boot()` is called; `reboot()` and `power_off()` are those of a cut cable: nothing is asked."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.name = f"machine{next(numbers)}"
        self.tree = world.FOLDER / self.name
        self.changes = self.tree / "changes"
        self.cgroup = unified() / CGROUP.lstrip("/") / self.name
        self.boots = 0
        self.program: Program | None = None
        self.follower: Program | None = None
        self._furnish()
        host.cleanup.callback(shutil.rmtree, self.tree)
        host.cleanup.callback(self.power_off)

    # power

    def boot(self, *, until: Collection[str] = UP) -> None:
        """Up to the point where systemd has started everything, or to another of its states."""
        self.boots += 1
        self.cgroup.mkdir(parents=True, exist_ok=True)
        (self.tree / "boot-id").write_text(f"{uuid.uuid4()}\n")
        inside = f"echo $$ >{self.cgroup}/cgroup.procs && exec unshare"
        unshare = [*NAMESPACES, "--fork", "--kill-child=SIGKILL", "--propagation=private"]
        start = [BOOT, self.tree, world.FOLDER, SOURCE]
        command: list[str | Path] = [
            *self.host.netns.enter,
            "sh",
            "-c",
            f'{inside} "$@"',
            "boot",
            *unshare,
            "--",
            *start,
        ]
        self.program = Program(command, self.host.folder / f"{self.name}-boot{self.boots}.log")
        self.program.start()
        eventually(
            lambda: self._is_up(until),
            within=BOOTS_WITHIN,
            what=f"systemd is up, see {self.program.log.path.name}",
        )
        follow = [*self.enter, "journalctl", "--follow", "--lines=all", "-o", "short-precise"]
        self.follower = Program(follow, self.host.folder / f"{self.name}-journal{self.boots}.log")
        self.follower.start()

    def power_off(self) -> None:
        if self.program is None:
            return
        self.program.kill()
        self.program = None
        if self.follower is not None:
            self.follower.kill()
        eventually(lambda: "populated 0" in (self.cgroup / "cgroup.events").read_text(), within=20)
        for folder in sorted(self.cgroup.glob("**/"), key=lambda path: -len(path.parts)):
            folder.rmdir()
        shutil.rmtree(self.tree / "work", ignore_errors=True)

    def reboot(self, *, until: Collection[str] = UP) -> None:
        """As by a power cut: volatile files, processes and network namespaces are gone."""
        self.power_off()
        self.boot(until=until)

    # commands

    def __call__(
        self, *command: str | Path, check: bool = True, stdin: str | None = None, timeout: float = TIMEOUT
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return run([*self.enter, *command], check=check, stdin=stdin, timeout=timeout)

    @property
    def enter(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--all", "--"]

    @property
    def pid(self) -> int:
        """Of its systemd, as seen from the world."""
        assert self.program is not None, "it is not powered"
        return int(run(["pgrep", "-P", str(self.program.pid)]).stdout)

    def systemctl(self, *words: str, check: bool = True) -> str:
        return self("systemctl", *words, check=check).stdout.strip()

    def is_active(self, unit: str) -> bool:
        return self.systemctl("is-active", unit, check=False) == "active"

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.systemctl("show", "--value", f"--property={name}", unit)

    def journal(self, unit: str = "hooknet") -> str:
        return self("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False).stdout

    def hooknet(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self(HOOKNET, *words, check=check)

    def install(self, *words: str) -> str:
        """`hooknet install`: what it said."""
        return self.hooknet("install", *words).stdout

    def leases(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.hooknet("leases", "--format", "json").stdout)["leases"]
        return rows

    def podman(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self("podman", *words, check=check)

    def start(self, name: str, *words: str, network: str, command: Sequence[str] = IDLE) -> IPv4Address:
        """A container in the background; its address."""
        self.podman("run", "-d", f"--name={name}", f"--network={network}", *words, IMAGE, *command)
        return self.address(name)

    def address(self, name: str) -> IPv4Address:
        """The address that a container sees."""
        words = self.podman("exec", name, "ip", "-4", "-o", "addr", "show", "eth0").stdout.split()
        assert "inet" in words, f"{name} has no address"
        return IPv4Interface(words[words.index("inet") + 1]).ip

    def path(self, path: str) -> Path:
        """A file inside, seen from the world."""
        return Path(f"/proc/{self.pid}/root{path}")

    # what it is made of

    def _is_up(self, states: Collection[str]) -> bool:
        assert self.program is not None
        assert self.program.alive, self.program.log.text()
        return self.systemctl("is-system-running", check=False) in states

    def _furnish(self) -> None:
        """The files that differ from this machine's, before the first boot."""
        units = self.changes / "etc/systemd/system"
        units.mkdir(parents=True)
        opaque(units)
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        for unit in MASKED:
            (units / unit).symlink_to("/dev/null")
        for unit in DAEMONS:
            another_boot = units / f"{unit}.d" / "10-boot-id.conf"
            another_boot.parent.mkdir()
            another_boot.write_text(f"[Service]\nBindReadOnlyPaths={self.tree}/boot-id:{BOOT_ID}\n")
        containers = self.changes / "etc/containers"
        containers.mkdir()
        opaque(containers)
        (containers / "containers.conf").write_text(CONTAINERS_CONF)
        (containers / "storage.conf").write_text(STORAGE_CONF.format(images=self.host.images))
        shutil.copy("/etc/containers/policy.json", containers)
        (self.changes / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        (self.changes / "etc/fstab").write_text("")
        make_venv(self.changes / "opt/hooknet")


def opaque(folder: Path) -> None:
    """Hide what the layer below has in this folder (overlayfs, trusted.overlay.opaque)."""
    os.setxattr(folder, "trusted.overlay.opaque", b"y")


def make_venv(folder: Path) -> None:
    """hooknet as `python3 -m venv` and pip leave it, on the clone's own packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.base_prefix, "bin", version)
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    (folder / "bin/python").symlink_to(python)
    checkout = Path("/opt/hooknet/checkout")
    installed = Path(sys.prefix).relative_to(SOURCE) / "lib" / version / "site-packages"
    seen = [checkout, checkout / "plugins", checkout / installed]
    (packages / "checkout.pth").write_text("".join(f"{path}\n" for path in seen))
    command = folder / "bin/hooknet"
    command.write_text(
        "#!/opt/hooknet/bin/python\nimport sys\nfrom hooknet.cli.main import main\nsys.exit(main())\n"
    )
    command.chmod(0o755)


def unified() -> Path:
    """Where cgroup2 is: all of /sys/fs/cgroup, or a part of it (hybrid)."""
    both = Path("/sys/fs/cgroup/unified")
    return both if both.is_dir() else Path("/sys/fs/cgroup")
