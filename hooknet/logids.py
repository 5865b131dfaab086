"""The log ids: one stable name for each thing that a line of the log can say.

An operator searches, counts and alarms on the id, so an id never changes its meaning; docs/reference/logs.md
explains each one: what it means, and what to do. A test holds that page to this table.

Most lines come from the event bus: `id_of` finds the id of an event by its kind and by the one field that tells
events of that kind apart. An event that the table does not know still gets the id that ends its kind's row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40  # the numbers of the `logging` module, without its import time


@dataclass(frozen=True, slots=True)
class Line:
    """`level`: of the `logging` module. `what`: the words of the line; who and how long are added to them."""

    level: int
    what: str


@unique
class LogId(Enum):
    """Every id. The name is what the log shows."""

    ADD = Line(INFO, "attached")
    ADD_FAILED = Line(WARNING, "attach failed")
    DEL = Line(INFO, "detached")

    LEASE_BOUND = Line(INFO, "lease bound")
    LEASE_RENEWED = Line(INFO, "lease renewed")
    LEASE_REBOUND = Line(INFO, "lease taken over by another server")
    LEASE_CHANGED = Line(INFO, "lease changed")
    LEASE_RESTORED = Line(INFO, "lease restored after a start")
    LEASE_EVENT = Line(INFO, "lease")

    RELEASE_DETACHED = Line(INFO, "lease given back")
    RELEASE_VANISHED = Line(INFO, "lease given back for a container that is gone")
    RELEASE_EXPIRED = Line(WARNING, "lease ran out")
    RELEASE_NAK = Line(WARNING, "lease taken away by the server")
    RELEASE_DECLINED = Line(WARNING, "address declined, somebody else uses it")
    RELEASE_EVENT = Line(INFO, "release")

    DHCP_SENT = Line(DEBUG, "sent")
    DHCP_RECEIVED = Line(DEBUG, "received")
    DHCP_EVENT = Line(DEBUG, "dhcp")

    PODMAN_FOLLOWING = Line(INFO, "following podman's events")
    PODMAN_RESYNC = Line(INFO, "comparing with podman's containers after a gap")
    PODMAN_LOST = Line(WARNING, "podman's event stream ended, trying again")
    PODMAN_ABSENT = Line(WARNING, "podman can't be reached")
    PODMAN_EVENT = Line(DEBUG, "podman says")

    PLUGIN_LOADED = Line(INFO, "plugin loaded")
    PLUGIN_NOT_LOADED = Line(ERROR, "plugin not loaded")
    PLUGIN_CALLED = Line(DEBUG, "plugin called")
    PLUGIN_RETRY = Line(INFO, "plugin asked to be called again")
    PLUGIN_FAILED = Line(WARNING, "plugin failed")
    PLUGIN_TIMEOUT = Line(WARNING, "plugin took too long")
    PLUGIN_QUARANTINED = Line(ERROR, "plugin quarantined")
    PLUGIN_ENABLED = Line(INFO, "plugin enabled")
    PLUGIN_DISABLED = Line(INFO, "plugin disabled")
    PLUGIN_EVENT = Line(INFO, "plugin")

    RECONCILE_ACTION = Line(INFO, "reconcile")
    RECONCILE_DONE = Line(DEBUG, "reconciled")

    DAEMON_STARTED = Line(INFO, "daemon started")
    DAEMON_RELOADED = Line(INFO, "configuration read again")
    DAEMON_DEGRADED = Line(ERROR, "daemon degraded")
    DAEMON_HEALTHY = Line(INFO, "daemon healthy again")
    DAEMON_STOPPING = Line(INFO, "daemon stopping, leases are kept")
    DAEMON_STOPPED = Line(INFO, "daemon stopped")
    DAEMON_EVENT = Line(INFO, "daemon")

    CNI_ANSWERED = Line(DEBUG, "answered")
    CNI_FAILED = Line(WARNING, "answered with an error")
    CNI_UNHEARD = Line(INFO, "not heard: the caller was gone before the answer")
    NETAVARK_FAILED = Line(WARNING, "answered netavark with an error")

    CONTROL_CHANGE = Line(INFO, "changed through the control API")
    CONTROL_REFUSED = Line(WARNING, "refused by the control API")
    CONTROL_ERROR = Line(ERROR, "the control API failed")

    NOTE = Line(INFO, "")  # a line without an id of its own; it has the level that its author gave it

    @property
    def level(self) -> int:
        line: Line = self.value
        return line.level

    @property
    def what(self) -> str:
        line: Line = self.value
        return line.what


@dataclass(frozen=True, slots=True)
class Choice:
    """How the ids of one kind are told apart: the value of `by`, else `otherwise`."""

    otherwise: LogId
    by: str = ""
    ids: Mapping[str, LogId] = field(default_factory=dict)


def _by(by: str, prefix: str, *values: str, otherwise: LogId) -> Choice:
    ids = {value: LogId[f"{prefix}_{value.upper().replace('-', '_')}"] for value in values}
    return Choice(otherwise, by, ids)


CHOICES: Mapping[str, Choice] = {
    "add": Choice(LogId.ADD),
    "add-failed": Choice(LogId.ADD_FAILED),
    "del": Choice(LogId.DEL),
    "lease": _by(
        "reason", "LEASE", "BOUND", "RENEWED", "REBOUND", "CHANGED", "RESTORED", otherwise=LogId.LEASE_EVENT
    ),
    "release": _by(
        "reason",
        "RELEASE",
        "DETACHED",
        "VANISHED",
        "EXPIRED",
        "NAK",
        "DECLINED",
        otherwise=LogId.RELEASE_EVENT,
    ),
    "dhcp": _by("direction", "DHCP", "sent", "received", otherwise=LogId.DHCP_EVENT),
    "podman": _by("state", "PODMAN", "following", "resync", "lost", "absent", otherwise=LogId.PODMAN_EVENT),
    "plugin": Choice(
        LogId.PLUGIN_EVENT,
        "outcome",
        {
            "loaded": LogId.PLUGIN_LOADED,
            "not-loaded": LogId.PLUGIN_NOT_LOADED,
            "ok": LogId.PLUGIN_CALLED,
            "retry": LogId.PLUGIN_RETRY,
            "failed": LogId.PLUGIN_FAILED,
            "timeout": LogId.PLUGIN_TIMEOUT,
            "quarantined": LogId.PLUGIN_QUARANTINED,
            "enabled": LogId.PLUGIN_ENABLED,
            "disabled": LogId.PLUGIN_DISABLED,
        },
    ),
    "reconcile": Choice(LogId.RECONCILE_ACTION, "state", {"done": LogId.RECONCILE_DONE}),
    "daemon": _by(
        "state",
        "DAEMON",
        *("started", "reloaded", "degraded", "healthy", "stopping", "stopped"),
        otherwise=LogId.DAEMON_EVENT,
    ),
}


def id_of(event: Mapping[str, Any]) -> LogId:
    """The log id of an event of the bus; NOTE for a kind that has no row."""
    choice = CHOICES.get(event["kind"])
    if choice is None:
        return LogId.NOTE
    return choice.ids.get(str(event.get(choice.by, "")), choice.otherwise)


def told_by_id(event: Mapping[str, Any]) -> str:
    """The field that the event's id says already, so that a line need not repeat it; empty when there is none."""
    choice = CHOICES.get(event.get("kind", ""))
    return choice.by if choice is not None and str(event.get(choice.by)) in choice.ids else ""
