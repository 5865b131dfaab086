"""What the control API may ask the daemon: its state in people's words, and the few things it can be told."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from hooknet import __version__
from hooknet.frontends.control.sources import (
    ParentView,
    PlannedAction,
    PluginView,
    PodmanView,
    Problem,
    StatusView,
    StoreView,
)
from hooknet.kernel.parents import NO_CARRIER_REMEDY
from hooknet.kernel.watch import Seen
from hooknet.lifecycle.bus import Event
from hooknet.lifecycle.requests import AttachmentView
from hooknet.podman import StreamState, StreamStatus
from hooknet.podmans import WORDS

if TYPE_CHECKING:
    from hooknet.daemon import Daemon

NO_PARENT = "there is no such interface"


class Report:
    """`Sources` for the control API."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def leases(self) -> Sequence[AttachmentView]:
        return self._daemon.lifecycle.views()

    def plugins(self) -> Sequence[PluginView]:
        return self._daemon.plugins.report()

    def events(self, *, since: float | None, follow: bool) -> AsyncIterator[Event]:
        return self._daemon.bus.subscribe(since=since, follow=follow)

    async def reconcile(self, *, dry_run: bool) -> Sequence[PlannedAction]:
        actions = await self._daemon.lifecycle.reconciler.reconcile(dry_run=dry_run)
        return [PlannedAction(action=a.act.value, who=str(a.key), why=a.why) for a in actions]

    async def reload(self) -> Sequence[str]:
        return await self._daemon.reload()

    async def plugin_enable(self, name: str) -> None:
        await self._daemon.plugins.enable(name)

    async def plugin_disable(self, name: str) -> None:
        await self._daemon.plugins.disable(name)

    def status(self) -> StatusView:
        daemon = self._daemon
        views = daemon.lifecycle.views()
        problems = self.problems()
        podman_problems = [p for state in daemon.podmans.states if (p := podman_problem(state)) is not None]
        return StatusView(
            healthy=not problems,
            version=__version__,
            uptime_s=round(time.monotonic() - daemon.started_at, 1),
            pid=os.getpid(),
            store=self._store(),
            problems=[*problems, *podman_problems, *self._lost_journal()],
            podman=[self._podman_view(state) for state in daemon.podmans.states],
            parents=self._parents(),
            counts={
                "attachments": len(views),
                "leases": sum(view.lease is not None for view in views),
                "exchanges": daemon.lifecycle.sessions,
                "plugins": len(daemon.plugins.report()),
            },
            config=str(daemon.config.path) if daemon.config.path is not None else None,
        )

    def problems(self) -> list[Problem]:
        """What makes the daemon unhealthy now. A podman that is not there does not: hooknet works without."""
        cut_off = (parent_problem(parent) for parent in self._parents())
        return [
            *self._store_problems(),
            *(problem for problem in cut_off if problem is not None),
            *self._pool_problems(),
            *self._plugin_problems(),
            *self._proxy_problems(),
        ]

    def _podman_view(self, state: StreamState) -> PodmanView:
        heard = self._daemon.podmans.heard(state.url)
        return PodmanView(
            url=state.url,
            state=WORDS[state.status],
            events=heard.count,
            last_event=heard.last,
            detail=state.why,
        )

    def _parents(self) -> list[ParentView]:
        counts = self._daemon.lifecycle.on_parents()
        return [parent_view(name, self._daemon.watcher.find(name), counts[name]) for name in sorted(counts)]

    def _store(self) -> StoreView:
        journal = self._daemon.journal
        failing = journal.failing
        return StoreView(
            state="ok" if failing is None else "failing",
            path=str(journal.path),
            detail="" if failing is None else f"{failing}; {journal.waiting} changes wait in memory",
        )

    def _store_problems(self) -> list[Problem]:
        failing = self._daemon.journal.failing
        if failing is None:
            return []
        return [
            Problem(
                f"the journal {self._daemon.journal.path} can't be written",
                failing,
                "free or repair the disk: leases in use go on in memory, new ADDs are refused; it heals by itself",
            )
        ]

    def _proxy_problems(self) -> list[Problem]:
        refused = self._daemon.without_proxy
        if refused is None:
            return []
        why = f"{refused.message}; networks with netavark's dhcp driver are not served by hooknet, all others are"
        return [Problem("hooknet can't be netavark's dhcp-proxy", why, refused.hint)]

    def _lost_journal(self) -> list[Problem]:
        """Until the next start: what a corrupt journal has cost."""
        lost = self._daemon.lost
        if lost is None:
            return []
        left = "; ".join(f"{leave.who}: {leave.why}" for leave in lost.rebuilt.left)
        return [
            Problem(
                f"the journal was corrupt at the start and is kept as {lost.set_aside}",
                f"{lost.rebuilt.kept} attachments were rebuilt from what runs"
                + (f"; these could not be: {left}" if left else ""),
                "restart containers that `hooknet leases` does not show; compare the disk's health",
            )
        ]

    def _pool_problems(self) -> list[Problem]:
        return [
            Problem(
                f"no address is offered on {parent}",
                "a server answered there lately and is silent now: its pool is probably exhausted",
                "enlarge the pool, or shorten its leases (the plugin short-lease helps)",
            )
            for parent in self._daemon.lifecycle.exhausted()
        ]

    def _plugin_problems(self) -> list[Problem]:
        return [
            Problem(
                f"plugin {report.name} is {report.state}", report.last_error or "", "see `hooknet plugins`"
            )
            for report in self._daemon.plugins.report()
            if str(report.state) in {"failed", "quarantined"}
        ]


def podman_problem(state: StreamState) -> Problem | None:
    if state.status is StreamStatus.CONNECTED:
        return None
    return Problem(
        f"podman's events at {state.url} are not followed",
        state.why,
        state.hint or "containers that are killed without a DEL are found by their netns only",
    )


def parent_view(name: str, seen: Seen | None, attachments: int) -> ParentView:
    """seen: None when the host has no such interface."""
    if seen is None:
        return ParentView(name=name, up=False, carrier=False, attachments=attachments, detail=NO_PARENT)
    return ParentView(name=name, up=seen.up, carrier=seen.up and seen.carrier, attachments=attachments)


def parent_problem(parent: ParentView) -> Problem | None:
    """Without it nobody who hangs on it reaches the LAN, and no lease can be renewed."""
    why = f"{parent.attachments} attached, cut off from the LAN; their leases can't be renewed"
    if parent.detail == NO_PARENT:
        todo = "bring it back under this name and restart the containers: their interfaces went with it"
        return Problem(f"the parent {parent.name} is gone", why, todo)
    if not parent.up:
        return Problem(f"the parent {parent.name} is down", why, f"ip link set {parent.name} up")
    if not parent.carrier:
        return Problem(f"the parent {parent.name} has no carrier", why, NO_CARRIER_REMEDY)
    return None
