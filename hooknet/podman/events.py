"""podman's events as types.

The rule: everything that the wire says is untrusted, and an event is a hint. A line that can't be understood
becomes None and never an exception; missing keys become empty values; text is made safe to encode; whoever
acts on an event looks at the world first. podman's own events (REST, libpod, 4.3 to 5.x) look like this:

- `Type`, `Action`, `Actor.ID` and `timeNano` say what happened to whom; `status` and `id` are the older
  spellings.
- `Actor.Attributes` holds the container's labels, *flat*, beside podman's own `name`, `image`, `podId`,
  `containerExitCode`, and since podman 5 `network` and `error`. podman writes its own last, so a label cannot
  forge them.
- The `podId` of `died` is empty on 4.3.1: an empty one says nothing.
- `network disconnect` has the *container's* id. 4.3.1 leaves the network's name out: `network` is None then,
  and means "one of this container's networks".
- Times are not monotonic: an `image pull` is logged after the `create` that it precedes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hooknet.model import NOTHING

FOLLOWED = frozenset({"container", "network", "pod"})
NANOSECONDS = 1_000_000_000
LATEST = 1 << 63  # podman's clock is Go's: a signed 64-bit number of nanoseconds
LONGEST_NAME = 1024
OWN_ATTRIBUTES = frozenset({"name", "image", "podId", "containerExitCode", "network", "error"})
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanEvent:
    """One event. `id`: the container's or the pod's. `time_nano`: wall clock, nanoseconds since 1970.

    pod: the id of the pod that the container belongs to. network: only for `type == "network"`, and None
    where podman does not tell (4.3.1). source: the URL of the podman that said so. An event may be replayed
    long after it happened: compare `time_nano` with what it is about.
    """

    type: str
    action: str
    id: str
    time_nano: int
    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    network: str | None = None
    pod: str | None = None
    source: str = ""

    @property
    def time(self) -> datetime:
        """When it happened, UTC."""
        return datetime.fromtimestamp(self.time_nano / NANOSECONDS, UTC)


def parse_event(line: bytes, source: str = "") -> PodmanEvent | None:
    """The event of one NDJSON line, or None for anything that is not one. Never raises."""
    match parse_json(line):
        case dict() as data:
            return event_from(data, source)
        case _:
            return None


def event_from(data: Mapping[str, Any], source: str) -> PodmanEvent | None:
    """The event of a decoded JSON object, or None where type, action, time or id are missing or nonsense."""
    actor = mapping(data.get("Actor"))
    attributes = mapping(actor.get("Attributes"))
    kind, action = text(data.get("Type")), text(data.get("Action")) or text(data.get("status"))
    who = identifier(actor.get("ID")) or identifier(data.get("id"))
    when = nanoseconds(data)
    if not kind or not action or when is None or (kind in FOLLOWED and not who):
        return None
    return PodmanEvent(
        type=kind,
        action=action,
        id=who,
        time_nano=when,
        name=text(attributes.get("name")),
        image=text(attributes.get("image")) or text(data.get("from")),
        labels=labels(attributes) if kind == "container" else NOTHING,
        network=(text(attributes.get("network")) or None) if kind == "network" else None,
        pod=identifier(attributes.get("podId")) or None,
        source=source,
    )


def error_of(line: bytes) -> str:
    """What podman complains about: its errors come with status 200 as one JSON object inside the stream."""
    match parse_json(line):
        case {"message": str(message), "cause": _}:
            return text(message) or "an error without words"
        case _:
            return ""


def parse_json(line: bytes) -> Any:
    """The JSON value of a line, None for what is not JSON. Bytes that are not UTF-8 become U+FFFD."""
    try:
        return json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def nanoseconds(data: Mapping[str, Any]) -> int | None:
    """The event's time; `time` (seconds) stands in for `timeNano` where that is missing."""
    for key, unit in (("timeNano", 1), ("time", NANOSECONDS)):
        value = data.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value * unit < LATEST:
            return value * unit
    return None


def labels(attributes: Mapping[str, Any]) -> Mapping[str, str]:
    """The container's labels among the attributes: all but podman's own keys."""
    return string_map({key: value for key, value in attributes.items() if key not in OWN_ATTRIBUTES})


def string_map(value: Any) -> dict[str, str]:
    """The pairs of text in an object; anything else in it is left out."""
    return {encodable(k): encodable(v) for k, v in mapping(value).items() if isinstance(v, str)}


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else NOTHING


def identifier(value: Any) -> str:
    """An id as podman makes them, else ""."""
    return value if isinstance(value, str) and IDENTIFIER.fullmatch(value) else ""


def text(value: Any) -> str:
    """A short printable text, else ""; names of containers, images and networks are never anything else."""
    if isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable():
        return encodable(value)
    return ""


def encodable(value: str) -> str:
    """The same text without lone surrogates, which JSON may carry and neither SQLite nor a log can take."""
    return value.encode("utf-8", "replace").decode("utf-8")
