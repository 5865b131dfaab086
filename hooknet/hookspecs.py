"""The hooks: the public contract between hooknet and every plugin.

An implementation takes only the arguments that it names, and may be `def` or `async def`. docs/plugins/ has
the guide and the reference that is generated from this file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pluggy

from hooknet.model import (
    Attachment,
    Container,
    ContainerEvent,
    Lease,
    LeaseRequest,
    PostLeaseReason,
    ReleaseReason,
)

PROJECT = "hooknet"
ENTRY_POINT_GROUP = "hooknet"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginContext(Generic[ConfigT]):
    """What hooknet gives a plugin when it loads it.

    name: the entry point's name, which is also the name of its table `[plugins.NAME]`. config: an instance of
    the plugin's `Config` dataclass bound from that table, None when the plugin has no `Config`. logger:
    writes to the daemon's log under the plugin's name. state_dir: a folder of the plugin's own (mode 0700)
    that survives restarts.
    """

    name: str
    config: ConfigT
    logger: logging.Logger
    state_dir: Path


@hookspec
def pre_lease(
    attachment: Attachment, request: LeaseRequest, container: Container | None
) -> LeaseRequest | None:
    """Called before the DISCOVER leaves: look at the request, or return a changed copy.

    Each plugin gets what the one before it returned. None leaves the request as it is. Raise
    `hooknet.Refused("why")` to fail the ADD with that text. The container waits: the budget is 2 seconds unless
    configured otherwise, and on overrun or exception the plugin's `on_failure` (`skip` or `fail`) decides.
    """


@hookspec
def post_lease(
    attachment: Attachment,
    lease: Lease,
    reason: PostLeaseReason,
    previous: Lease | None,
    container: Container | None,
) -> None:
    """Called after a lease is in use, and each time it is renewed, changed or restored.

    Never delays a container. Delivered at least once, in order per plugin and identity. Raise
    `hooknet.Retry(after=seconds)` to be called again. `previous` is the lease before this one where there was
    one. The reasons: `BOUND`, a new lease (with `previous` where one was lost before); `RENEWED`; `REBOUND`,
    another server took the lease over, the address is the same; `CHANGED`, the address or options changed
    without a gap; `RESTORED`, the daemon started and the lease is still good.
    """


@hookspec
def release(attachment: Attachment, lease: Lease, reason: ReleaseReason, container: Container | None) -> None:
    """Called when a lease whose `post_lease` was queued is given back or lost. Delivered like `post_lease`.

    The reasons: `DETACHED`, the runtime said so; `VANISHED`, the container is gone and nobody said so;
    `EXPIRED`, the lease ran out; `NAK`, the server took it away; `DECLINED`, somebody else uses the address.
    After the last three a `post_lease(BOUND)` follows when there is an address again.
    """


@hookspec
def container_event(event: ContainerEvent) -> None:
    """Called for each event of podman's stream, best effort: events may be missed and are never repeated."""
