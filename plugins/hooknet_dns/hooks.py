"""The entry point: settings in, hooks out.

podman is asked for a container's labels only when a name template needs them: the hook that names `container` is
registered only then. dnspython is imported only when a network is in update mode.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import hooknet
from hooknet_dns.keeper import Keeper, Updater
from hooknet_dns.registry import Registry
from hooknet_dns.settings import Config, Policies

__all__ = ["Config", "Dns", "DnsByLabel", "make_plugin"]

Context = hooknet.PluginContext[Config]


def make_plugin(context: Context) -> Dns | DnsByLabel | None:
    """The plugin for `[plugins.dns]`; None when every network is off. Raises ValueError for keys that can't be had.

    Keys are read here so that "hooknet plugins check" tells; later trouble with them is Retry.
    """
    policies = Policies.of(context.config)
    if not policies.all():
        return None
    keeper = Keeper(
        context.config,
        policies,
        Registry(context.state_dir, context.logger),
        zones_for(context, policies),
        context.logger,
    )
    keeper.sweep()
    by_label = any(policy.template.needs_container for policy in policies.all())
    return DnsByLabel(keeper) if by_label else Dns(keeper)


def zones_for(context: Context, policies: Policies) -> Updater | None:
    """What speaks to DNS servers, where a network wants that. Raises ModuleNotFoundError without dnspython."""
    updating = [policy for policy in policies.all() if policy.mode == "update"]
    if not updating:
        return None
    try:
        from hooknet_dns.zones import Zones
    except ModuleNotFoundError as error:
        text = 'mode = "update" needs dnspython: pip install dnspython beside hooknet, or use mode = "hosts"'
        raise ModuleNotFoundError(text, name=error.name) from error
    for policy in updating:
        for upstream in policy.upstreams():
            if upstream.key is not None:
                upstream.key.load()
    return Zones(policies, context.config.timeout, context.logger)


class Dns:
    """The hooks, where names need nothing that only podman knows."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @hooknet.hookimpl
    def post_lease(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        with trouble_is_retry():
            self._keeper.hold(attachment, lease, None)

    @hooknet.hookimpl
    def release(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        with trouble_is_retry():
            self._keeper.drop(attachment, lease)


class DnsByLabel:
    """The hooks, where a name is made of labels."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @hooknet.hookimpl
    def post_lease(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, container: hooknet.Container | None
    ) -> None:
        with trouble_is_retry():
            self._keeper.hold(attachment, lease, container)

    @hooknet.hookimpl
    def release(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        with trouble_is_retry():
            self._keeper.drop(attachment, lease)


@contextmanager
def trouble_is_retry() -> Iterator[None]:
    """A full disk or a folder that is gone is no bug of the plugin: it may be mended while the delivery waits."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise hooknet.Retry(f"{type(error).__name__}: {error}") from error
