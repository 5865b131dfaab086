"""Every podman that is configured, as the lifecycle and the plugins need it: one stream, one cache, one list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hooknet.lifecycle.bus import EventBus
from hooknet.lifecycle.ports import Listed
from hooknet.model import Container, ContainerEvent
from hooknet.podman import (
    Containers,
    EventStreams,
    PodmanContainer,
    PodmanEvent,
    PodmanUnavailable,
    StreamState,
    StreamStatus,
    inspecting,
    list_all,
    list_containers,
)

WORDS = {
    StreamStatus.CONNECTED: "following",
    StreamStatus.RECONNECTING: "lost",
    StreamStatus.ABSENT: "absent",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """How much one podman said. last: when it last did, UTC."""

    count: int = 0
    last: datetime | None = None


class Podmans:
    """Follows all of them; none at all is fine."""

    def __init__(self, urls: tuple[str, ...], bus: EventBus) -> None:
        self._urls = urls
        self._bus = bus
        self._cache = Containers(urls)
        self._streams: EventStreams | None = None
        self._told: dict[str, StreamStatus] = {}
        self._heard: dict[str, Heard] = {}

    def start(self, saw: Callable[[PodmanEvent], None], resync: Callable[[str], None]) -> None:
        """Begin to follow. `saw` is called for each event, after the cache knows it."""

        def deliver(event: PodmanEvent) -> None:
            self._cache.update(event)
            self._heard[event.source] = Heard(self.heard(event.source).count + 1, event.time)
            self._bus.publish(
                "podman",
                action=f"{event.type} {event.action}",
                container=event.name or None,
                container_id=event.id,
            )
            saw(event)

        self._streams = EventStreams(self._urls, deliver, self._state_changed, resync)
        self._streams.start()

    def stop(self) -> None:
        if self._streams is not None:
            self._streams.stop()
        self._cache.close()

    @property
    def states(self) -> tuple[StreamState, ...]:
        return self._streams.states if self._streams is not None else ()

    def heard(self, url: str) -> Heard:
        return self._heard.get(url, Heard())

    def describe(self, event: PodmanEvent) -> ContainerEvent:
        """The event as plugins see it."""
        return self._cache.describe(event)

    # for the lifecycle

    async def lookup(self, container_id: str) -> Container | None:
        return await self._cache.lookup(container_id)

    def cached(self, container_id: str) -> Container | None:
        return self._cache.get(container_id)

    async def containers(self) -> Mapping[str, Listed] | None:
        if not self._urls:
            return None
        listing = await list_all(self._urls)
        self._cache.seed(listing)
        if listing.unavailable:
            return None
        return {c.id: Listed(c.pid or None, frozenset(c.networks)) for c in listing.containers}

    def _state_changed(self, state: StreamState) -> None:
        if self._told.get(state.url) is state.status:
            return
        self._told[state.url] = state.status
        self._bus.publish("podman", state=WORDS[state.status], url=state.url, why=state.why, hint=state.hint)


class DescribedPodman:
    """One podman, asked for all that it knows: when a journal was lost, and at no other time."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def netavark_networks(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            backend = await inspecting.network_backend(self._url)
            return await inspecting.networks(self._url) if backend == "netavark" else {}
        except PodmanUnavailable as error:
            if error.absent:
                return {}
            raise

    async def containers(self) -> Sequence[PodmanContainer]:
        return await list_containers(self._url)

    async def inspect(self, container_id: str) -> Mapping[str, Any]:
        return await inspecting.container(self._url, container_id)
