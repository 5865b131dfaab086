"""The dispatcher: what the lifecycle calls, and who hears of it.

- `pre_lease` is an ordered fold: each plugin gets what the one before it returned. `container` is looked up
  once, and only when an active implementation names it.
- `post_lease` and `release` become rows of the outbox, committed with the journal phase that causes them, and
  are delivered by a queue per plugin. `container_event` goes through a bounded queue, best effort.
- A plugin that fails never stops the others. `on_failure = "fail"` is the administrator's word that a container
  must not come up without the plugin: then its failure, its quarantine and its not loading fail the ADD.

Everything here belongs to the daemon's event loop. With no plugins every method returns at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hooknet.config import Config
from hooknet.errors import HooknetError, Kind, Refused
from hooknet.hooks.cell import Cell, PluginError
from hooknet.hooks.folding import Folded, changed_fields, sealed
from hooknet.hooks.limits import Clock, Limits, SystemClock
from hooknet.hooks.loading import HOOKS, Loaded, Loader, PluginState
from hooknet.hooks.observers import DeliveryQueue, EventQueue
from hooknet.hooks.payload import Payload, encode
from hooknet.hooks.reports import PluginReport, changes
from hooknet.hooks.roster import Roster, Step
from hooknet.hooks.threads import Lane
from hooknet.model import (
    Attachment,
    Container,
    ContainerEvent,
    Lease,
    LeaseRequest,
    PostLeaseReason,
    ReleaseReason,
)
from hooknet.outbox import Delivery, Outbox

log = logging.getLogger(__name__)

Lookup = Callable[[], Awaitable[Container | None]]
Publish = Callable[..., None]


class Plugins:
    """Every plugin, and the hooks as methods."""

    def __init__(
        self,
        loader: Loader,
        config: Config,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Load what `config` allows. Blocking; never raises for a plugin. `publish`: the event bus's."""
        self._loader = loader
        self._config = config
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._publish = publish
        self._roster = Roster(limits=self._limits, clock=self._clock, tell=self._tell)
        self._queues: dict[str, DeliveryQueue] = {}
        self._events: dict[str, EventQueue] = {}
        self._outbox: Outbox | None = None
        self._feeder: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._changing = asyncio.Lock()
        self._roster.arrange(loader.load_all(config.plugins))
        self._connect()

    @classmethod
    def load(cls, config: Config, state_dir: Path, *, publish: Publish | None = None) -> Plugins:
        """Find, import and validate every plugin that `config` allows. Blocks; never raises for a plugin."""
        return cls(Loader(state_dir=state_dir), config, publish=publish)

    # the hooks

    async def pre_lease(self, attachment: Attachment, request: LeaseRequest, lookup: Lookup) -> Folded:
        """The request after every plugin. `lookup` is awaited only when somebody wants the container.

        Raises Refused with the plugin's text, or HooknetError of kind PLUGIN where `on_failure = "fail"`.
        """
        steps = self._roster.steps["pre_lease"]
        if self._roster.broken:
            raise not_loaded(self._roster.broken[0])
        if not steps:
            return Folded(request)
        return await self._fold(steps, attachment, request, lookup)

    def deliveries_for_post_lease(
        self,
        attachment: Attachment,
        lease: Lease,
        reason: PostLeaseReason,
        previous: Lease | None,
        container: Container | None,
    ) -> tuple[Delivery, ...]:
        """Rows for the outbox, one for each plugin that implements `post_lease`. Commit them, then `wake`."""
        if not self._roster.steps["post_lease"]:
            return ()
        payload = Payload(
            attachment=attachment, lease=lease, reason=reason.value, previous=previous, container=container
        )
        return self._deliveries("post_lease", payload)

    def deliveries_for_release(
        self, attachment: Attachment, lease: Lease, reason: ReleaseReason, container: Container | None
    ) -> tuple[Delivery, ...]:
        """Rows for the outbox, one for each plugin that implements `release`. Commit them, then `wake`."""
        if not self._roster.steps["release"]:
            return ()
        payload = Payload(attachment=attachment, lease=lease, reason=reason.value, container=container)
        return self._deliveries("release", payload)

    def wants_container(self, hook: str) -> bool:
        """Whether an active implementation of `hook` names `container`, so that it is worth a lookup."""
        return any("container" in implementation.takes for _, implementation in self._roster.steps[hook])

    def container_event(self, event: ContainerEvent) -> None:
        """Tell the plugins that listen, best effort. Never waits."""
        for queue in self._events.values():
            queue.offer(event)

    # running

    async def start(self, outbox: Outbox) -> None:
        """Begin to deliver, first what a daemon before this one still owed."""
        self._outbox = outbox
        self._connect()
        self._feeder = asyncio.get_running_loop().create_task(self._feed(outbox))
        self.wake()

    def wake(self) -> None:
        """Deliveries were committed to the outbox."""
        self._woken.set()

    async def stop(self, grace: float) -> None:
        """Stop delivering. Calls that run get `grace` seconds; what is not done stays in the outbox."""
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.gather(self._feeder, return_exceptions=True)
        await asyncio.gather(*(queue.close(grace) for queue in self._queues.values()))
        for events in self._events.values():
            events.close()
        for cell in self._roster.cells.values():
            cell.close()

    # changing

    async def reload(self, config: Config) -> list[str]:
        """Load again by `config`; what changed, a line each. An unchanged plugin goes on undisturbed.

        Code that was imported once is not read again: that needs a restart of the daemon.
        """
        async with self._changing:
            before, cells = self.report(), dict(self._roster.cells)
            known = {name: cell.loaded for name, cell in cells.items()}
            loaded = await asyncio.to_thread(self._loader.load_all, config.plugins, known)
            self._config = config
            self._roster.arrange(loaded)
            await self._forget_unwanted()
            self._connect()
            self.wake()
            renewed = [name for name, cell in self._roster.cells.items() if cells.get(name, cell) is not cell]
            return changes(before, self.report(), renewed)

    async def disable(self, name: str) -> None:
        """Call `name` no more until it is enabled or the daemon starts again. What it is owed is given up."""
        self._row(name)
        self._loader = replace(self._loader, disabled=self._loader.disabled | {name})
        await self.reload(self._config)
        self._tell("disabled", plugin=name)

    async def enable(self, name: str) -> None:
        """End the quarantine or the disabling of `name`. Raises NOT_FOUND, or PLUGIN with why it can't be."""
        if self._row(name).state is not PluginState.ACTIVE:
            self._loader = replace(self._loader, disabled=self._loader.disabled - {name})
            await self.reload(self._config)
        row = self._row(name)
        if row.state is not PluginState.ACTIVE:
            hint = "change hooknet.toml, then run: hooknet reload"
            raise HooknetError(
                Kind.PLUGIN, f"plugin {name!r} can't be enabled", details=row.reason, hint=hint
            )
        self._roster.cells[name].pardon()
        self._tell("enabled", plugin=name)

    def report(self) -> list[PluginReport]:
        """Every plugin that was found or asked for, by name."""
        return self._roster.report({name: len(queue) for name, queue in self._queues.items()})

    # inside: the fold

    async def _fold(
        self, steps: Sequence[Step], attachment: Attachment, request: LeaseRequest, lookup: Lookup
    ) -> Folded:
        arguments: dict[str, Any] = {"attachment": attachment, "request": sealed(request)}
        changed_by: dict[str, str] = {}
        for cell, implementation in steps:
            if cell.quarantined and not cell.strict:
                continue
            if cell.quarantined:
                raise in_quarantine(cell)
            if "container" in implementation.takes and "container" not in arguments:
                arguments["container"] = await found(lookup)
            check = partial(changed_fields, arguments["request"])
            budget = cell.loaded.settings.budget or self._config.plugins.budget
            try:
                arguments["request"], changed = await cell.call(
                    implementation, arguments, lane=Lane.GATE, budget=budget, check=check
                )
            except Refused as refused:
                refused.details = refused.details or f"refused by plugin {cell.name!r}"
                raise
            except PluginError:
                if cell.strict:
                    raise
            else:
                changed_by |= dict.fromkeys(changed, cell.name)
        return Folded(arguments["request"], changed_by)

    # inside: the observers

    def _deliveries(self, hook: str, payload: Payload) -> tuple[Delivery, ...]:
        text, now = encode(payload), self._clock.wall()
        stream = stream_of(payload.attachment, payload.lease)
        renews = payload.reason == PostLeaseReason.RENEWED
        names = dict.fromkeys(cell.name for cell, _ in self._roster.steps[hook])
        return tuple(
            Delivery(hook=hook, plugin=name, stream=stream, payload=text, created=now, renews=renews)
            for name in names
        )

    async def _feed(self, outbox: Outbox) -> None:
        """Hand new rows of the outbox to the queues, for ever."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            for queue in self._queues.values():
                queue.snapshot_begins()
            try:
                for delivery in await outbox.pending():
                    await self._route(outbox, delivery)
            except Exception:
                log.exception("the outbox can't be read, trying again")
                await self._clock.sleep(self._limits.backoff)
                self.wake()

    async def _route(self, outbox: Outbox, delivery: Delivery) -> None:
        queue = self._queues.get(delivery.plugin)
        if queue is not None:
            await queue.offer(delivery)
        elif self._roster.unwanted(delivery.plugin):
            log.warning("%s for plugin %s is given up: it is not active", delivery.hook, delivery.plugin)
            await outbox.done(delivery)

    async def _forget_unwanted(self) -> None:
        """Close the queues of plugins that are gone."""
        for name in [name for name in self._queues if name not in self._roster.cells]:
            queue = self._queues.pop(name)
            if self._roster.unwanted(name):
                await queue.give_up_all()
            else:
                await queue.close()

    def _connect(self) -> None:
        """Give each plugin its queues."""
        old, self._events = self._events, {}
        for name, cell in self._roster.cells.items():
            mine = {hook: [one for owner, one in self._roster.steps[hook] if owner is cell] for hook in HOOKS}
            if self._outbox is not None:
                if name not in self._queues:
                    self._queues[name] = DeliveryQueue(
                        cell, self._outbox, limits=self._limits, clock=self._clock
                    )
                self._queues[name].cell, self._queues[name].implementations = cell, mine
            if mine["container_event"]:
                kept = old.get(name)
                if kept is None or kept.cell is not cell:
                    kept = EventQueue(cell, mine["container_event"], self._limits)
                self._events[name] = kept
        for name, events in old.items():
            if self._events.get(name) is not events:
                events.close()

    # inside: small things

    def _row(self, name: str) -> Loaded:
        row = self._roster.rows.get(name)
        if row is None:
            known = ", ".join(sorted(self._roster.rows)) or "none"
            raise HooknetError(Kind.NOT_FOUND, f"there is no plugin {name!r}", hint=f"there are: {known}")
        return row

    def _tell(self, outcome: str, **fields: Any) -> None:
        if self._publish is not None:
            self._publish("plugin", outcome=outcome, **fields)


async def found(lookup: Lookup) -> Container | None:
    """The container, None where it can't be known: that is no reason to fail an ADD."""
    try:
        return await lookup()
    except Exception as error:  # noqa: BLE001 - whatever podman's client makes of podman's state
        log.warning("the container can't be looked up: %s", error)
        return None


def stream_of(attachment: Attachment, lease: Lease) -> str:
    """What deliveries are ordered by: the name on the network where there is one, else the client-id.

    A container that is recreated under its name is a successor even where its client-id is another one.
    """
    return f"{attachment.network}/{attachment.container_name or lease.client_id.hex()}"


def not_loaded(row: Loaded) -> HooknetError:
    return HooknetError(
        Kind.PLUGIN,
        f"plugin {row.name!r} could not be loaded, and no container may start without it",
        details=row.reason,
        hint=f'mend it and run "hooknet reload", or set on_failure = "skip" in [plugins.{row.name}]',
    )


def in_quarantine(cell: Cell) -> HooknetError:
    return HooknetError(
        Kind.PLUGIN,
        f"plugin {cell.name!r} is quarantined, and no container may start without it",
        details=cell.statistics.last_error or "",
        hint=f'run "hooknet plugins enable {cell.name}" when it is mended',
    )
