"""A podman in a world of its own: mounts, processes, ipc (podman's locks) and network are private and end
with it.

Nothing in it reaches the machine's podman, its interfaces or its namespaces' names. The API service listens
on a socket in the world's folder, which can be reached from outside. Containers join the network `lan`
through a CNI plugin that only writes down what it was asked, and waits while the file `hold` is a FIFO that
nobody wrote to.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

NEEDED = ("podman", "runc", "busybox", "unshare", "nsenter")
DEADLINE = 30  # seconds
COMMAND_TIMEOUT = 60
APPLETS = ("sh", "sleep", "true")

PREPARE = """
for folder in /dev/shm /run/netns /run/containers /run/lock /var/lib/cni; do
  mkdir -p $folder && mount -t tmpfs hooknet-lab $folder
done
echo ready
exec sleep infinity
"""

PLUGIN = """#!/bin/sh
stdin=$(cat)
case $CNI_COMMAND in
  VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}';;
  *) echo "$CNI_COMMAND $CNI_ARGS $CNI_CONTAINERID" >> FOLDER/asked
     [ $CNI_COMMAND = ADD ] && [ -p FOLDER/hold ] && read go < FOLDER/hold
     [ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"0.4.0"}'
     true;;
esac
"""

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["FOLDER/plugins"]
network_config_dir = "FOLDER/net.d"
"""


def missing() -> str:
    """What this machine lacks for a world, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = [program for program in NEEDED if shutil.which(program) is None]
    return f"needs {', '.join(lacking)}" if lacking else ""


class World:
    """`with World(folder) as world:`; `world.podman(...)` runs podman in it and gives what it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/podman.sock"
        self._holder: subprocess.Popen[str] | None = None
        self._service: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Self:
        self._write_configuration()
        options = "--mount --pid --ipc --net --fork --kill-child=SIGKILL --mount-proc --propagation private"
        self._holder = subprocess.Popen(
            ["unshare", *options.split(), "sh", "-c", PREPARE], stdout=subprocess.PIPE, text=True
        )
        try:
            assert self._holder.stdout.readline() == "ready\n"
            pid = self._holder.pid
            self._init = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            self._import_image()
            self.start_service()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.let_go()
            self.podman("pod", "rm", "--force", "--all", "--time", "0")
            self.podman("rm", "--force", "--all", "--time", "0")
        self.kill_service()
        self._holder.kill()
        self._holder.wait(DEADLINE)
        self._holder.stdout.close()

    def podman(self, *args: str) -> str:
        done = subprocess.run(
            self._inside(args), capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(args)}: {done.stderr}"
        return done.stdout.strip()

    def begin(self, *args: str) -> subprocess.Popen[bytes]:
        """Start podman in the world and don't wait for it."""
        return subprocess.Popen(self._inside(args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_service(self) -> None:
        self._service = self.begin("system", "service", "--time", "0", self.url)
        self.until(lambda: Path(self.url.removeprefix("unix://")).is_socket())

    def kill_service(self) -> None:
        """SIGKILL, as an out-of-memory killer would; the socket's file stays."""
        if self._service is None:
            return
        children = Path(f"/proc/{self._service.pid}/task/{self._service.pid}/children").read_text().split()
        for pid in (*map(int, children), self._service.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._service.wait(DEADLINE)
        self._service = None
        Path(self.url.removeprefix("unix://")).unlink(missing_ok=True)

    def hold_adds(self) -> None:
        """From now on ADDs do not return, until `let_go`."""
        os.mkfifo(self.folder / "hold")

    def let_go(self) -> None:
        """Let the ADDs that are held go on, and those that come."""
        hold = self.folder / "hold"
        if hold.exists():
            with contextlib.suppress(OSError):
                descriptor = os.open(hold, os.O_WRONLY | os.O_NONBLOCK)
                os.write(descriptor, b"go\n")
                os.close(descriptor)
            hold.unlink()

    def asked(self) -> list[tuple[str, dict[str, str], str]]:
        """What the plugin was asked: verb, CNI_ARGS, container id."""
        path = self.folder / "asked"
        rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(verb, dict(arg.split("=", 1) for arg in args.split(";")), who) for verb, args, who in rows]

    def until(self, condition) -> None:
        """Wait for a condition of the world, with a deadline."""
        deadline = time.monotonic() + DEADLINE
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "the world did not get there in time"
            pause.wait(0.01)

    def _inside(self, args: tuple[str, ...]) -> list[str]:
        folder = self.folder
        stores = f"--root {folder}/root --runroot {folder}/run --tmpdir {folder}/tmp --storage-driver vfs"
        enter = f"nsenter --target {self._init} --mount --pid --ipc --net"
        return [
            *enter.split(),
            "env",
            f"CONTAINERS_CONF={folder}/containers.conf",
            "podman",
            *stores.split(),
            *args,
        ]

    def _write_configuration(self) -> None:
        for name in ("plugins", "net.d"):
            (self.folder / name).mkdir(parents=True)
        plugin = self.folder / "plugins" / "spy"
        plugin.write_text(PLUGIN.replace("FOLDER", str(self.folder)))
        plugin.chmod(0o755)
        network = {"cniVersion": "0.4.0", "name": "lan", "plugins": [{"type": "spy"}]}
        (self.folder / "net.d" / "lan.conflist").write_text(json.dumps(network))
        conf = CONTAINERS_CONF.replace("FOLDER", str(self.folder))
        (self.folder / "containers.conf").write_text(conf)

    def _import_image(self) -> None:
        bin_folder = self.folder / "box" / "bin"
        bin_folder.mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), bin_folder / "busybox")
        for applet in APPLETS:
            (bin_folder / applet).symlink_to("busybox")
        archive = shutil.make_archive(str(self.folder / "box"), "tar", self.folder / "box")
        self.podman("import", "--change", "CMD sleep 1000", archive, "localhost/box")
