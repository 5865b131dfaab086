"""What of a lease must be on disk before anything else happens, and what may follow within a second."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from hooknet.config import NetworkSettings
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.leases import Leases
from hooknet.model import Attachment, MacvlanMode, Phase, PostLeaseReason, ReleaseReason
from hooknet.store.records import Record
from hooknet.testing import make_binding


class Journal:
    """A disk that takes its time: nothing awaited is ever answered."""

    def __init__(self) -> None:
        self.kept, self.awaited = [], []

    def keep(self, record) -> None:
        self.kept.append(record)

    def put(self, record, _deliveries=(), *, kept):
        self.awaited.append(record)
        return asyncio.get_running_loop().create_future()


def an_entry(phase: Phase) -> Entry:
    attachment = Attachment(
        container_id="c1", ifname="eth0", network="lan", netns="/run/netns/x", parent="eth7", generation=1
    )
    record = Record(
        attachment=attachment,
        phase=phase,
        boot_id="boot",
        created=0.0,
        netns_id=(4, 4711),
        mac="02:00:00:00:00:01",
        client_id=b"\xff\x01",
        mode=MacvlanMode.BRIDGE,
        binding=make_binding(),
        hears=phase is Phase.REPLIED,
    )
    return Entry(record, NetworkSettings())


def leases_on(journal: Journal) -> Leases:
    hooks = SimpleNamespace(
        deliveries_for_post_lease=lambda *_: (), deliveries_for_release=lambda *_: (), wake=lambda: None
    )
    services = SimpleNamespace(
        journal=journal,
        hooks=hooks,
        bus=SimpleNamespace(publish=lambda *_args, **_fields: None),
        podman=SimpleNamespace(cached=lambda _: None),
        machine=SimpleNamespace(now=lambda: 0.0),
    )
    return Leases(services)


def waits_for_the_disk(change) -> bool:
    async def attempt() -> bool:
        task = asyncio.ensure_future(change)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waits = not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return waits

    return asyncio.run(attempt())


@pytest.mark.parametrize("reason", list(ReleaseReason))
def test_a_lease_that_is_lost_is_lost_on_disk_before_anything_else(reason) -> None:
    """Else a daemon that is killed then would put back an address that a server has refused."""
    journal, entry = Journal(), an_entry(Phase.REPLIED)
    binding = entry.record.binding
    assert waits_for_the_disk(leases_on(journal).lost(entry, None, binding.lease, reason))
    assert [record.binding for record in journal.awaited] == [None]


@pytest.mark.parametrize(
    ("phase", "reason", "waits"),
    [
        (
            Phase.CONFIGURED,
            PostLeaseReason.BOUND,
            False,
        ),  # the caller was answered: the lease is there already
        (Phase.REPLIED, PostLeaseReason.RENEWED, False),
        (Phase.REPLIED, PostLeaseReason.REBOUND, False),
        (Phase.REPLIED, PostLeaseReason.CHANGED, True),
        (Phase.REPLIED, PostLeaseReason.BOUND, True),  # another address, after one was lost
        (Phase.REPLIED, PostLeaseReason.RESTORED, True),
    ],
)
def test_only_a_lease_that_has_nothing_new_but_its_end_need_not_wait(phase, reason, waits) -> None:
    journal, entry = Journal(), an_entry(phase)
    assert waits_for_the_disk(leases_on(journal).tell_plugins(entry, reason, None, None)) is waits
    assert len(journal.kept) + len(journal.awaited) == 1
    assert entry.is_replied()
