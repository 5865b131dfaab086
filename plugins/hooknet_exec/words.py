"""A hook's arguments as a program gets them: all of it as JSON on stdin, the most used as environment variables.

The environment is made from nothing: a fixed PATH, and `HOOKNET_…`. A value is put there only when it is made of
characters that mean nothing to a shell and does not begin like an option, so that `host $HOOKNET_HOSTNAME` in a
careless script is still one harmless word. What is left out there is in the JSON, where everything is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import hooknet

VERSION = 1
BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}
HARMLESS = re.compile(r"[A-Za-z0-9_./:@+,=][A-Za-z0-9_./:@+,= -]{0,1023}")


def document(hook: str, arguments: Mapping[str, Any]) -> bytes:
    """The JSON on stdin: `version`, `hook`, and every argument of the hook."""
    return json.dumps(
        {"version": VERSION, "hook": hook, **{k: plain(v) for k, v in arguments.items()}}
    ).encode()


def plain(value: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """Dataclasses as objects, bytes as hexadecimal text, times as ISO 8601, everything else as text."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
        case hooknet.Lease():
            return described(value) | {"expires": plain(value.expires)}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return described(value)
    return str(value)


def described(value: Any) -> dict[str, Any]:
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}


def environment(hook: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The variables, those that are known and harmless."""
    found = {"HOOK": hook}
    previous = arguments.get("previous")
    for value in arguments.values():
        if value is not previous:
            found.update({name: text(one) for name, one in variables(value) if one is not None})
    if previous is not None:
        found["PREVIOUS_ADDRESS"] = str(previous.address.ip)
    return BASE | {f"HOOKNET_{name}": one for name, one in found.items() if HARMLESS.fullmatch(one)}


def variables(value: Any) -> Iterator[tuple[str, Any]]:
    """The variables of one argument."""
    match value:
        case hooknet.Attachment():
            yield from of_attachment(value)
        case hooknet.LeaseRequest():
            yield from of_request(value)
        case hooknet.Lease():
            yield from of_lease(value)
        case hooknet.Container():
            yield from (("IMAGE", value.image), ("POD", value.pod))
        case hooknet.ContainerEvent():
            yield from of_event(value)
        case hooknet.PostLeaseReason() | hooknet.ReleaseReason():
            yield "REASON", value.value


def of_attachment(attachment: hooknet.Attachment) -> Iterator[tuple[str, Any]]:
    yield "CONTAINER_ID", attachment.container_id
    yield "CONTAINER_NAME", attachment.container_name
    yield "NETWORK", attachment.network
    yield "IFNAME", attachment.ifname
    yield "NETNS", attachment.netns
    yield "PARENT", attachment.parent
    yield "GENERATION", attachment.generation
    yield "RUNTIME", attachment.runtime


def of_request(request: hooknet.LeaseRequest) -> Iterator[tuple[str, Any]]:
    yield "MAC", request.mac
    yield "MAC_ORIGIN", request.mac_origin
    yield "CLIENT_ID", request.client_id
    yield "HOSTNAME", request.hostname or request.fqdn
    yield "REQUESTED_ADDRESS", request.requested_address
    yield "LEASE_TIME", request.lease_time


def of_lease(lease: hooknet.Lease) -> Iterator[tuple[str, Any]]:
    yield "ADDRESS", lease.address.ip
    yield "PREFIX_LENGTH", lease.address.network.prefixlen
    yield "MAC", lease.mac
    yield "CLIENT_ID", lease.client_id
    yield "SERVER", lease.server
    yield "LEASE_TIME", "infinite" if lease.lease_time is None else lease.lease_time
    yield "EXPIRES", lease.expires
    yield "HOSTNAME", lease.hostname
    yield "ROUTER", lease.routers[0] if lease.routers else None
    yield "DNS", lease.dns
    yield "DOMAIN", lease.domain


def of_event(event: hooknet.ContainerEvent) -> Iterator[tuple[str, Any]]:
    yield "EVENT_TYPE", event.type
    yield "EVENT_ACTION", event.action
    yield "EVENT_TIME", event.time
    yield "NETWORK", event.network
    yield "CONTAINER_ID", event.container.id
    yield "CONTAINER_NAME", event.container.name
    yield "IMAGE", event.container.image


def text(value: Any) -> str:
    """One word, or words with spaces between them for several values."""
    simple = plain(value)
    return " ".join(map(str, simple)) if isinstance(simple, list) else str(simple)
