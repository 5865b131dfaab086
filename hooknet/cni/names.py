"""What may be a name: container ids, interfaces, networks, plugins, MAC addresses, and CNI_ARGS.

The patterns are the spec's (CNI 1.1.0, "Parameters"); an interface's name is what Linux takes. All of them
reach the kernel, file names and logs, so nothing that is not on the list gets through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hooknet.errors import HooknetError, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
MAC_FORMS = (
    re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"),
    re.compile(r"[0-9a-f]{2}(?:-[0-9a-f]{2}){5}"),
    re.compile(r"[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}"),
)
LONGEST_IFNAME = 15
MULTICAST_BIT = 1
KNOWN_ARGS = {
    "IgnoreUnknown",
    "MAC",
    "IP",
    "GATEWAY",
    "HOSTNAME",
    "K8S_POD_NAME",
    "K8S_POD_NAMESPACE",
    "K8S_POD_UID",
    "K8S_POD_INFRA_CONTAINER_ID",
}


def is_identifier(text: str) -> bool:
    return IDENTIFIER.fullmatch(text) is not None


def ifname_flaw(name: str) -> str:
    """Why `name` can't be an interface's, in words; empty when it can."""
    if not name:
        return "it is empty"
    if len(name.encode("utf-8", "replace")) > LONGEST_IFNAME:
        return f"it is longer than {LONGEST_IFNAME} bytes"
    if name in {".", ".."}:
        return "it is a path"
    if any(char in "/:" or char.isspace() or not char.isprintable() for char in name):
        return "it holds a slash, a colon, a space or a character that can't be printed"
    return ""


def require_ifname(name: str, where: str, *, hint: str) -> None:
    """`where` names its place. Raises BAD_CONFIG when no interface can have this name."""
    if flaw := ifname_flaw(name):
        raise HooknetError(
            Kind.BAD_CONFIG, f"{where} {name[:40]!r} is no interface's name", details=flaw, hint=hint
        )


def parse_mac(text: str, where: str) -> str:
    """A unicast MAC as lower-case text with colons. `where` names its place. Raises BAD_CONFIG."""
    lower = text.strip().lower()
    if not any(form.fullmatch(lower) for form in MAC_FORMS):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where}: {text[:40]!r} is not a MAC address",
            hint="write it as 02:00:5e:10:00:01",
        )
    digits = re.sub(r"[^0-9a-f]", "", lower)
    if int(digits[:2], 16) & MULTICAST_BIT or not int(digits, 16):
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{where}: {text!r} is no address of one interface",
            details="it is all zero, or its first byte is odd: that makes it a multicast address",
            hint="use an even first byte, such as 02",
        )
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def parse_args(text: str) -> dict[str, str]:
    """CNI_ARGS, `K=V;K=V`. Raises BAD_ENVIRONMENT."""
    found = {}
    for pair in text.split(";"):
        if not pair:
            continue
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise HooknetError(
                Kind.BAD_ENVIRONMENT,
                f"CNI_ARGS has {pair[:40]!r}, which is no KEY=VALUE",
                hint="separate pairs by `;`",
            )
        found[key] = value
    return found


def tolerant_args(text: str) -> dict[str, str]:
    """What can be read of CNI_ARGS, for a DEL: it must not fail for what it does not need."""
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {key: value for key, equals, value in pairs if key and equals}


def refuse_unknown_args(args: Mapping[str, str], also_known: frozenset[str]) -> None:
    """Keys that nobody knows are an error unless IgnoreUnknown says otherwise (CNI conventions, "CNI_ARGS").

    also_known: keys that the configuration itself refers to. Raises BAD_ENVIRONMENT.
    """
    if args.get("IgnoreUnknown", "").lower() in {"1", "true"}:
        return
    unknown = sorted(set(args) - KNOWN_ARGS - also_known)
    if unknown:
        raise HooknetError(
            Kind.BAD_ENVIRONMENT,
            f"CNI_ARGS has unknown keys: {', '.join(unknown)[:200]}",
            hint="put IgnoreUnknown=1 into CNI_ARGS",
        )
