"""exec: hooks for administrators who don't write Python. The programs of a folder are run on each hook.

`DIRECTORY/pre_lease.d/*`, `post_lease.d/*`, `release.d/*` and `container_event.d/*`, in the order of their names,
with what happened as JSON on stdin and as environment variables. They run as root: only files of root are run,
never through a shell, with a clean environment, and killed with all their children when their time is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import hooknet
from hooknet_exec.calls import Calls

Hook = Literal["pre_lease", "post_lease", "release", "container_event"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.exec]`.

    directory: where the folders are. hooks: for which of them programs are looked for. container: whether programs
    get the container's image and labels, for which each ADD has to ask podman. timeout: seconds for all programs of
    one `post_lease`, `release` or `container_event`. pre_lease_timeout: the same of one `pre_lease`, while the
    container waits.
    """

    directory: Path = Path("/etc/hooknet/hooks")
    hooks: tuple[Hook, ...] = ("pre_lease", "post_lease", "release")
    container: bool = False
    timeout: hooknet.Duration = 20.0
    pre_lease_timeout: hooknet.Duration = 1.5

    def __post_init__(self) -> None:
        if not self.directory.is_absolute() or ".." in self.directory.parts:
            raise ValueError(f'directory = "{self.directory}" is no absolute path')
        if self.timeout <= 0 or self.pre_lease_timeout <= 0:
            raise ValueError("timeout and pre_lease_timeout are times above 0")


def make_plugin(context: hooknet.PluginContext[Config]) -> SimpleNamespace | None:
    """The entry point: an object with exactly the hooks that are wanted."""
    config = context.config
    if not config.directory.is_dir():
        context.logger.warning("there is no folder %s, so no program is run", config.directory)
    timeouts = {
        "pre_lease": config.pre_lease_timeout,
        "post_lease": config.timeout,
        "release": config.timeout,
        "container_event": config.timeout,
    }
    calls = Calls(config.directory, timeouts, context.logger)
    every = WithContainer(calls) if config.container else WithoutContainer(calls)
    wanted = {hook: getattr(every, hook) for hook in config.hooks}
    return SimpleNamespace(**wanted) if wanted else None


class Hooks:
    """What both variants do."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @hooknet.hookimpl
    def container_event(self, event: hooknet.ContainerEvent) -> None:
        self._calls.observe("container_event", {"event": event})

    def before(self, **arguments: Any) -> hooknet.LeaseRequest:
        return self._calls.fold(arguments)

    def after(self, hook: Hook, **arguments: Any) -> None:
        attachment, lease, reason = arguments["attachment"], arguments["lease"], arguments["reason"]
        self._calls.observe(hook, arguments, (attachment.key, attachment.generation, reason, lease.obtained))


class WithoutContainer(Hooks):
    """Nobody is asked about the container."""

    @hooknet.hookimpl
    def pre_lease(
        self, attachment: hooknet.Attachment, request: hooknet.LeaseRequest
    ) -> hooknet.LeaseRequest:
        return self.before(attachment=attachment, request=request)

    @hooknet.hookimpl
    def post_lease(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        reason: hooknet.PostLeaseReason,
        previous: hooknet.Lease | None,
    ) -> None:
        self.after("post_lease", attachment=attachment, previous=previous, lease=lease, reason=reason)

    @hooknet.hookimpl
    def release(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.ReleaseReason
    ) -> None:
        self.after("release", attachment=attachment, lease=lease, reason=reason)


class WithContainer(Hooks):
    """Programs get the container's image and labels too."""

    @hooknet.hookimpl
    def pre_lease(
        self,
        attachment: hooknet.Attachment,
        request: hooknet.LeaseRequest,
        container: hooknet.Container | None,
    ) -> hooknet.LeaseRequest:
        return self.before(attachment=attachment, request=request, container=container)

    @hooknet.hookimpl
    def post_lease(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        reason: hooknet.PostLeaseReason,
        previous: hooknet.Lease | None,
        container: hooknet.Container | None,
    ) -> None:
        self.after(
            "post_lease",
            attachment=attachment,
            previous=previous,
            lease=lease,
            reason=reason,
            container=container,
        )

    @hooknet.hookimpl
    def release(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        reason: hooknet.ReleaseReason,
        container: hooknet.Container | None,
    ) -> None:
        self.after("release", attachment=attachment, lease=lease, reason=reason, container=container)
