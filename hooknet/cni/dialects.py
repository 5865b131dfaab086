"""Our own keys in other people's documents.

The per-network settings are keys of the configuration, in the `ipam` section (which wins) or beside
`type`, spelt exactly as the fields of `NetworkSettings`. A key that nobody knows is no error: other plugins
read the same document. But one that is nearly ours is probably a typing error, and the log says so.
"""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hooknet.config import NetworkSettings

if TYPE_CHECKING:
    from hooknet.cni.document import Section

SETTINGS = tuple(field.name for field in fields(NetworkSettings))
MAIN_KEYS = ("master", "mode", "mtu", "mac", "linkInContainer", "bcqueuelen", "daemonSocketPath")
IPAM_KEYS = ("type", "daemonSocketPath", "provide", "request", "priority")
SPEC_KEYS = frozenset(
    {
        "cniVersion",
        "cniVersions",
        "name",
        "type",
        "ipam",
        "ipMasq",
        "dns",
        "args",
        "capabilities",
        "runtimeConfig",
        "prevResult",
        "disableCheck",
        "disableGC",
        "cni.dev/valid-attachments",
        "cni.dev/attachments",
        "bridge",
    }
)
CLOSE = 0.82


def settings_given(conf: Section, ipam: Section) -> dict[str, Any]:
    """The settings that the document carries. The reference's `priority` is the metric."""
    found = {key: conf.data[key] for key in SETTINGS if conf.has(key)}
    priority = ipam.number("priority")
    if priority:
        found["metric"] = priority
    return found | {key: ipam.data[key] for key in SETTINGS if ipam.has(key)}


def near_misses(conf: Section, ipam: Section | None, *, main_is_ours: bool) -> tuple[str, ...]:
    """A sentence for each key that is nearly one of ours. `ipam` None: that section is another plugin's."""
    found = []
    if main_is_ours:
        found += _misspelt(conf, (*MAIN_KEYS, *SETTINGS))
    if ipam is not None:
        found += _misspelt(ipam, (*IPAM_KEYS, *SETTINGS))
    return tuple(found)


def _misspelt(section: Section, ours: tuple[str, ...]) -> list[str]:
    plain = {_plain(key): key for key in ours}
    sentences = []
    for key in section.data:
        if key in ours or key in SPEC_KEYS:
            continue
        near = difflib.get_close_matches(_plain(key), plain, n=1, cutoff=CLOSE)
        if near:
            sentences.append(
                f"{section.place(key[:60])} is not known and is ignored: did you mean {plain[near[0]]}?"
            )
    return sentences


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()
