"""The journal: what must survive the daemon, on disk before anything depends on it.

Rules.
- One thread writes, in the order of the calls. What is waiting when a commit ends goes into the next one (group
  commit), so 200 attachments at once cost few fsyncs. WAL with synchronous=FULL: a commit that was answered is
  there after a power loss.
- `put` and `remove` return a future. Await it where the next step must not happen without it (INTENT before the
  link, REQUESTED before the REQUEST).
- What is noted (`note`, `remember`, and `keep`, which the disk can't refuse) has no commit of its own: it goes with
  the next one, within SOON seconds. For steps whose recovery is the same with and without them (LINKED, BOUND, a
  renewal that no plugin is told of), so that an ADD and a renewal cost the disk no more than they must.
- A change that can be refused (a new attachment) fails when the disk does. A change to a lease that is in use
  (`kept=True`) never fails: it stays in memory and is written when the disk is back, so renewals go on. What waits
  there is bounded by what is in use, not by how long the disk is away (backlog.py).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hooknet.errors import HooknetError, Kind
from hooknet.model import AttachmentKey
from hooknet.outbox import Delivery
from hooknet.serial import from_json, to_json
from hooknet.store.backlog import Backlog, Sort, Statement
from hooknet.store.records import Record
from hooknet.store.schema import SCHEMA_VERSION, open_database, rebuilding

PUT = (
    "INSERT INTO attachments (container_id, ifname, network, generation, phase, body) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT DO UPDATE SET phase=excluded.phase, body=excluded.body"
)
REMOVE = "DELETE FROM attachments WHERE container_id=? AND ifname=? AND network=? AND generation=?"
DELIVER = "INSERT INTO outbox (plugin, stream, hook, payload, not_before, created) VALUES (?,?,?,?,?,?)"
REMEMBER = (
    "INSERT INTO memory (network, client_id, address, used) VALUES (?,?,?,?)"
    " ON CONFLICT DO UPDATE SET address=excluded.address, used=excluded.used"
)
FORGET = "DELETE FROM memory WHERE used < ?"
DONE = "DELETE FROM outbox WHERE id=?"
POSTPONE = "UPDATE outbox SET attempts=?, not_before=?, error=? WHERE id=?"
SOON = 1.0
"""Seconds that something noted waits for the next commit, at most."""
SAME_VERSION = f"PRAGMA user_version={SCHEMA_VERSION}"
"""A write that changes nothing: what was refused may all have been given up, and then nothing else would show that
the disk is back."""
COLUMNS = "id, plugin, stream, hook, payload, attempts, not_before, created, error"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a daemon finds at its start. `unreadable`: rows whose body could not be read, as key texts.

    set_aside: a corrupt database, from which nothing could be taken and which is not rebuilt yet.
    """

    records: tuple[Record, ...]
    memory: dict[tuple[str, bytes], str]
    unreadable: tuple[str, ...] = ()
    set_aside: Path | None = None


@dataclass(slots=True)
class _Job:
    """`done` None: noted, nobody waits for it."""

    statements: list[Statement]
    kept: bool
    done: Callable[[Exception | None, Any], None] | None
    query: tuple[str, Sequence[Any]] | None = None


class Journal:
    """The database of one daemon. Open it before the loop serves, close it last."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self.failing: str | None = None
        self._wall = wall
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._awaited = threading.Event()
        self._backlog = Backlog()
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None

    # opening and closing

    def open(self) -> Loaded:
        """Open the database, read everything, start the writer. Blocking; raises HooknetError."""
        opened = open_database(self.path, self._wall())
        self._connection = opened.connection
        loaded = self._load(opened.connection, opened.set_aside)
        for subject in opened.connection.execute(
            "SELECT container_id, ifname, network, generation FROM attachments"
        ):
            self._backlog.is_on_disk(subject)
        self._thread = threading.Thread(target=self._write_forever, name="journal", daemon=True)
        self._thread.start()
        return loaded

    def close(self) -> None:
        """Write what is waiting and close. Blocking."""
        if self._thread is not None:
            self._hand_over(None)
            self._thread.join()
            self._thread = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def is_rebuilt(self) -> None:
        """What a corrupt predecessor held is known again, as far as it can be. Blocking."""
        rebuilding(self.path).unlink(missing_ok=True)

    @property
    def waiting(self) -> int:
        """How many changes wait in memory for the disk."""
        return len(self._backlog)

    # changes

    def put(
        self, record: Record, deliveries: Sequence[Delivery] = (), *, kept: bool = False
    ) -> asyncio.Future[None]:
        """Write a record and the hook deliveries that it causes, in one transaction."""
        return self._submit([_put(record), *self._deliver(deliveries)], kept=kept)

    def note(self, record: Record) -> None:
        """Write a record with the next commit, within SOON seconds."""
        self._jobs.put(_Job([_put(record)], kept=False, done=None))

    def keep(self, record: Record) -> None:
        """As `note`, for a lease in use: never refused, see the rules above."""
        self._jobs.put(_Job([_put(record)], kept=True, done=None))

    def remove(
        self, key: AttachmentKey, generation: int, deliveries: Sequence[Delivery] = ()
    ) -> asyncio.Future[None]:
        """Forget a record. Never fails: see the rules above."""
        row = (key.container_id, key.ifname, key.network, generation)
        gone = Statement(Sort.NO_ROW, REMOVE, row, row)
        return self._submit([gone, *self._deliver(deliveries)], kept=True)

    def deliver(self, deliveries: Sequence[Delivery]) -> asyncio.Future[None]:
        """Queue hook deliveries that no phase causes. Never fails."""
        return self._submit(self._deliver(deliveries), kept=True)

    def remember(self, network: str, client_id: bytes, address: str) -> None:
        """Note the address of an identity, to ask for it again (RFC 2131 section 4.4.1, option 50)."""
        row = (network, client_id, address, self._wall())
        known = Statement(Sort.MEMORY, REMEMBER, row, (network, client_id))
        self._jobs.put(_Job([known], kept=True, done=None))

    def forget_before(self, used: float) -> asyncio.Future[None]:
        """Drop remembered addresses that nobody used since `used` (wall clock, seconds)."""
        return self._submit([Statement(Sort.OTHER, FORGET, (used,))], kept=True)

    async def heal(self) -> None:
        """Try again to write what the disk refused, or anything at all. Quiet when it still refuses."""
        await self._submit([Statement(Sort.OTHER, SAME_VERSION, ())] if self.failing else [], kept=True)

    # the outbox

    async def pending(self) -> list[Delivery]:
        """Every delivery that is still owed, oldest first."""
        rows = await self._ask(f"SELECT {COLUMNS} FROM outbox ORDER BY id", ())  # noqa: S608 - a constant
        names = COLUMNS.split(", ")
        return [Delivery(**dict(zip(names, row, strict=True))) for row in rows]

    async def done(self, delivery: Delivery) -> None:
        """The delivery was made, or is owed no more."""
        row = (delivery.id,)
        await self._submit([Statement(Sort.OUTBOX, DONE, row, row)], kept=True)

    async def postpone(self, delivery: Delivery, *, not_before: float, error: str = "") -> None:
        """Deliver again, not before this wall-clock time (seconds)."""
        row = (delivery.attempts + 1, not_before, error, delivery.id)
        await self._submit([Statement(Sort.OUTBOX, POSTPONE, row, (delivery.id,))], kept=True)

    # the writer

    def _deliver(self, deliveries: Sequence[Delivery]) -> list[Statement]:
        now = self._wall()
        return [
            Statement(
                Sort.DELIVERY,
                DELIVER,
                (d.plugin, d.stream, d.hook, d.payload, d.not_before, now),
                (d.plugin, d.stream, d.renews),
            )
            for d in deliveries
        ]

    def _submit(self, statements: list[Statement], *, kept: bool) -> asyncio.Future[None]:
        future, done = _bridge()
        self._hand_over(_Job(statements, kept, done))
        return future

    async def _ask(self, sql: str, parameters: Sequence[Any]) -> Any:
        future, done = _bridge()
        self._hand_over(_Job([], kept=True, done=done, query=(sql, parameters)))
        return await future

    def _hand_over(self, job: _Job | None) -> None:
        """What somebody awaits, or the end: the writer sees to it now. Of what is noted only the first wakes it."""
        self._jobs.put(job)
        self._awaited.set()

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            batch: list[_Job] = []
            stopping = self._gather(batch)
            self._commit(batch)

    def _gather(self, batch: list[_Job]) -> bool:
        """Wait for what goes into the next commit: until somebody awaits it, or what was noted has waited for SOON.

        True when the journal is being closed.
        """
        job = self._jobs.get()
        if job is not None and job.done is None:
            self._awaited.wait(SOON)
        self._awaited.clear()  # first: what is awaited from here on is taken now, or sets it again (or does both)
        while job is not None:
            batch.append(job)
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return False
        return True

    def _commit(self, batch: list[_Job]) -> None:
        statements = [statement for job in batch for statement in job.statements]
        error = self._run(statements)
        if error is not None:
            self._backlog.keep(s for job in batch if job.kept for s in job.statements)
        for job in batch:
            self._answer(job, error)

    def _run(self, statements: list[Statement]) -> Exception | None:
        connection = self._connection
        assert connection is not None
        wanted = self._backlog.with_new(statements)
        if not wanted:
            return None
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement in wanted:
                connection.execute(statement.sql, statement.row)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.failing = str(error)
            return error
        self._backlog.written(wanted)
        self.failing = None
        return None

    def _answer(self, job: _Job, error: Exception | None) -> None:
        if job.done is None:
            return
        result = None
        if job.query is not None:
            assert self._connection is not None
            try:
                result, error = self._connection.execute(*job.query).fetchall(), None
            except sqlite3.Error as failed:
                error = failed
        elif job.kept:
            error = None
        if error is not None:
            error = HooknetError(
                Kind.TRY_LATER,
                "the journal can't be written, so no new attachment is made",
                details=f"{self.path}: {error}",
                hint="free or repair the disk; hooknet goes on by itself",
            )
        job.done(error, result)

    # loading

    def _load(self, connection: sqlite3.Connection, set_aside: Path | None) -> Loaded:
        records, unreadable = [], []
        for container, ifname, network, body in connection.execute(
            "SELECT container_id, ifname, network, body FROM attachments ORDER BY generation"
        ):
            try:
                records.append(from_json(body, Record))
            except ValueError as error:
                unreadable.append(f"{AttachmentKey(container, ifname, network)}: {error}")
        memory = {
            (network, client_id): address
            for network, client_id, address in connection.execute(
                "SELECT network, client_id, address FROM memory"
            )
        }
        return Loaded(tuple(records), memory, tuple(unreadable), set_aside)


def _put(record: Record) -> Statement:
    key, phase = record.key, record.phase.value
    subject = (key.container_id, key.ifname, key.network, record.generation)
    return Statement(Sort.ROW, PUT, (*subject, phase, to_json(record)), subject)


def _bridge() -> tuple[asyncio.Future[Any], Callable[[Exception | None, Any], None]]:
    """A future of this loop, and how another thread completes it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def finish(error: Exception | None, result: Any) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
            future.exception()  # an unawaited refusal is visible in `failing`

    def done(error: Exception | None, result: Any) -> None:
        try:
            loop.call_soon_threadsafe(finish, error, result)
        except RuntimeError:  # the loop is closed: nobody waits
            return

    return future, done
