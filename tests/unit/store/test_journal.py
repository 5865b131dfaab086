"""The journal on a real disk: what was answered is there after a crash, and nothing in use is ever refused."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from journal_samples import WALL, a_delivery, a_record

from hooknet.errors import HooknetError, Kind
from hooknet.model import Phase
from hooknet.outbox import Delivery
from hooknet.store import journal as journal_module
from hooknet.store.journal import Journal
from hooknet.store.schema import SCHEMA_VERSION


def reopened(path: Path) -> Journal:
    return Journal(path, wall=lambda: WALL)


def test_a_record_comes_back_as_it_was(journal: Journal, path: Path) -> None:
    async def write() -> None:
        await journal.put(a_record())
        await journal.put(replace(a_record(), phase=Phase.LINKED))

    asyncio.run(write())
    other = reopened(path)
    try:
        assert other.open().records == (replace(a_record(), phase=Phase.LINKED),)
    finally:
        other.close()


def test_what_is_noted_has_no_commit_of_its_own_and_keeps_its_place(journal: Journal, path: Path) -> None:
    commits, commit = [], journal._commit
    journal._commit = lambda batch: (commits.append(len(batch)), commit(batch))  # type: ignore[method-assign]

    async def write() -> None:
        await journal.put(a_record())
        for _ in range(50):
            journal.note(replace(a_record(), phase=Phase.LINKED))
        await journal.put(replace(a_record(), phase=Phase.REQUESTED))

    asyncio.run(write())
    assert commits == [1, 51]
    other = reopened(path)
    try:
        assert other.open().records[0].phase is Phase.REQUESTED
    finally:
        other.close()


def test_what_is_noted_is_not_lost_when_nothing_comes_after_it(path: Path) -> None:
    journal = reopened(path)
    journal.open()
    journal.note(a_record())
    journal.remember("lan", b"\xff\x01", "192.0.2.9")
    journal.close()
    other = reopened(path)
    try:
        loaded = other.open()
        assert loaded.records == (a_record(),)
        assert loaded.memory == {("lan", b"\xff\x01"): "192.0.2.9"}
    finally:
        other.close()


def test_what_is_kept_is_on_disk_soon_though_nobody_waits_for_it(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SOON", 0.01)
    journal.keep(a_record())
    with sqlite3.connect(path) as reader:
        end = time.monotonic() + 5
        while not reader.execute("SELECT 1 FROM attachments").fetchall():
            assert time.monotonic() < end, "it was not written"
            time.sleep(0.001)


def test_what_is_noted_after_the_first_does_not_wake_the_writer(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sleeps until the first has waited for long enough, or somebody awaits a commit."""
    monkeypatch.setattr(journal_module, "SOON", 60.0)
    journal.keep(a_record(generation=1))
    end = time.monotonic() + 5
    while journal._jobs.qsize():  # it has taken the first, and sleeps
        assert time.monotonic() < end, "the first note did not wake it"
        time.sleep(0.001)
    for generation in range(2, 10):
        journal.keep(a_record(generation=generation))
    time.sleep(0.05)
    assert journal._jobs.qsize() == 8
    asyncio.run(asyncio.wait_for(awaited(journal), 5))
    assert journal._jobs.qsize() == 0


async def awaited(journal: Journal) -> None:
    await journal.put(a_record(generation=10))


def test_a_disk_that_is_back_is_noticed_though_nothing_waits_for_it(journal: Journal) -> None:
    async def refuse_and_heal() -> tuple[str | None, str | None]:
        assert journal._connection is not None
        journal._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(HooknetError):
            await journal.put(a_record())
        await journal.heal()
        while_refused = journal.failing
        journal._connection.execute("PRAGMA query_only=OFF")
        await journal.heal()
        return while_refused, journal.failing

    while_refused, afterwards = asyncio.run(refuse_and_heal())
    assert while_refused is not None
    assert afterwards is None


def test_generations_of_one_attachment_are_rows_of_their_own(journal: Journal, path: Path) -> None:
    async def write() -> None:
        await journal.put(a_record(generation=1))
        await journal.put(a_record(generation=2))
        await journal.remove(a_record().key, 1)

    asyncio.run(write())
    other = reopened(path)
    try:
        assert [record.generation for record in other.open().records] == [2]
    finally:
        other.close()


def test_deliveries_are_committed_with_the_phase_that_causes_them(journal: Journal) -> None:
    async def story() -> list[Delivery]:
        await journal.put(a_record(phase=Phase.REPLIED), [a_delivery("1"), a_delivery("2")])
        return await journal.pending()

    pending = asyncio.run(story())
    assert [delivery.payload for delivery in pending] == [b"1", b"2"]
    assert pending[0].id < pending[1].id
    assert pending[0].created == WALL


def test_a_postponed_delivery_counts_its_attempts_and_a_made_one_is_gone(journal: Journal) -> None:
    async def story() -> list[Delivery]:
        await journal.deliver([a_delivery("1"), a_delivery("2")])
        first, second = await journal.pending()
        await journal.postpone(first, not_before=WALL + 60, error="server down")
        await journal.done(second)
        return await journal.pending()

    (left,) = asyncio.run(story())
    assert (left.attempts, left.not_before, left.error) == (1, WALL + 60, "server down")


def test_fault_4_what_a_power_loss_tears_off_is_not_half_there(
    journal: Journal, path: Path, tmp_path: Path
) -> None:
    """The WAL as it is at any moment, cut anywhere, opens to a state between two commits."""

    async def write() -> None:
        for number in range(20):
            await journal.put(a_record(container=f"c{number}"), [a_delivery()])

    asyncio.run(write())
    wal = path.with_name(path.name + "-wal").read_bytes()
    for cut in range(0, len(wal), max(1, len(wal) // 17)):
        torn = tmp_path / f"torn-{cut}" / "hooknet.db"
        torn.parent.mkdir()
        torn.write_bytes(path.read_bytes())
        torn.with_name(torn.name + "-wal").write_bytes(wal[:cut])
        other = reopened(torn)
        loaded = other.open()
        try:
            assert not loaded.unreadable
            assert loaded.set_aside is None
            assert len(asyncio.run(count(other))) == len(loaded.records)
        finally:
            other.close()


async def count(journal: Journal) -> list[Delivery]:
    return await journal.pending()


def test_fault_5_a_full_disk_refuses_the_new_keeps_the_old_and_heals(journal: Journal) -> None:
    async def story() -> None:
        await journal.put(a_record("lives", phase=Phase.REPLIED))
        fill(journal)
        with pytest.raises(HooknetError) as refused:
            await journal.put(a_record("new", generation=2))
        assert refused.value.code == 11
        assert "journal" in refused.value.message
        renewed = replace(a_record("lives", phase=Phase.REPLIED), hears=True)
        await journal.put(renewed, kept=True)
        assert journal.failing is not None
        make_room(journal)
        await journal.heal()
        assert journal.failing is None

    asyncio.run(story())
    journal.close()
    again = reopened(journal.path)
    try:
        (record,) = again.open().records
        assert record.hears
    finally:
        again.close()


def fill(journal: Journal) -> None:
    assert journal._connection is not None
    journal._connection.execute("PRAGMA query_only=ON")


def make_room(journal: Journal) -> None:
    assert journal._connection is not None
    journal._connection.execute("PRAGMA query_only=OFF")


def test_fault_6_a_corrupt_database_is_set_aside(path: Path) -> None:
    path.write_bytes(b"not a database, certainly" * 400)
    journal = reopened(path)
    loaded = journal.open()
    journal.close()
    assert loaded.set_aside == path.with_name(f"hooknet.db.corrupt-{int(WALL)}")
    assert loaded.set_aside.exists()
    assert loaded.records == ()


def test_fault_6_a_daemon_that_died_while_it_rebuilt_tells_the_next_one(path: Path) -> None:
    path.write_bytes(b"not a database, certainly" * 400)
    first, second, third = (reopened(path) for _ in range(3))
    aside = first.open().set_aside
    first.close()
    assert second.open().set_aside == aside
    second.is_rebuilt()
    second.close()
    assert third.open().set_aside is None
    third.close()


def test_fault_6_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HooknetError, match="newer hooknet") as refused:
        reopened(path).open()
    assert refused.value.kind is Kind.UNAVAILABLE
    assert path.read_bytes() == before


def test_a_link_in_place_of_the_database_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HooknetError, match="not a regular file"):
        reopened(path).open()


def test_an_unreadable_row_does_not_hide_the_others(journal: Journal, path: Path) -> None:
    async def write() -> None:
        await journal.put(a_record("good"))
        await journal.put(a_record("bad", generation=2))

    asyncio.run(write())
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE attachments SET body=x'00' WHERE container_id='bad'")
    connection.commit()
    connection.close()
    other = reopened(path)
    loaded = other.open()
    other.close()
    assert [record.key.container_id for record in loaded.records] == ["good"]
    assert "bad" in loaded.unreadable[0]


def test_nobody_else_may_read_the_database(journal: Journal, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


def test_two_hundred_writers_share_few_commits(journal: Journal) -> None:
    commits: list[str] = []

    async def story() -> None:
        assert journal._connection is not None
        journal._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        await asyncio.gather(*(journal.put(a_record(f"c{n}", generation=n)) for n in range(200)))

    asyncio.run(story())
    assert 1 <= len(commits) < 50
