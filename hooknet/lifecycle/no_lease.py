"""Why an ADD has no lease, in words.

A server whose pool is exhausted just stays silent (RFC 2131 section 4.3.1), as no server does. So "exhausted" is said
when one answered on this parent lately; then STATUS knows it as well.
"""

from __future__ import annotations

from hooknet.dhcp.effects import Offer
from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.leases import Leases

RECENTLY = 3600.0
"""Seconds."""
MOST = 0.9
"""The share of the timeout from which on servers had as good as all of it."""


def no_lease(entry: Entry, leases: Leases, patience: float) -> HooknetError:
    """The error of an ADD whose deadline has passed, or whose client gave up.

    patience: seconds in which servers could answer; what the ADD had waited for before is not their silence.
    """
    within = _within(patience, entry.settings.timeout)
    if entry.record.offer is not None:
        return _unconfirmed(entry, entry.record.offer, within)
    parent = entry.host_parent
    if parent is not None and _has_answered(parent, leases) and patience >= entry.settings.timeout / 2:
        leases.silent_parents.setdefault(parent, leases.services.machine.now())
        return _exhausted(entry, within)
    return HooknetError(
        Kind.NO_LEASE,
        f"no DHCP server answered on {entry.parent} {within}",
        details=entry.gave_up.reason if entry.gave_up else "",
        hint=f"check that the LAN behind {entry.parent} has one: `hooknet doctor --parent {entry.parent}`",
    )


def _has_answered(parent: str, leases: Leases) -> bool:
    seen = leases.seen_servers.get(parent)
    return seen is not None and leases.services.machine.now() - seen < RECENTLY


def _unconfirmed(entry: Entry, offer: Offer, within: str) -> HooknetError:
    return HooknetError(
        Kind.NO_LEASE,
        f"the DHCP server {offer.server} offered an address on {entry.parent} and confirmed none {within}",
        hint="see the server's log",
    )


def _exhausted(entry: Entry, within: str) -> HooknetError:
    return HooknetError(
        Kind.NO_LEASE,
        f"no address was offered on {entry.parent} {within}: the pool is probably exhausted",
        details="a DHCP server answered here lately and is silent now",
        hint="enlarge the pool or shorten its leases",
    )


def _within(patience: float, timeout: float) -> str:
    if patience >= MOST * timeout:
        return f"within {timeout:g} s"
    return f"within the {patience:.1f} s that were left of {timeout:g}"
