"""A lease that is left to lapse, and for which a shorter time was asked than the server granted.

After a reboot of the host the leases of containers that podman still knows, or while podman can't be asked, are left
to lapse: these containers will ask for the same addresses again. Where option 51 asked for less than was granted (the
plugin short-lease, or `lease_time` of the network), the address of a container that never comes back would be lost
for as long as the server likes. So hooknet keeps the shorter time itself: when it is over, and neither the identity
nor the address is in use again, the lease is given back.

Pure. Times are seconds of the wall clock: they outlive a boot.
"""

from __future__ import annotations

from collections.abc import Iterable

from hooknet.model import INFINITE
from hooknet.store.records import Record


def release_due(record: Record) -> float | None:
    """When a lease that lapses is to be given back all the same; None: the server's own time is short enough."""
    if record.request is None or record.binding is None:
        return None
    asked, lease = record.request.lease_time, record.binding.lease
    if asked is None or asked >= INFINITE:
        return None
    if lease.lease_time is not None and lease.lease_time <= asked:
        return None
    return lease.obtained.timestamp() + asked


def is_back(record: Record, held: Iterable[Record]) -> bool:
    """Whether a newer generation has the identity, or the address on the same parent: then nothing is given back."""
    newer = (other for other in held if other.generation > record.generation)
    return any(other.client_id == record.client_id or _same_address(other, record) for other in newer)


def _same_address(one: Record, other: Record) -> bool:
    if one.binding is None or other.binding is None or one.attachment.parent != other.attachment.parent:
        return False
    return one.binding.lease.address.ip == other.binding.lease.address.ip
