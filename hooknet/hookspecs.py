"""The hooks: the public contract between hooknet and every plugin.

An implementation takes only the arguments that it names, and may be `def` or `async def`. docs/plugins/ has the
guide and the reference that is generated from this file.
"""

from __future__ import annotations

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

    Never delays a container. Delivered at least once, in order per plugin and identity. `previous` is the lease
    before this one where there was one. Raise `hooknet.Retry(after=seconds)` to be called again.
    """


@hookspec
def release(
    attachment: Attachment, lease: Lease, reason: ReleaseReason, container: Container | None
) -> None:
    """Called when a lease whose `post_lease` was queued is given back or lost. Delivered like `post_lease`."""


@hookspec
def container_event(event: ContainerEvent) -> None:
    """Called for each event of podman's stream, best effort: events may be missed and are never repeated."""
