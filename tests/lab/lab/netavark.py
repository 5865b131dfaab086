"""podman with the netavark back end, and hooknet as its driver: what podman 5 is everywhere.

`podman network create -d hooknet` finds the driver in a folder of this podman's own; nothing of the machine's
configuration is read.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from lab.podman import Podman, environment, write_storage_conf
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab.host import Host

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


def has_netavark(folder: Path) -> bool:
    """Whether this machine's podman runs netavark."""
    folder.mkdir(parents=True)
    write_storage_conf(folder)
    write_containers_conf(folder, folder)
    try:
        done = run(["podman", "info", "-f", "{{.Host.NetworkBackend}}"], env=environment(folder), check=False)
    except FileNotFoundError:
        return False
    return done.stdout.strip() == "netavark"


class NetavarkPodman(Podman):
    """`shim`: hooknet's, installed as netavark's driver `hooknet`; None for a podman that knows nothing of it."""

    def __init__(self, host: Host, folder: Path, shim: Path | None) -> None:
        self.plugins = host.folder / "netavark"
        self.plugins.mkdir()
        if shim is not None:
            shutil.copy(shim, self.plugins / "hooknet")
        (folder / "networks").mkdir(parents=True)
        super().__init__(host.netns, folder, host.images, host.cleanup)

    def use_plugins(self, *folders: Path) -> None:
        """CNI's folders mean nothing here: netavark's drivers lie in one of our own."""
        write_containers_conf(self.folder, self.plugins)

    def network(
        self, name: str, *, driver: str = "hooknet", parent: str = "host0", options: Sequence[str] = ()
    ) -> None:
        """`podman network create`."""
        more = ["--ipam-driver=dhcp"] if driver == "macvlan" else []
        words = [word for option in (f"parent={parent}", *options) for word in ("-o", option)]
        self("network", "create", "-d", driver, *more, *words, name)


def write_containers_conf(folder: Path, plugins: Path) -> None:
    text = CONTAINERS_CONF.format(plugin_dirs=json.dumps([str(plugins)]), folder=folder)
    (folder / "containers.conf").write_text(text, encoding="utf-8")
