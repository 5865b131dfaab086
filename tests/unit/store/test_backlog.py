"""What waits for a disk that is full: as much as is in use, however long and however much happens meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from journal_samples import WALL, a_delivery, a_record

from hooknet.errors import HooknetError
from hooknet.model import Phase
from hooknet.store.journal import Journal

ADDS = 400


def disk(journal: Journal, *, full: bool) -> None:
    assert journal._connection is not None
    journal._connection.execute(f"PRAGMA query_only={'ON' if full else 'OFF'}")


def rows(journal: Journal) -> list[tuple[str, str]]:
    with sqlite3.connect(journal.path) as database:
        return database.execute("SELECT container_id, phase FROM attachments ORDER BY 1").fetchall()


async def refused_add(journal: Journal, container: str) -> None:
    """What an ADD writes when its INTENT is refused: nothing, and the ending of it."""
    with pytest.raises(HooknetError):
        await journal.put(a_record(container, Phase.INTENT))
    await journal.put(a_record(container, Phase.RELEASING), kept=True)
    await journal.remove(a_record(container).key, 1)


def test_fault_5_hundreds_of_refused_adds_leave_nothing_behind(journal: Journal) -> None:
    async def story() -> None:
        await journal.put(a_record("lives", Phase.REPLIED))
        disk(journal, full=True)
        for number in range(ADDS):
            await refused_add(journal, f"new{number}")
        assert journal.waiting == 0
        disk(journal, full=False)
        await journal.heal()

    asyncio.run(story())
    assert rows(journal) == [("lives", "REPLIED")]


def test_fault_5_renewals_wait_once_per_attachment_and_not_once_each(journal: Journal) -> None:
    async def story() -> None:
        await journal.put(a_record("lives", Phase.REPLIED))
        disk(journal, full=True)
        for number in range(ADDS):
            renewed = replace(a_record("lives", Phase.REPLIED), mtu=number)
            await journal.put(renewed, [a_delivery(f'"{number}"', renews=True)], kept=True)
        assert journal.waiting == 2
        disk(journal, full=False)
        await journal.heal()
        assert journal.waiting == 0
        [owed] = await journal.pending()
        assert owed.payload == f'"{ADDS - 1}"'.encode()

    asyncio.run(story())


def test_nothing_but_a_renewal_right_before_another_is_merged(journal: Journal) -> None:
    async def story() -> list[bytes]:
        disk(journal, full=True)
        told = ["bound", "RENEWED 1", "RENEWED 2", "changed", "RENEWED 3", "release", "bound", "RENEWED 4"]
        hooks = ["release" if one == "release" else "post_lease" for one in told]
        renewals = [one.startswith("RENEWED") for one in told]
        await journal.deliver(
            [a_delivery(*what, renews=renews) for *what, renews in zip(told, hooks, renewals, strict=True)]
        )
        disk(journal, full=False)
        await journal.heal()
        return [delivery.payload for delivery in await journal.pending()]

    assert asyncio.run(story()) == [
        b"bound",
        b"RENEWED 2",
        b"changed",
        b"RENEWED 3",
        b"release",
        b"bound",
        b"RENEWED 4",
    ]


def test_an_attachment_that_was_on_disk_is_deleted_there_when_the_disk_is_back(journal: Journal) -> None:
    async def story() -> None:
        await journal.put(a_record("old", Phase.REPLIED))
        await journal.put(a_record("lives", Phase.REPLIED))
        disk(journal, full=True)
        await journal.put(a_record("old", Phase.RELEASING), kept=True)
        await journal.remove(a_record("old", Phase.REPLIED).key, 1)
        assert journal.waiting == 1
        disk(journal, full=False)
        await journal.heal()

    asyncio.run(story())
    assert rows(journal) == [("lives", "REPLIED")]


def test_rows_of_an_earlier_daemon_count_as_on_disk(journal: Journal, tmp_path: Path) -> None:
    async def write() -> None:
        await journal.put(a_record("old", Phase.REPLIED))

    asyncio.run(write())
    journal.close()
    again = Journal(tmp_path / "hooknet.db", wall=lambda: WALL)
    again.open()

    async def story() -> None:
        disk(again, full=True)
        await again.remove(a_record("old", Phase.REPLIED).key, 1)
        disk(again, full=False)
        await again.heal()

    asyncio.run(story())
    assert rows(again) == []
    again.close()


def test_an_identity_waits_with_its_last_address_only(journal: Journal) -> None:
    async def story() -> None:
        disk(journal, full=True)
        for number in range(ADDS):
            journal.remember("lan", b"\xff", f"10.0.0.{number % 200}")
        await journal.heal()
        assert journal.waiting == 1

    asyncio.run(story())
