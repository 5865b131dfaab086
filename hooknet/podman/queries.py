"""Bounded questions to podman's event log, the only question that podman answers while an ADD runs.

The rule: `stream=false` and a filter, in a thread of a small pool of its own (a slow podman must not keep
kernel work or anybody else's threads busy), bounded in time and bytes. Without `since` some back ends of
podman answer nothing; the log itself is bounded by podman (1 MB by default: 100 ms to search in 4.3.1's),
journald's is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hooknet.podman.events import PodmanEvent, parse_event
from hooknet.podman.service import fetch

THREADS = 8
LONGEST_ANSWER = 4 * 1024 * 1024  # bytes
FROM_THE_BEGINNING = "1"  # seconds since 1970
TELLING = (
    "create",
    "init",
    "start",
    "restart",
    "rename",
    "remove",
)  # and not the many of health checks and execs


class EventQueries:
    """Asks podmans for past events. Threads are made when they are first needed, and at most `threads`."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="podman-query")

    async def events(
        self,
        url: str,
        wanted: Mapping[str, Sequence[str]],
        timeout: float,  # noqa: ASYNC109 - the time is part of the promise
    ) -> tuple[PodmanEvent, ...]:
        """The life events that match every key of `wanted` (podman's filters), oldest first.

        Raises PodmanUnavailable, after `timeout` seconds at most; waiting for a thread counts.
        """
        filters = {key: list(values) for key, values in wanted.items()} | {"event": list(TELLING)}
        params = {"stream": "false", "since": FROM_THE_BEGINNING, "filters": json.dumps(filters)}
        body = await fetch(
            url, "/events", params, timeout=timeout, longest=LONGEST_ANSWER, threads=self._threads
        )
        return tuple(event for line in body.splitlines() if (event := parse_event(line, url)))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
