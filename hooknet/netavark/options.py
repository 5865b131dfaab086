"""The options of a network (`podman network create -o KEY=TEXT`), understood.

They have the names of our CNI keys, and all values are text. `parent` is CNI's `master`, which is taken too. Any key
that is not known is an error: unlike a CNI configuration, these are read by nobody but us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hooknet.binding import unknown_key
from hooknet.cni.names import require_ifname
from hooknet.cni.netconf import LARGEST_MTU
from hooknet.config import NetworkSettings, settings_from_text
from hooknet.errors import HooknetError, Kind
from hooknet.model import MacvlanMode

PARENT = "parent"
MASTER = "master"
LINK_KEYS = (PARENT, "mode", "mtu", "bcqueuelen")
SETTINGS = tuple(one.name for one in fields(NetworkSettings))
LARGEST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """What a network's options ask for. parent: None for the interface of the default route.

    mtu: bytes, None for the parent's. settings: per-network settings, for `Config.settings_for`.
    """

    parent: str | None = None
    mode: MacvlanMode = MacvlanMode.BRIDGE
    mtu: int | None = None
    bcqueuelen: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_options(given: Mapping[str, str], interface: str, where: str) -> NetworkOptions:
    """`interface`: podman's --interface-name, which means the parent too. Raises BAD_CONFIG naming the key."""
    options = {key.replace("-", "_"): text for key, text in given.items()}
    parent = _parent(options, interface, where)
    mode = options.pop("mode", MacvlanMode.BRIDGE)
    if mode not in tuple(MacvlanMode):
        raise _wrong(where, "mode", mode, "one of " + ", ".join(MacvlanMode))
    mtu = _number(options, "mtu", LARGEST_MTU, where)
    bcqueuelen = _number(options, "bcqueuelen", LARGEST, where)
    for key in options:
        if key not in SETTINGS:
            raise unknown_key(key, [*LINK_KEYS, *SETTINGS], where)
    return NetworkOptions(
        parent=parent,
        mode=MacvlanMode(mode),
        mtu=mtu or None,
        bcqueuelen=bcqueuelen,
        settings=settings_from_text(options, where),
    )


def _parent(options: dict[str, str], interface: str, where: str) -> str | None:
    """Three spellings of one thing, which must not contradict each other."""
    found = {name for name in (options.pop(PARENT, ""), options.pop(MASTER, ""), interface) if name}
    if len(found) > 1:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where}: the parent is given as {' and as '.join(sorted(found))}",
            hint="give -o parent=NAME, and nothing else for it",
        )
    name = next(iter(found), None)
    if name is not None:
        require_ifname(name, f"{where}: parent", hint="see `ip link`")
    return name


def _number(options: dict[str, str], key: str, most: int, where: str) -> int | None:
    text = options.pop(key, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:12]) <= most):
        raise _wrong(where, key, text, f"a whole number up to {most}")
    return int(text)


def _wrong(where: str, key: str, text: str, expected: str) -> HooknetError:
    return HooknetError(
        Kind.BAD_CONFIG, f"{where}: {key} = {text[:40]!r} is not valid", hint=f"give {expected}"
    )
