"""When the journal is lost: which attachments can be known again, and as what. Pure: traces and kernel in, rows out.

A trace is what somebody else still knows of an attachment of ours: libcni's note of the ADD, or podman's own
description. It says who and where; what is true is asked of the kernel:
- The netns is at its path, the interface is in it (a macvlan, on its parent, where we made it): it is rebuilt.
- They are not: there is nothing to rebuild, and nothing to say.
- The lease is ours when the configuration says `hooknet`. Where it says `macvlan` or `dhcp`, which may have been
  another's, an address that ends by itself tells that it is: nobody else gives the kernel a lease's end.
- The address that ends by itself is the lease's. Where none does (another main plugin set it, or the lease is for
  ever), it is the one that the runtime was told, if that is there.
What the server granted, and until when, is not known: the lease is in doubt (server 0.0.0.0), and INIT-REBOOT asks
for it under the identity of the attachment. The kernel's remaining seconds bound it meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Interface

from hooknet.dhcp.effects import Binding
from hooknet.kernel.links import LinkState, Parent, find_macvlans_of
from hooknet.kernel.parents import MACVLAN
from hooknet.lifecycle.requests import AttachRequest
from hooknet.model import AttachmentKey, Lease
from hooknet.store.records import NetnsKey

UNKNOWN_SERVER = IPv4Address(0)
UNKNOWN_END = 3600
"""Seconds for which an address without an end is kept when no server answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is known of one attachment. attached: wall clock, seconds. address: as the runtime was told.

    by_name: the configuration says `hooknet`, so the lease is ours.
    """

    request: AttachRequest
    attached: float
    address: IPv4Interface | None = None
    by_name: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the kernel shows where a trace leads. parent: None when there is none of that name."""

    netns: NetnsKey | None = None
    link: LinkState | None = None
    parent: Parent | None = None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A row for the journal. address: None when there is no lease. seconds: until it ends, None for never."""

    trace: Trace
    address: IPv4Interface | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Something is there and can't be rebuilt."""

    who: str
    why: str


def judge(trace: Trace, scene: Scene, held: Collection[AttachmentKey]) -> Rebuild | Leave | None:  # noqa: PLR0911 - a sentence each
    """What becomes of a trace; None when there is nothing to rebuild, or nothing lost."""
    request, link = trace.request, scene.link
    if request.key in held or scene.netns is None or link is None:
        return None
    who = str(request.key)
    if scene.parent is None:
        return Leave(who, f"its parent {request.parent or 'of the default route'} is not there")
    if request.link is not None:
        if link.kind != MACVLAN:
            return Leave(who, f"{link.name} is no macvlan")
        if not _hangs_on(link, scene.parent, inside=request.parent_in_netns):
            return Leave(who, f"{link.name} does not hang on {scene.parent.name}")
    if request.l2_only:
        return Rebuild(trace) if trace.by_name else Leave(who, "it may be another plugin's")
    ending = [address for address in link.addresses if address in link.seconds_left]
    if not ending and not trace.by_name:
        return Leave(who, "its address has no end, so its lease may be another DHCP client's")
    told = [address for address in link.addresses if address == trace.address]
    address = next(iter(ending or told), None)
    return Rebuild(trace, address, link.seconds_left.get(address) if address is not None else None)


def _hangs_on(link: LinkState, parent: Parent, *, inside: bool) -> bool:
    return bool(find_macvlans_of(parent, [link], elsewhere=not inside))


def binding_in_doubt(
    address: IPv4Interface, seconds: int | None, *, mac: str, client_id: bytes, now: float, obtained: datetime
) -> Binding:
    """A lease of which only the address is known, from `now` (boot time, seconds; `obtained`: the same, UTC).

    T1 and T2 are over: when INIT-REBOOT stays unanswered, every server is asked (REBINDING) until it ends.
    """
    lease = Lease(
        address=address,
        server=UNKNOWN_SERVER,
        mac=mac,
        client_id=client_id,
        obtained=obtained,
        lease_time=UNKNOWN_END if seconds is None else max(seconds, 1),
        t1=0,
        t2=0,
    )
    return Binding(lease=lease, since=now)
