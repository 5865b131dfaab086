"""What every use case of the lifecycle shares. One object, made by the composition root."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hooknet.config import Config
from hooknet.dhcp.client import Randomness
from hooknet.lifecycle.bus import EventBus
from hooknet.lifecycle.entries import Registry
from hooknet.lifecycle.identity import Host
from hooknet.lifecycle.ports import Machine
from hooknet.lifecycle.randomness import HostRandomness
from hooknet.model import Attachment, Container, Lease, LeaseRequest, PostLeaseReason, ReleaseReason
from hooknet.outbox import Delivery
from hooknet.store.journal import Journal

log = logging.getLogger(__name__)

Lookup = Callable[[], Awaitable[Container | None]]


class Folded(Protocol):
    """The request after every plugin's `pre_lease`, and which plugin changed which field."""

    @property
    def request(self) -> LeaseRequest: ...
    @property
    def changed_by(self) -> Mapping[str, str]: ...


class Hooks(Protocol):
    """What the lifecycle needs of the plugins."""

    async def pre_lease(self, attachment: Attachment, request: LeaseRequest, lookup: Lookup) -> Folded: ...

    def deliveries_for_post_lease(
        self,
        attachment: Attachment,
        lease: Lease,
        reason: PostLeaseReason,
        previous: Lease | None,
        container: Container | None,
    ) -> tuple[Delivery, ...]: ...

    def deliveries_for_release(
        self, attachment: Attachment, lease: Lease, reason: ReleaseReason, container: Container | None
    ) -> tuple[Delivery, ...]: ...

    def wants_container(self, hook: str) -> bool:
        """Whether an active implementation of `hook` asks for the container."""

    def wake(self) -> None:
        """Deliveries were committed."""


class Podman(Protocol):
    """What the lifecycle needs of podman."""

    async def lookup(self, container_id: str) -> Container | None:
        """From the cache, else one bounded query; None when it can't be known in time."""

    def cached(self, container_id: str) -> Container | None: ...


@dataclass(slots=True)
class Services:
    """The house's parts, for the use cases."""

    machine: Machine
    journal: Journal
    hooks: Hooks
    podman: Podman
    bus: EventBus
    registry: Registry
    config: Config
    host: Host
    memory: dict[tuple[str, bytes], str] = field(default_factory=dict)
    randomness: Randomness = field(default_factory=HostRandomness)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` beside everything else; its failure is logged, never lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed: %s", task.get_name(), error, exc_info=error)
