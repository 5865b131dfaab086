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


def no_lease(entry: Entry, leases: Leases) -> HooknetError:
    """The error of an ADD whose deadline has passed, or whose client gave up."""
    if entry.record.offer is not None:
        return _unconfirmed(entry, entry.record.offer)
    parent = entry.host_parent
    if parent is not None and _has_answered(parent, leases):
        leases.silent_parents.setdefault(parent, leases.services.machine.now())
        return _exhausted(entry)
    return HooknetError(
        Kind.NO_LEASE,
        f"no DHCP server answered on {entry.parent} {_within(entry)}",
        details=entry.gave_up.reason if entry.gave_up else "",
        hint=f"check that the LAN behind {entry.parent} has one: `hooknet doctor --parent {entry.parent}`",
    )


def _has_answered(parent: str, leases: Leases) -> bool:
    seen = leases.seen_servers.get(parent)
    return seen is not None and leases.services.machine.now() - seen < RECENTLY


def _unconfirmed(entry: Entry, offer: Offer) -> HooknetError:
    return HooknetError(
        Kind.NO_LEASE,
        f"the DHCP server {offer.server} offered an address on {entry.parent} and confirmed none {_within(entry)}",
        hint="see the server's log",
    )


def _exhausted(entry: Entry) -> HooknetError:
    return HooknetError(
        Kind.NO_LEASE,
        f"no address was offered on {entry.parent} {_within(entry)}: the pool is probably exhausted",
        details="a DHCP server answered here lately and is silent now",
        hint="enlarge the pool or shorten its leases",
    )


def _within(entry: Entry) -> str:
    return f"within {entry.settings.timeout:g} s"
