"""libcni's own note of what it attached, by which an attachment can be known again when our journal is lost.

Every runtime that uses libcni (podman, CRI-O, cnitool) keeps one file per attachment from its ADD to its DEL, in
/var/lib/cni/results: the whole configuration list, CNI_ARGS, and the result. From that the ADD can be said once
more, as we were asked: the plugin of ours in the list, its part of the configuration with what the runtime put in
(`runtimeConfig`), and the environment.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

from hooknet.cni.check import addresses_on, interface_in
from hooknet.cni.document import Section, decode
from hooknet.cni.netconf import OUR_IPAM, OUR_MAIN
from hooknet.cni.request import CniRequest, parse
from hooknet.cni.result import parse_result
from hooknet.cni.versions import OLDEST, Verb

KIND = "cniCacheV1"
NOTE = "a note of libcni's"
OURS_ALONE = "hooknet"


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedAdd:
    """An ADD of ours, said once more. address: what the runtime was told, None where nothing was.

    by_name: the configuration says `hooknet`; else it says `macvlan` or `dhcp`, and those may be somebody else's.
    """

    request: CniRequest
    address: IPv4Interface | None = None
    by_name: bool = True


def read_note(raw: bytes) -> RememberedAdd | None:
    """The ADD of ours in a note. None: the note is of other plugins. Raises HooknetError when it can't be read."""
    note = Section(decode(raw, NOTE), NOTE)
    if note.text("kind") != KIND:
        return None
    config = Section(_config(note), "config")
    found = _our_plugin(config)
    if found is None:
        return None
    plugin, part, by_name = found
    version = config.text("cniVersion") or OLDEST
    result = parse_result(note.section("result").data, version, "result")
    ifname = note.text("ifName")
    interface = interface_in(result, ifname)
    env = {
        "CNI_COMMAND": Verb.ADD.value,
        "CNI_CONTAINERID": note.text("containerId"),
        "CNI_IFNAME": ifname,
        "CNI_NETNS": note.text("netns") or (interface.sandbox if interface is not None else ""),
        "CNI_ARGS": _args(note),
    }
    document = {
        **part,
        "name": note.text("networkName"),
        "cniVersion": version,
        "runtimeConfig": _runtime_config(part, note),
    }
    request = parse(plugin, env, json.dumps(document).encode())
    addresses = [ip.address for ip in addresses_on(result, ifname) if isinstance(ip.address, IPv4Interface)]
    return RememberedAdd(request=request, address=next(iter(addresses), None), by_name=by_name)


def _config(note: Section) -> dict[str, Any]:
    try:
        raw = base64.b64decode(note.text("config"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise note.wrong("config", str(error), "base64") from None
    return decode(raw, "the configuration in a note of libcni's")


def _our_plugin(config: Section) -> tuple[str, dict[str, Any], bool] | None:
    """The plugin's name, its part of the configuration, and whether its name is ours alone."""
    parts = [part.data for part in config.sections("plugins")] or [config.data]
    for part in parts:
        section = Section(part)
        kind, ipam = section.text("type"), section.section("ipam").text("type")
        by_name = OURS_ALONE in {kind, ipam}
        if kind in OUR_MAIN:
            return kind, part, by_name
        if ipam in OUR_IPAM:
            return ipam, part, by_name
    return None


def _runtime_config(part: dict[str, Any], note: Section) -> dict[str, Any]:
    """What libcni puts in: of the runtime's arguments those for which the plugin declares the capability."""
    declared = Section(part).section("capabilities").data
    return {
        name: told for name, told in note.section("capabilityArgs").data.items() if declared.get(name) is True
    }


def _args(note: Section) -> str:
    """CNI_ARGS, which libcni keeps as pairs."""
    found = []
    for pair in note.items("cniArgs"):
        match pair:
            case [key, value]:
                found.append(f"{key}={value}")
    return ";".join(found)
