"""CNI networks that stay CNI networks.

One of `macvlan` with `ipam: dhcp` becomes one of `hooknet`: interface and lease from one hand. Any other main plugin
with `ipam: dhcp` (`bridge`, `ipvlan`) keeps its type, and its addresses come from hooknet. Everything else stays as
it was: chained plugins, keys, the file's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hooknet.cni.netconf import read_netconf
from hooknet.install.containers_conf import part, plugins_of
from hooknet.migrate.moves import DEFAULT, DHCP, Move, as_json, told_of
from hooknet.shim.install import PLUGIN

RESTART = (
    "restart its containers (podman restart NAME); what the reference's dhcp daemon leased for them runs out by "
    "itself"
)


def in_place(path: Path, data: dict[str, Any]) -> Move | None:
    """None for a network that does not lease by DHCP. Raises BAD_CONFIG for what hooknet could not serve."""
    becomes = [_plugin(plugin) for plugin in plugins_of(data)]
    says = tuple(said for _, said in becomes if said)
    if not says:
        return None
    changed = [plugin for plugin, _ in becomes]
    with told_of(data["name"]):
        for plugin in (plugin for plugin, said in becomes if said):
            read_netconf(PLUGIN, {"cniVersion": data.get("cniVersion"), "name": data["name"]} | plugin, {})
    wanted = data | {"plugins": changed} if "plugins" in data else changed[0]
    return Move(data["name"], path, says, as_json(wanted), (RESTART,))


def _plugin(plugin: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a plugin's part becomes, and that in words; empty words where it stays."""
    ipam = part(plugin, "ipam")
    if ipam.get("type") != DHCP:
        return plugin, ""
    rest = {key: value for key, value in ipam.items() if key not in {"type", "daemonSocketPath"}}
    if plugin.get("type") == "macvlan":
        others = {key: value for key, value in plugin.items() if key != "ipam"}
        ours = others | {"type": PLUGIN} | ({"ipam": {"type": PLUGIN} | rest} if rest else {})
        return ours, f"macvlan on {plugin.get('master') or DEFAULT} with dhcp becomes {PLUGIN}"
    return plugin | {
        "ipam": {"type": PLUGIN} | rest
    }, f"{plugin.get('type')} stays, and its ipam becomes {PLUGIN}"
