"""short-lease: containers that live for minutes need no lease for days.

A lease time by rules (network, name, label, image) is asked for in option 51 (RFC 2132 section 9.2). A server
may grant more than that. hooknet gives the lease back when the container goes, as it does with every lease; this
plugin says once per server that short leases are not granted there, with the remedy, because the RELEASE of a
host that loses power never leaves, and then only the server's time bounds how long the address is lost.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import hooknet
from hooknet_short_lease.rules import INFINITE, Rule, seconds

NEW = {hooknet.PostLeaseReason.BOUND, hooknet.PostLeaseReason.REBOUND, hooknet.PostLeaseReason.CHANGED}
REMEDY = (
    "let the server grant short leases: min-valid-lifetime in Kea, min-lease-time in ISC dhcpd; dnsmasq never goes "
    "below two minutes; or give containers a range of their own with a short time. Until then an address is lost "
    "for that long whenever a host dies without giving it back"
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.short-lease]`.

    label: the label in which a container asks for a time itself, "" for none. rules: the first that holds
    decides. lease_time: for everything else; None leaves it alone. Labels and images cost each ADD a look at podman.
    """

    label: str = ""
    lease_time: hooknet.Duration | None = None
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if self.lease_time is not None:
            seconds(self.lease_time)


def make_plugin(context: hooknet.PluginContext[Config]) -> Leases | None:
    """The entry point. Only rules about labels and images make hooknet look containers up."""
    config = context.config
    wishes = Wishes(config, context.logger)
    if not config.label and not wishes.rules and config.lease_time is None:
        return None
    needs_container = bool(config.label) or any(rule.needs_container for rule in wishes.rules)
    return (LeasesByContainer if needs_container else LeasesByName)(wishes, context.logger)


class Wishes:
    """The lease time of each attachment: a pure function of what is known of it."""

    def __init__(self, config: Config, log: logging.Logger) -> None:
        self.rules = config.rules
        self._label = config.label
        self._rest = None if config.lease_time is None else seconds(config.lease_time)
        self._log = log

    def lease_time(self, attachment: hooknet.Attachment, container: hooknet.Container | None) -> int | None:
        """Seconds; None when nothing is to be asked for."""
        own = self._own(container)
        if own is not None:
            return own
        rule = next((rule for rule in self.rules if rule.holds(attachment, container)), None)
        return self._rest if rule is None else rule.wanted

    def _own(self, container: hooknet.Container | None) -> int | None:
        value = container.labels.get(self._label) if container is not None and self._label else None
        if value is None or container is None:
            return None
        try:
            return seconds(value)
        except ValueError as error:
            self._log.warning("%s: label %s: %s; the rules decide", container.name, self._label, error)
            return None


class Leases:
    """What both variants do."""

    def __init__(self, wishes: Wishes, log: logging.Logger) -> None:
        self._wishes = wishes
        self._log = log
        self._told: set[tuple[str, IPv4Address]] = set()
        self._lock = threading.Lock()

    def ask(
        self,
        attachment: hooknet.Attachment,
        request: hooknet.LeaseRequest,
        container: hooknet.Container | None,
    ) -> hooknet.LeaseRequest | None:
        wanted = self._wishes.lease_time(attachment, container)
        return None if wanted is None else replace(request, lease_time=wanted)

    def compare(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        reason: hooknet.PostLeaseReason,
        container: hooknet.Container | None,
    ) -> None:
        """Warn about a server that grants more than was asked for, once for each network."""
        wanted = self._wishes.lease_time(attachment, container)
        granted = INFINITE if lease.lease_time is None else lease.lease_time
        if reason not in NEW or wanted is None or granted <= wanted:
            return
        server = (attachment.network, lease.server)
        with self._lock:
            if server in self._told:
                return
            self._told.add(server)
        self._log.warning(
            "the DHCP server %s on network %s granted %s where %s was asked for (this is said once): %s",
            lease.server,
            attachment.network,
            spoken(granted),
            spoken(wanted),
            REMEDY,
        )


class LeasesByName(Leases):
    """Rules about networks and names only: nobody is asked about the container."""

    @hooknet.hookimpl
    def pre_lease(
        self, attachment: hooknet.Attachment, request: hooknet.LeaseRequest
    ) -> hooknet.LeaseRequest | None:
        return self.ask(attachment, request, None)

    @hooknet.hookimpl
    def post_lease(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.PostLeaseReason
    ) -> None:
        self.compare(attachment, lease, reason, None)


class LeasesByContainer(Leases):
    """Some rule is about labels or images."""

    @hooknet.hookimpl
    def pre_lease(
        self,
        attachment: hooknet.Attachment,
        request: hooknet.LeaseRequest,
        container: hooknet.Container | None,
    ) -> hooknet.LeaseRequest | None:
        return self.ask(attachment, request, container)

    @hooknet.hookimpl
    def post_lease(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        reason: hooknet.PostLeaseReason,
        container: hooknet.Container | None,
    ) -> None:
        if container is not None:  # unknown when it was asked, or now: then nothing can be compared
            self.compare(attachment, lease, reason, container)


def spoken(lease_time: int) -> str:
    return "an infinite lease" if lease_time == INFINITE else f"{lease_time} s"
