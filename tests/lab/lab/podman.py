"""Real podman, with everything of its own: storage, locks, events, configuration.

It runs in a host's network namespace with the CNI back end. The image `localhost/box` (a static busybox) lies
in a read-only image store that is made once per run and shared, so a fresh podman costs 30 ms. Containers die
with the world; their control groups carry the world's name, by which script/world removes them.
"""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.process import Program, run
from lab.wait import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from contextlib import ExitStack

    from lab.netns import Netns

IMAGE = "localhost/box"
APPLETS = (
    "sh",
    "ip",
    "sleep",
    "cat",
    "ls",
    "ps",
    "ping",
    "udhcpc",
    "wget",
    "nslookup",
    "hostname",
    "nc",
    "arping",
    "true",
    "env",
    "echo",
    "kill",
)
IDLE = ("sleep", "3600")
DEBIAN_PLUGINS = Path("/usr/lib/cni")
CGROUP = "/" + os.environ.get("HOOKNET_WORLD", "hooknet-lab")
MAKES_CGROUP = {("run",), ("create",), ("pod", "create")}

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[network]
network_backend = "{backend}"
cni_plugin_dirs = {plugin_dirs}
network_config_dir = "{folder}/net.d"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
tmp_dir = "{folder}/tmp"
"""

STORAGE_CONF = """\
[storage]
driver = "vfs"
graphroot = "{root}/root"
runroot = "{root}/run"
[storage.options]
additionalimagestores = [{images}]
"""


class Container:
    """A container that podman runs, as a test sees it."""

    def __init__(self, podman: Podman, name: str, container_id: str) -> None:
        self.podman = podman
        self.name = name
        self.id = container_id

    def exec(self, *command: str, check: bool = True) -> str:
        return self.podman("exec", self.name, *command, check=check).stdout

    def address(self, ifname: str = "eth0") -> IPv4Address:
        """The IPv4 address that the container itself sees on the interface."""
        return self.interface(ifname).ip

    def interface(self, ifname: str = "eth0") -> IPv4Interface:
        words = self.exec("ip", "-4", "-o", "addr", "show", ifname).split()
        assert "inet" in words, f"{self.name} has no address on {ifname}"
        return IPv4Interface(words[words.index("inet") + 1])

    def inspect(self) -> dict[str, Any]:
        """What podman says of the container. Blocks while an ADD runs: podman holds the container's lock."""
        description: list[dict[str, Any]] = json.loads(self.podman("inspect", self.name).stdout)
        return description[0]

    def netns(self) -> Path:
        return Path(self.inspect()["NetworkSettings"]["SandboxKey"])

    def rm(self) -> None:
        self.podman("rm", "-f", "-t", "0", self.name)


class Podman:
    """Call it like the command, `podman("run", "--rm", …)`, or use the methods for what tests often do."""

    def __init__(self, netns: Netns, folder: Path, images: Path, cleanup: ExitStack) -> None:
        self.netns = netns
        self.folder = folder
        self.net_d = folder / "net.d"
        self.net_d.mkdir(parents=True)
        self.cleanup = cleanup
        self.plugin_dirs: tuple[Path, ...] = ()
        self.socket = folder / "podman.sock"
        write_storage_conf(folder, images)
        self.use_plugins(DEBIAN_PLUGINS)

    @property
    def url(self) -> str:
        """Where `service()` listens."""
        return f"unix://{self.socket}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes any `podman` of this world this one."""
        return environment(self.folder)

    @property
    def command(self) -> list[str]:
        return [*self.netns.enter, "podman"]

    def use_plugins(self, *folders: Path) -> None:
        """Where podman finds CNI plugins; the first folder that has one wins."""
        self.plugin_dirs = folders
        write_containers_conf(self.folder, *folders)

    def __call__(
        self, *words: str, check: bool = True, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        return run(
            [*self.command, *in_our_cgroup(words)], check=check, env=environment(self.folder), timeout=timeout
        )

    def background(self, *words: str, log: str = "background.log") -> Program:
        """The same, in the background."""
        program = Program(
            [*self.command, *in_our_cgroup(words)], self.folder / log, env=environment(self.folder)
        )
        self.cleanup.callback(program.stop)
        program.start()
        return program

    def run(self, *words: str, network: str = "none", command: Sequence[str] = ()) -> str:
        """`podman run --rm`: what the command in the container printed."""
        return self("run", "--rm", f"--network={network}", *words, IMAGE, *command).stdout

    def start(
        self, name: str, *words: str, network: str = "none", command: Sequence[str] = IDLE
    ) -> Container:
        """A container in the background that idles until it is removed, at the latest after the test."""
        self.cleanup.callback(self, "rm", "-f", "-i", "-t", "0", name, check=False)
        done = self("run", "-d", f"--name={name}", f"--network={network}", *words, IMAGE, *command)
        return Container(self, name, done.stdout.strip())

    def container(self, name: str) -> Container:
        return Container(self, name, self("inspect", "-f", "{{.Id}}", name).stdout.strip())

    def service(self) -> Program:
        """Podman's REST API on `url`, until the test ends."""
        program = self.background("system", "service", "--time=0", self.url, log="service.log")
        eventually(self.socket.exists, what="podman's service listens")
        return program


def has_cni(folder: Path) -> str | None:
    """None when this machine's podman can use CNI plugins; else why not (podman 5 is mostly built without)."""
    folder.mkdir(parents=True)
    write_storage_conf(folder)
    write_containers_conf(folder, DEBIAN_PLUGINS)
    try:
        done = run(["podman", "info", "-f", "{{.Host.NetworkBackend}}"], env=environment(folder), check=False)
    except FileNotFoundError:
        return "there is no podman"
    return None if done.stdout.strip() == "cni" else (done.stderr.strip() or "podman has no CNI back end")


def make_image_store(folder: Path, *, backend: str = "cni") -> Path:
    """A store that holds the one image; other stores read from it. `backend`: one that this podman has."""
    tree = folder / "tree"
    for name in ("bin", "etc", "proc", "sys", "tmp", "dev", "run"):
        (tree / name).mkdir(parents=True)
    (tree / "bin/busybox").write_bytes(busybox().read_bytes())
    (tree / "bin/busybox").chmod(0o755)
    for applet in APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")
    archive = folder / "box.tar"
    run(["tar", "-C", tree, "-cf", archive, "."])
    write_storage_conf(folder)
    write_containers_conf(folder, DEBIAN_PLUGINS, backend=backend)
    run(["podman", "import", archive, IMAGE], env=environment(folder))
    return folder / "root"


def environment(folder: Path) -> dict[str, str]:
    return {
        "CONTAINERS_CONF": f"{folder}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
    }


def write_containers_conf(folder: Path, *plugin_dirs: Path, backend: str = "cni") -> None:
    quoted = json.dumps([str(plugins) for plugins in plugin_dirs])
    text = CONTAINERS_CONF.format(plugin_dirs=quoted, folder=folder, backend=backend)
    (folder / "containers.conf").write_text(text, encoding="utf-8")


def write_storage_conf(folder: Path, *images: Path) -> None:
    quoted = ", ".join(json.dumps(str(store)) for store in images)
    (folder / "storage.conf").write_text(STORAGE_CONF.format(root=folder, images=quoted), encoding="utf-8")


def in_our_cgroup(words: Sequence[str]) -> list[str]:
    """The same command, its container under the world's control group."""
    for verb in MAKES_CGROUP:
        if tuple(words[: len(verb)]) == verb:
            return [*verb, f"--cgroup-parent={CGROUP}", *words[len(verb) :]]
    return list(words)


def busybox() -> Path:
    """Debian's busybox-static; `busybox` alone would need a C library in the image."""
    found = next((path for path in map(Path, ("/bin/busybox", "/usr/bin/busybox")) if path.exists()), None)
    if found is None:
        raise FileNotFoundError("busybox is not here: install busybox-static")
    return found
