"""podman as hooknet sees it: an event stream, a container list and one query. Nothing here changes podman."""

from hooknet.podman.containers import Containers
from hooknet.podman.events import PodmanEvent
from hooknet.podman.listing import Listing, PodmanContainer, list_all, list_containers
from hooknet.podman.service import PodmanUnavailable
from hooknet.podman.stream import EventStream, EventStreams, StreamState, StreamStatus

__all__ = [
    "Containers",
    "EventStream",
    "EventStreams",
    "Listing",
    "PodmanContainer",
    "PodmanEvent",
    "PodmanUnavailable",
    "StreamState",
    "StreamStatus",
    "list_all",
    "list_containers",
]
