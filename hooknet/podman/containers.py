"""What podman's events and lists told about containers: names, images, labels and pods, for the hooks.

The rules:
- An ADD never asks podman to inspect or list: podman holds the container's lock then, and both would wait for
  the ADD. `lookup` takes what is known, else asks one events query for that id, which does not block (6 to 8
  ms), bounded at half a second in all; whatever comes first, the answer or the event itself, ends the wait.
- A container belongs to a pod from its first event that says so (`died` does not). The pod's name comes from
  the pod's own events.
- A removed container is remembered for a while, since its `release` hook comes after it. The memory is
  bounded in containers and in characters of labels; the one that was not asked for the longest goes first.
- Older news never replaces newer: events come late, twice, and out of order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hooknet.model import NOTHING, Container, ContainerEvent
from hooknet.podman.events import PodmanEvent
from hooknet.podman.listing import Listing
from hooknet.podman.queries import EventQueries
from hooknet.podman.service import PodmanUnavailable

REMEMBERED = 2048  # containers, and as many pods
LARGEST = 16 * 1024 * 1024  # characters of names and labels, all containers together
FORGET_AFTER = 60.0  # seconds after its removal
LOOKUP_TIMEOUT = 0.5  # seconds

Query = Callable[[str, Mapping[str, Sequence[str]], float], Awaitable[Sequence[PodmanEvent]]]
log = logging.getLogger("hooknet.podman")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one container. `at`: wall clock of the news, nanoseconds. `pod`: the pod's id."""

    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    pod: str | None = None
    at: int = 0

    @property
    def weight(self) -> int:
        return len(self.name) + len(self.image) + sum(len(k) + len(v) for k, v in self.labels.items())


class Containers:
    """The cache. Use it on the event loop only. `urls`: the podmans to ask; `now`: CLOCK_BOOTTIME, seconds."""

    def __init__(
        self,
        urls: Sequence[str] = (),
        *,
        query: Query | None = None,
        now: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        remembered: int = REMEMBERED,
        largest: int = LARGEST,
    ) -> None:
        self._urls = tuple(urls)
        self._queries = EventQueries()
        self._query = query or self._queries.events
        self._now = now
        self._remembered, self._largest = remembered, largest
        self._containers: OrderedDict[str, Known] = OrderedDict()
        self._pods: OrderedDict[str, str] = OrderedDict()
        self._removed: deque[tuple[float, str]] = deque()
        self._weight = 0
        self._waiting: dict[str, tuple[asyncio.Future[None], asyncio.Task[None]]] = {}

    def update(self, event: PodmanEvent) -> None:
        """Take in one event."""
        self._forget_removed()
        match event.type:
            case "container":
                self._learn(event.id, known_from(event), event.time_nano)
                if event.action == "remove":
                    self._removed.append((self._now() + FORGET_AFTER, event.id))
            case "pod":
                self._learn_pod(event.id, event.name)
            case _:
                pass
        self._settle()

    def seed(self, listing: Listing) -> None:
        """Take in a container list: what was there before the daemon, and what a gap in the events hid."""
        for row in listing.containers:
            if row.pod and row.pod_name:
                self._learn_pod(row.pod, row.pod_name)
            name = row.names[0] if row.names else ""
            fresh = Known(name=name, image=row.image, labels=row.labels, pod=row.pod)
            self._learn(row.id, fresh, listing.taken)
        self._settle()

    def get(self, container_id: str) -> Container | None:
        """What is known of a container, or None. Never waits."""
        self._forget_removed()
        known = self._containers.get(container_id)
        if known is None:
            return None
        self._containers.move_to_end(container_id)
        pod = self._pods.get(known.pod) if known.pod else None
        return Container(id=container_id, name=known.name, image=known.image, labels=known.labels, pod=pod)

    async def lookup(self, container_id: str, timeout: float = LOOKUP_TIMEOUT) -> Container | None:  # noqa: ASYNC109 - the time is part of the promise
        """What is known of a container, asking podman once where that is nothing. At most `timeout` seconds."""
        if not self._complete(container_id) and self._urls:
            waiting = self._waiting.get(container_id) or self._ask(container_id, timeout)
            await asyncio.wait({waiting[0]}, timeout=timeout)
        return self.get(container_id)

    def describe(self, event: PodmanEvent) -> ContainerEvent:
        """The event as plugins see it: with all that is known of its container. Call `update` with it first."""
        known = self.get(event.id) or Container(id=event.id, name=event.name, image=event.image)
        if event.type == "pod":
            known = replace(known, pod=event.name or None)
        return ContainerEvent(
            type=event.type, action=event.action, container=known, time=event.time, network=event.network
        )

    def close(self) -> None:
        """End what is being asked."""
        for future, task in self._waiting.values():
            task.cancel()
            finish(future)
        self._waiting.clear()
        self._queries.close()

    def _complete(self, container_id: str) -> bool:
        known = self._containers.get(container_id)
        return known is not None and (known.pod is None or known.pod in self._pods)

    def _learn(self, container_id: str, fresh: Known, at: int) -> None:
        old = self._containers.get(container_id, Known())
        newer, older = (fresh, old) if at >= old.at else (old, fresh)
        known = Known(
            name=newer.name or older.name,
            image=newer.image or older.image,
            labels=newer.labels or older.labels,
            pod=newer.pod or older.pod,
            at=max(at, old.at),
        )
        self._containers[container_id] = known
        self._containers.move_to_end(container_id)
        self._weight += known.weight - old.weight
        while len(self._containers) > self._remembered or self._weight > self._largest:
            _, forgotten = self._containers.popitem(last=False)
            self._weight -= forgotten.weight

    def _learn_pod(self, pod: str, name: str) -> None:
        if name:
            self._pods[pod] = name
            self._pods.move_to_end(pod)
            if len(self._pods) > self._remembered:
                self._pods.popitem(last=False)

    def _forget_removed(self) -> None:
        while self._removed and self._removed[0][0] <= self._now():
            _, container_id = self._removed.popleft()
            if known := self._containers.pop(container_id, None):
                self._weight -= known.weight

    def _settle(self) -> None:
        """Let those go who wait for what has come by itself."""
        for container_id in [known for known in self._waiting if self._complete(known)]:
            future, task = self._waiting.pop(container_id)
            finish(future)
            task.cancel()

    def _ask(self, container_id: str, timeout: float) -> tuple[asyncio.Future[None], asyncio.Task[None]]:
        """Begin to ask all podmans for one container; everyone who wants it waits for the same answer."""
        loop = asyncio.get_running_loop()
        waiting = (loop.create_future(), loop.create_task(self._ask_all(container_id, timeout)))
        self._waiting[container_id] = waiting

        def done(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                log.error("looking up container %.12s failed", container_id, exc_info=error)
            finish(waiting[0])
            if self._waiting.get(container_id) is waiting:
                del self._waiting[container_id]

        waiting[1].add_done_callback(done)
        return waiting

    async def _ask_all(self, container_id: str, timeout: float) -> None:  # noqa: ASYNC109 - the time is part of the promise
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(self._ask_one(url, container_id, timeout) for url in self._urls))
        except TimeoutError:
            log.info("podman did not tell about container %.12s within %g s", container_id, timeout)

    async def _ask_one(self, url: str, container_id: str, timeout: float) -> None:  # noqa: ASYNC109 - the time is part of the promise
        try:
            if container_id not in self._containers:
                wanted = {"type": ("container",), "container": (container_id,)}
                self._take(await self._query(url, wanted, timeout), container_id)
            known = self._containers.get(container_id)
            if known and known.pod and known.pod not in self._pods:
                wanted = {"type": ("pod",), "pod": (known.pod,)}
                self._take(await self._query(url, wanted, timeout), known.pod)
        except PodmanUnavailable as error:
            log.info("can't look up container %.12s: %s", container_id, error)

    def _take(self, events: Iterable[PodmanEvent], wanted: str) -> None:
        """The events of the one that was asked for: podman's filters match prefixes and names, too."""
        for event in events:
            if event.id == wanted:
                self.update(event)


def known_from(event: PodmanEvent) -> Known:
    """What one event tells."""
    return Known(
        name=event.name,
        image=event.image,
        labels=event.labels,
        pod=event.pod,
        at=event.time_nano,
    )


def finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
