"""What podman is configured to do with CNI and netavark: containers.conf(5), as a rootful podman reads it.

The files, each over the one before: /usr/share/containers/containers.conf, /etc/containers/containers.conf, then
/etc/containers/containers.conf.d/*.conf by name. **A list replaces the list before it, whole**: so whoever wants to
put a directory first has to repeat the others, and the last file by name wins. Where CONTAINERS_CONF is set, podman
reads that file and no other.

Since podman 4.8 a list may hold `{append=true}`. It is then appended to the one before, **and so are those of all
files after it**, until one holds `{append=false}`. An older podman refuses such a file and does not start at all.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
NETAVARK_NETWORKS = Path("/etc/containers/networks")
ENDINGS = (".conflist", ".conf", ".json")
PLUGINS, DRIVERS = "cni_plugin_dirs", "netavark_plugin_dirs"
TABLES_SINCE = (4, 8)
"""The podman from which on a list may hold `{append=true}`."""

TEXT = """\
# Written by `hooknet install --drop-in`, and removed by `hooknet uninstall`.
# podman takes the CNI plugins `macvlan` and `dhcp` from the first directory that has them: hooknet's.
# A list in this place replaces the lists of other files, so those that were configured before are repeated here.
# Did you change them elsewhere? Run `hooknet install` again.
[network]
cni_plugin_dirs = [
{directories}]
"""


@dataclass(frozen=True, slots=True)
class Directories:
    """A list of directories. origin: the last file that says something of it, None: podman's default.

    replaced_by: the last file whose list is not appended by itself. appends: what comes next is appended.
    """

    paths: tuple[Path, ...]
    origin: Path | None = None
    replaced_by: Path | None = None
    appends: bool = False

    def followed_by(self, listed: Sequence[object], path: Path) -> Directories:
        """With the list of a later file."""
        tables = [
            one["append"] for one in listed if isinstance(one, dict) and isinstance(one.get("append"), bool)
        ]
        appends = tables[-1] if tables else self.appends
        paths = tuple(Path(one) for one in listed if isinstance(one, str))
        return Directories(
            (*self.paths, *paths) if appends else paths,
            path,
            self.replaced_by if tables and appends else path,
            appends,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersConf:
    """The settings, and which file each comes from (None: podman's default).

    plugins: where CNI's plugins are looked for; drivers: netavark's. networks: where CNI's are kept. backend: ""
    where nothing is configured: podman then decides when it first runs. problems: file and what is wrong.
    with_tables: files that a podman before 4.8 refuses, and the key.
    """

    plugins: Directories = Directories(DEFAULT_PLUGIN_DIRS)
    drivers: Directories = Directories(DEFAULT_DRIVER_DIRS)
    networks: Path = DEFAULT_NETWORKS
    backend: str = ""
    backend_from: Path | None = None
    problems: tuple[tuple[Path, str], ...] = ()
    with_tables: tuple[tuple[Path, str], ...] = ()

    @property
    def plugin_dirs(self) -> tuple[Path, ...]:
        return self.plugins.paths

    @property
    def netavark_networks(self) -> Path:
        """Where podman keeps those of netavark: network_config_dir counts for both back ends."""
        return NETAVARK_NETWORKS if self.networks == DEFAULT_NETWORKS else self.networks

    @property
    def network_dirs(self) -> tuple[Path, ...]:
        """Where podman keeps networks, under either back end."""
        return tuple(dict.fromkeys((self.networks, self.netavark_networks)))

    @property
    def driver_dirs(self) -> tuple[Path, ...]:
        return self.drivers.paths


def files(root: Root, environ: Mapping[str, str]) -> list[Path]:
    """Which files podman reads, in order."""
    if chosen := environ.get(VARIABLE):
        return [Path(chosen).absolute()]
    parts = [PARTS / name for name in root.names(PARTS) if name.endswith(".conf")]
    return [path for path in (VENDOR, MAIN, *parts) if root.exists(path)]


def read(root: Root, paths: Sequence[Path]) -> ContainersConf:
    """What follows from these files."""
    conf = ContainersConf()
    for path in paths:
        try:
            network = tomllib.loads(root.text(path) or "").get("network", {})
        except tomllib.TOMLDecodeError as error:
            conf = replace(conf, problems=(*conf.problems, (path, f"it is not valid TOML: {error}")))
            continue
        if isinstance(network, dict):
            conf = with_network(conf, network, path)
        else:
            conf = replace(conf, problems=(*conf.problems, (path, "network is not a table")))
    return conf


def with_network(conf: ContainersConf, network: Mapping[str, Any], path: Path) -> ContainersConf:
    """The settings with those of one [network] over them."""
    if isinstance(listed := network.get(PLUGINS), list):
        conf = replace(conf, plugins=conf.plugins.followed_by(listed, path))
    if isinstance(listed := network.get(DRIVERS), list):
        conf = replace(conf, drivers=conf.drivers.followed_by(listed, path))
    for key, value in network.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            conf = replace(conf, with_tables=(*conf.with_tables, (path, key)))
    if isinstance(networks := network.get("network_config_dir"), str) and networks:
        conf = replace(conf, networks=Path(networks))
    if isinstance(backend := network.get("network_backend"), str) and backend:
        conf = replace(conf, backend=backend, backend_from=path)
    return conf


def with_first(first: Path, others: Directories) -> bytes:
    """Our part of the configuration: `first`, then the others. Where lists are being appended, this one ends that."""
    directories = [first, *(path for path in dict.fromkeys(others.paths) if path != first)]
    lines = [json.dumps(str(path)) for path in directories]
    if others.appends:
        lines.append("{append=false}")
    return TEXT.format(directories="".join(f"  {line},\n" for line in lines)).encode()


def networks(root: Root, folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each network configuration that can be read, and its file."""
    for path in network_files(root, folder):
        try:
            data = decoded(root, path)
        except ValueError:
            continue
        if isinstance(data, dict):
            yield path, data


def broken_networks(root: Root, folder: Path) -> Iterator[Path]:
    """Files that podman, too, can't read: a network that is missed may be in one."""
    for path in network_files(root, folder):
        try:
            decoded(root, path)
        except ValueError:
            yield path


def network_files(root: Root, folder: Path) -> Iterator[Path]:
    return (folder / name for name in root.names(folder) if name.endswith(ENDINGS))


def decoded(root: Root, path: Path) -> object:
    """What a file holds; None for a link that leads nowhere. Raises ValueError for what is no JSON."""
    text = root.text(path)
    try:
        return None if text is None else json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def is_netavarks(network: Mapping[str, Any]) -> bool:
    """Whether it is a network of netavark's; else it is one of CNI's, which may lie in the same folder."""
    return "driver" in network and "id" in network


def plugins_of(network: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The chain; a file without a list is a chain of one."""
    listed = network.get("plugins", [network])
    return [plugin for plugin in listed if isinstance(plugin, dict)] if isinstance(listed, list) else []


def part(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object within; an empty one for what is none: such a network is somebody else's to mend."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}
