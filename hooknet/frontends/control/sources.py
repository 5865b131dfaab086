"""What the control API asks the daemon, as a Protocol, and the words that the answers are made of.

The daemon implements `Sources`; this front end sees nothing else of it. Every method is called on the daemon's
event loop. The plain ones must be quick: they answer from memory. The coroutines are bounded by the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from hooknet.lifecycle.bus import Event
    from hooknet.lifecycle.requests import AttachmentView


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong now: what it is, why, and what to do about it."""

    what: str
    why: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreView:
    """The journal. `state`: `ok`, or in one word what is wrong with it."""

    state: str
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanView:
    """One podman service whose events are followed.

    state: `following`, `resync`, `lost` (trying again) or `absent`. last_event: when it last said anything, UTC.
    """

    url: str
    state: str
    events: int = 0
    last_event: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentView:
    """A host interface that attachments hang on. up: set up. carrier: up, and a cable is there."""

    name: str
    up: bool
    carrier: bool
    attachments: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """How the daemon is. `uptime_s`: seconds. `counts`: whatever is worth counting, word to number."""

    healthy: bool
    version: str
    uptime_s: float
    pid: int
    store: StoreView
    problems: Sequence[Problem] = ()
    podman: Sequence[PodmanView] = ()
    parents: Sequence[ParentView] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    config: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedAction:
    """One step of a reconcile. `action`: such as `release`; `who`: the attachment as people name it."""

    action: str
    who: str
    why: str


class PluginView(Protocol):
    """What is shown of a plugin; the dispatcher's own report fits.

    `p50_ms`, `p95_ms`: milliseconds, None when unknown. `quarantine_s`: seconds that are left.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def distribution(self) -> str: ...
    @property
    def hooks(self) -> Sequence[str]: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def on_failure(self) -> str: ...
    @property
    def calls(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def strikes(self) -> int: ...
    @property
    def p50_ms(self) -> float | None: ...
    @property
    def p95_ms(self) -> float | None: ...
    @property
    def last_error(self) -> str | None: ...
    @property
    def pending(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def quarantine_s(self) -> float: ...


class Sources(Protocol):
    """The daemon, as far as this front end can see. Errors are `HooknetError`s and become HTTP errors."""

    def leases(self) -> Sequence[AttachmentView]:
        """Every attachment, with or without a lease."""

    def plugins(self) -> Sequence[PluginView]:
        """Every plugin that was found, loaded or not."""

    def status(self) -> StatusView:
        """How the daemon is, now."""

    def events(self, *, since: float | None, follow: bool) -> AsyncIterator[Event]:
        """`EventBus.subscribe`'s contract. An `aclose` of the iterator, where it has one, is awaited."""

    async def reconcile(self, *, dry_run: bool) -> Sequence[PlannedAction]:
        """Compare store, kernel and podman; carry out what follows, unless `dry_run`. Returns the actions."""

    async def reload(self) -> Sequence[str]:
        """Read the configuration and the plugins' settings again. Returns what changed, one line each."""

    async def plugin_enable(self, name: str) -> None:
        """End a plugin's quarantine or its disabling. NOT_FOUND when there is no such plugin."""

    async def plugin_disable(self, name: str) -> None:
        """Call a plugin no more, until it is enabled or the daemon starts again. NOT_FOUND as above."""
