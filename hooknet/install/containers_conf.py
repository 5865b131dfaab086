"""What podman is configured to do with CNI: containers.conf(5), as a rootful podman reads it.

The files, each over the one before: /usr/share/containers/containers.conf, /etc/containers/containers.conf, then
/etc/containers/containers.conf.d/*.conf by name. **A list replaces the list before it, whole**: so whoever wants to
put a directory first has to repeat the others, and the last file by name wins. Where CONTAINERS_CONF is set, podman
reads that file and no other.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hooknet.install.root import Root

VENDOR = Path("/usr/share/containers/containers.conf")
MAIN = Path("/etc/containers/containers.conf")
PARTS = Path("/etc/containers/containers.conf.d")
OURS = PARTS / "zz-hooknet.conf"
"""The name sorts behind any number, for the last file wins."""

VARIABLE = "CONTAINERS_CONF"
DEFAULT_PLUGIN_DIRS = tuple(
    Path(path)
    for path in (
        "/usr/local/libexec/cni",
        "/usr/libexec/cni",
        "/usr/local/lib/cni",
        "/usr/lib/cni",
        "/opt/cni/bin",
    )
)
DEFAULT_DRIVER_DIRS = tuple(
    Path(path)
    for path in (
        "/usr/local/libexec/netavark",
        "/usr/libexec/netavark",
        "/usr/local/lib/netavark",
        "/usr/lib/netavark",
    )
)
DEFAULT_NETWORKS = Path("/etc/cni/net.d")
LISTS = {
    "cni_plugin_dirs": ("plugin_dirs", DEFAULT_PLUGIN_DIRS),
    "netavark_plugin_dirs": ("driver_dirs", DEFAULT_DRIVER_DIRS),
}
"""The lists of directories: our name, and podman's default."""

TEXT = """\
# Written by `hooknet install --drop-in`, and removed by `hooknet uninstall`.
# podman takes the CNI plugins `macvlan` and `dhcp` from the first directory that has them: hooknet's.
# A list in this place replaces the lists of other files, so those that were configured before are repeated here.
# Did you change them elsewhere? Run `hooknet install` again.
[network]
cni_plugin_dirs = [
{directories}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersConf:
    """The settings, and which file each comes from (None: podman's default).

    driver_dirs: where netavark looks for its drivers. backend: "" where nothing is configured: podman then decides
    when it first runs. problems: file and what is wrong.
    """

    plugin_dirs: tuple[Path, ...] = DEFAULT_PLUGIN_DIRS
    plugin_dirs_from: Path | None = None
    driver_dirs: tuple[Path, ...] = DEFAULT_DRIVER_DIRS
    networks: Path = DEFAULT_NETWORKS
    backend: str = ""
    backend_from: Path | None = None
    problems: tuple[tuple[Path, str], ...] = ()


def files(root: Root, environ: Mapping[str, str]) -> list[Path]:
    """Which files podman reads, in order."""
    if chosen := environ.get(VARIABLE):
        return [Path(chosen).absolute()]
    parts = [PARTS / name for name in root.names(PARTS) if name.endswith(".conf")]
    return [path for path in (VENDOR, MAIN, *parts) if root.exists(path)]


def read(root: Root, paths: Sequence[Path]) -> ContainersConf:
    """What follows from these files."""
    found: dict[str, Any] = {}
    problems: list[tuple[Path, str]] = []
    for path in paths:
        try:
            data = tomllib.loads(root.text(path) or "")
        except tomllib.TOMLDecodeError as error:
            problems.append((path, f"it is not valid TOML: {error}"))
            continue
        network = data.get("network", {})
        if not isinstance(network, dict):
            problems.append((path, "network is not a table"))
            continue
        problems += [(path, text) for text in take(network, path, found)]
    return ContainersConf(**found, problems=tuple(problems))


def take(network: Mapping[str, Any], path: Path, found: dict[str, Any]) -> Iterator[str]:
    """Put the settings of one [network] over those found so far; yields what is wrong with them."""
    for key, (name, default) in LISTS.items():
        if not isinstance(listed := network.get(key), list):
            continue
        appends = {"append": True} in listed
        before = found.get(name, default) if appends else ()
        found[name] = (*before, *(Path(one) for one in listed if isinstance(one, str)))
        if name == "plugin_dirs":
            found["plugin_dirs_from"] = path
        if appends:
            yield f"{key} holds {{append=true}}, which podman 4 refuses, and then it does not start at all"
    if isinstance(networks := network.get("network_config_dir"), str) and networks:
        found["networks"] = Path(networks)
    if isinstance(backend := network.get("network_backend"), str) and backend:
        found["backend"], found["backend_from"] = backend, path


def with_first(first: Path, others: Sequence[Path]) -> bytes:
    """Our part of the configuration: `first`, then the others."""
    directories = [first, *(path for path in dict.fromkeys(others) if path != first)]
    return TEXT.format(directories="".join(f"  {json.dumps(str(path))},\n" for path in directories)).encode()


def networks(root: Root, folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each network configuration that can be read, and its file."""
    for name in root.names(folder):
        if not name.endswith((".conflist", ".conf", ".json")):
            continue
        try:
            data = json.loads(root.text(folder / name) or "")
        except ValueError:
            continue
        if isinstance(data, dict):
            yield folder / name, data
