"""host-access: the host reaches its own macvlan containers, which macvlan as such does not allow.

For each parent with leases there is one more macvlan on the host, the shim, and a route to each lease over it; both
follow `post_lease` and `release`, and go with the last lease. What is held is kept in the plugin's own folder:
a daemon that was killed finds its leftovers there, removes those of containers that are gone, and restores the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pyroute2.netlink.exceptions import NetlinkError

import hooknet
from hooknet_host_access.ledger import Held, Ledger, held
from hooknet_host_access.shim import NameTakenError, Shims

PAUSE = 10.0
"""Seconds until a refusal of the kernel (the parent is down, …) is worth another try."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.host-access]`. networks: patterns; the host reaches the containers on these."""

    networks: tuple[str, ...] = ("*",)


def make_plugin(context: hooknet.PluginContext[Config]) -> HostAccess:
    """The entry point. Puts right what a former run left."""
    plugin = HostAccess(
        context.config,
        Ledger(context.state_dir / "leases.json", context.logger),
        Shims(context.logger),
        context.logger,
    )
    plugin.restore()
    return plugin


class HostAccess:
    """Ledger and kernel, changed together: hooks run side by side."""

    def __init__(self, config: Config, ledger: Ledger, shims: Shims, log: logging.Logger) -> None:
        self._networks = config.networks
        self._ledger = ledger
        self._shims = shims
        self._log = log
        self._lock = threading.Lock()

    @hooknet.hookimpl
    def post_lease(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        if not self._is_wanted(attachment.network):
            return
        one = held(attachment, lease)
        if one is None:
            return  # its container is gone: `release` is on its way
        with self._lock:
            self._sync(self._ledger.put(one))

    @hooknet.hookimpl
    def release(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        with self._lock:
            self._sync(self._ledger.drop(attachment, lease.address.ip))

    def restore(self) -> None:
        """Forget what is gone, set the rest again. Never raises: a plugin must load in any weather."""
        with self._lock:
            parents = self._ledger.parents()
            entries = self._ledger.entries()
            kept = [one for one in entries if self._is_kept(one)]
            if len(kept) != len(entries):
                self._ledger.retain(kept)
            try:
                self._sync(parents)
            except hooknet.Retry as error:
                self._log.warning("what a former run left is put right later: %s", error)

    def _is_kept(self, one: Held) -> bool:
        return self._is_wanted(one.network) and one.is_alive()

    def _is_wanted(self, network: str) -> bool:
        return any(fnmatchcase(network, pattern) for pattern in self._networks)

    def _sync(self, parents: Iterable[str]) -> None:
        """Raises Retry when the kernel refuses, which time may heal. A name that is taken is not waited for."""
        for parent in sorted(parents):
            try:
                self._shims.sync(parent, self._ledger.addresses(parent))
            except NameTakenError as error:
                self._log.error("the host can't reach its containers on %s: %s", parent, error)
            except (OSError, NetlinkError) as error:
                raise hooknet.Retry(f"host access on {parent}: {error}", after=PAUSE) from error
