"""For the tests of a plugin: call its hooks as the daemon does, without a daemon.

    harness = PluginHarness(Webhook, settings={"url": "http://127.0.0.1:8080/"})
    harness.post_lease(reason=hooknet.PostLeaseReason.BOUND)

The plugin is constructed and validated by the daemon's own code, its settings are bound as those in
hooknet.toml are, and what `pre_lease` returns is checked the same way. Hooks run in the test's own thread,
`async def` ones to their end, and what they raise (`hooknet.Refused`, `hooknet.Retry`) comes out.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hooknet import testing
from hooknet.hooks.folding import changed_fields, sealed
from hooknet.hooks.loading import make_plugin, manager
from hooknet.hookspecs import PluginContext
from hooknet.model import (
    Attachment,
    Container,
    ContainerEvent,
    Lease,
    LeaseRequest,
    PostLeaseReason,
    ReleaseReason,
)
from hooknet.outbox import Delivery


class PluginHarness:
    """One plugin under test.

    target: what the entry point names (a class, a function, a module or an object). settings: the plugin's
    table, as TOML would give it. state_dir: the plugin's own folder; a temporary one without it. Raises
    HooknetError as the daemon would report it: BAD_CONFIG for the settings, PLUGIN for the plugin.
    """

    def __init__(
        self,
        target: Any,
        *,
        settings: Mapping[str, Any] | None = None,
        name: str = "plugin",
        state_dir: Path | None = None,
    ) -> None:
        self.name = name
        self.state_dir = state_dir or Path(mkdtemp(prefix="hooknet-plugin-"))
        self.plugin, self.hooks = make_plugin(name, target, settings or {}, self._context)
        self._manager = manager()
        if self.plugin is not None:
            self._manager.register(self.plugin, name)

    @property
    def inert(self) -> bool:
        """Whether the plugin has nothing to do with its settings."""
        return self.plugin is None

    def takes(self, hook: str) -> frozenset[str]:
        """The arguments that the plugin's implementations of `hook` name."""
        return frozenset(name for one in self._implementations(hook) for name in one.argnames)

    def pre_lease(
        self,
        attachment: Attachment | None = None,
        request: LeaseRequest | None = None,
        container: Container | None = None,
    ) -> LeaseRequest:
        """The request after the plugin. Raises Refused, and ValueError for what the daemon would not accept."""
        now = sealed(request or testing.make_request())
        for one in self._implementations("pre_lease"):
            arguments = {
                "attachment": attachment or testing.make_attachment(),
                "request": now,
                "container": container,
            }
            now, _ = changed_fields(now, self._run(one, arguments))
        return now

    def post_lease(
        self,
        attachment: Attachment | None = None,
        lease: Lease | None = None,
        reason: PostLeaseReason = PostLeaseReason.BOUND,
        previous: Lease | None = None,
        container: Container | None = None,
    ) -> None:
        """Raises whatever the plugin raises; Retry is its wish to be called again."""
        self._observe(
            "post_lease",
            attachment=attachment or testing.make_attachment(),
            lease=lease or testing.make_lease(),
            reason=reason,
            previous=previous,
            container=container,
        )

    def release(
        self,
        attachment: Attachment | None = None,
        lease: Lease | None = None,
        reason: ReleaseReason = ReleaseReason.DETACHED,
        container: Container | None = None,
    ) -> None:
        """Raises whatever the plugin raises; Retry is its wish to be called again."""
        self._observe(
            "release",
            attachment=attachment or testing.make_attachment(),
            lease=lease or testing.make_lease(),
            reason=reason,
            container=container,
        )

    def container_event(self, event: ContainerEvent) -> None:
        """Raises whatever the plugin raises."""
        self._observe("container_event", event=event)

    def _context(self, name: str, config: Any) -> PluginContext[Any]:
        logger = logging.getLogger(f"hooknet.plugins.{name}")
        return PluginContext(name=name, config=config, logger=logger, state_dir=self.state_dir)

    def _implementations(self, hook: str) -> Sequence[Any]:
        return list(reversed(getattr(self._manager.hook, hook).get_hookimpls()))

    def _observe(self, hook: str, **arguments: Any) -> None:
        for one in self._implementations(hook):
            self._run(one, arguments)

    @staticmethod
    def _run(implementation: Any, arguments: Mapping[str, Any]) -> Any:
        taken = {name: arguments[name] for name in implementation.argnames}
        result = implementation.function(**taken)
        return asyncio.run(to_its_end(result)) if inspect.isawaitable(result) else result


async def to_its_end(result: Any) -> Any:
    return await result


class MemoryOutbox:
    """The journal's side of the outbox, in memory: what `hooknet.outbox.Outbox` asks for."""

    def __init__(self) -> None:
        self.rows: dict[int, Delivery] = {}
        self.reads = 0
        self._next = 1

    def commit(self, deliveries: Sequence[Delivery]) -> None:
        """What the lifecycle does with the rows that the dispatcher made."""
        for delivery in deliveries:
            self.rows[self._next] = replace(delivery, id=self._next)
            self._next += 1

    async def pending(self) -> Sequence[Delivery]:
        self.reads += 1
        return list(self.rows.values())

    async def done(self, delivery: Delivery) -> None:
        await asyncio.sleep(0)
        self.rows.pop(delivery.id, None)

    async def postpone(self, delivery: Delivery, *, not_before: float, error: str = "") -> None:
        await asyncio.sleep(0)
        self.rows[delivery.id] = replace(
            delivery, attempts=delivery.attempts + 1, not_before=not_before, error=error
        )
