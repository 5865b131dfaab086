"""The container list of podman: what reconcile compares the journal with.

The rules: the list blocks while podman holds any container's lock, so for the whole of an ADD: never ask for
it inside one, nor while holding a lock that an ADD may want. What can't be read is not an empty list: either
the whole list is understood or podman counts as unavailable, because "podman does not know this container" is
a reason to act. The raw JSON is read: podman-py's own objects fail on a 4.3.1 service.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hooknet.model import NOTHING
from hooknet.podman.events import encodable, identifier, string_map, text
from hooknet.podman.service import PodmanUnavailable, fetch

LIST_TIMEOUT = 20.0  # seconds; longer than an ADD that waits for its lease takes by default
LONGEST_LIST = 32 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanContainer:
    """One container as podman lists it. pid: 0 where it has no process. pod: the pod's id.

    `state` and `pid` are what podman believes: a container whose conmon was killed stays "running".
    """

    id: str
    names: tuple[str, ...] = ()
    state: str = ""
    pid: int = 0
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    networks: tuple[str, ...] = ()
    pod: str | None = None
    pod_name: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The containers of all podmans. `taken`: wall clock when it was asked for, nanoseconds since 1970.

    `unavailable`: the podmans that could not be asked; while there is one, a container that is not listed may
    still be known.
    """

    containers: tuple[PodmanContainer, ...]
    taken: int
    unavailable: tuple[PodmanUnavailable, ...] = ()


async def list_containers(url: str, timeout: float = LIST_TIMEOUT) -> tuple[PodmanContainer, ...]:  # noqa: ASYNC109 - the time is part of the promise
    """All containers of one podman, running or not. Raises PodmanUnavailable, after `timeout` seconds at most."""
    params = {"all": "true"}
    body = await fetch(url, "/containers/json", params, timeout=timeout, longest=LONGEST_LIST, threads=None)
    return await asyncio.to_thread(parse_list, body, url)


async def list_all(urls: Sequence[str], timeout: float = LIST_TIMEOUT) -> Listing:  # noqa: ASYNC109 - the time is part of the promise
    """The containers of every podman, asked at the same time. Never raises for a podman that can't be asked."""
    taken = time.time_ns()
    answers = await asyncio.gather(*(list_containers(url, timeout) for url in urls), return_exceptions=True)
    containers: list[PodmanContainer] = []
    unavailable: list[PodmanUnavailable] = []
    for answer in answers:
        match answer:
            case PodmanUnavailable():
                unavailable.append(answer)
            case BaseException():
                raise answer
            case _:
                containers += answer
    return Listing(tuple(containers), taken, tuple(unavailable))


def parse_list(body: bytes, url: str) -> tuple[PodmanContainer, ...]:
    """The containers in an answer. Raises PodmanUnavailable where it is not a list of containers with ids."""
    try:
        rows = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        rows = None
    if rows is None and body.strip() == b"null":
        return ()  # Go's empty list
    containers = tuple(container_from(row, url) for row in rows) if isinstance(rows, list) else (None,)
    if None in containers:
        raise PodmanUnavailable(url, "its container list can't be read")
    return tuple(container for container in containers if container is not None)


def container_from(row: Any, url: str) -> PodmanContainer | None:
    """One row of the list, None where it is none. Only the id is needed; what else is missing is empty."""
    if not isinstance(row, dict) or not (container_id := identifier(row.get("Id"))):
        return None
    return PodmanContainer(
        id=container_id,
        names=texts(row.get("Names")),
        state=text(row.get("State")),
        pid=process_id(row.get("Pid")),
        image=text(row.get("Image")),
        labels=string_map(row.get("Labels")),
        networks=texts(row.get("Networks")),
        pod=identifier(row.get("Pod")) or None,
        pod_name=text(row.get("PodName")) or None,
        source=encodable(url),
    )


def texts(value: Any) -> tuple[str, ...]:
    """The texts in a list, or the keys of an object (docker's shape of networks)."""
    return tuple(found for item in value if (found := text(item))) if isinstance(value, (list, dict)) else ()


def process_id(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
