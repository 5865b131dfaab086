"""What a renewed lease is, compared with the one before it: renewed, rebound or changed.

The rules.
1. CHANGED: the address, its mask or anything that a server says about the network differs: routes, DNS, MTU,
   any option. Plugins and the interface have something to do.
2. REBOUND: all that is the same, and another server says so.
3. RENEWED: everything is the same.
Times are no difference: a server may well count down to a fixed end. Nor is the next hop from which the reply
came, nor how the message was framed.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from hooknet.dhcp.options import Code
from hooknet.model import Lease, PostLeaseReason

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSING = frozenset(
    {
        Code.REQUESTED_ADDRESS,
        Code.LEASE_TIME,
        Code.MESSAGE_TYPE,
        Code.SERVER_ID,
        Code.TEXT,
        Code.T1,
        Code.T2,
        Code.CLIENT_ID,
        Code.RAPID_COMMIT,
        Code.RELAY_AGENT,
    }
)
"""Options about the message or the lease's life, not about the network."""

OF_THIS_ACK = frozenset({"server", "server_mac", "obtained", "lease_time", "t1", "t2", "options"})
LASTING = attrgetter(*(field.name for field in fields(Lease) if field.name not in OF_THIS_ACK))


def reason_for(before: Lease, now: Lease) -> PostLeaseReason:
    """Why `post_lease` fires for a lease that took the place of another without a gap."""
    if what_matters(before) != what_matters(now):
        return PostLeaseReason.CHANGED
    return PostLeaseReason.RENEWED if before.server == now.server else PostLeaseReason.REBOUND


def what_matters(lease: Lease) -> tuple[tuple[object, ...], Mapping[int, bytes]]:
    """The lease without times and sender, and its options that describe the network."""
    return LASTING(lease), {code: value for code, value in lease.options.items() if code not in PASSING}
