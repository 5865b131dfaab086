"""The tables of hooknet.db, and how a database that is new, old, newer or corrupt is opened.

A newer schema is refused with a clear text: an older hooknet must not guess. A corrupt file is set aside as
`hooknet.db.corrupt-<time>` and a new one begun, which is then rebuilt from what runs (lifecycle/rebuild.py). A file
`hooknet.db.rebuilding` says so until that is done, so that a daemon that is killed meanwhile goes on with it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path

from hooknet.errors import HooknetError, Kind

SCHEMA_VERSION = 1
APPLICATION_ID = 0x686F6F6B  # "hook"

TABLES = """
CREATE TABLE attachments (
  container_id TEXT NOT NULL,
  ifname       TEXT NOT NULL,
  network      TEXT NOT NULL,
  generation   INTEGER NOT NULL,
  phase        TEXT NOT NULL,
  body         BLOB NOT NULL,
  PRIMARY KEY (container_id, ifname, network, generation)
) WITHOUT ROWID;
CREATE TABLE memory (
  network   TEXT NOT NULL,
  client_id BLOB NOT NULL,
  address   TEXT NOT NULL,
  used      REAL NOT NULL,
  PRIMARY KEY (network, client_id)
) WITHOUT ROWID;
CREATE TABLE outbox (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  plugin     TEXT NOT NULL,
  stream     TEXT NOT NULL,
  hook       TEXT NOT NULL,
  payload    BLOB NOT NULL,
  attempts   INTEGER NOT NULL DEFAULT 0,
  not_before REAL NOT NULL DEFAULT 0,
  created    REAL NOT NULL,
  error      TEXT NOT NULL DEFAULT ''
);
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A usable connection. `set_aside`: where a corrupt predecessor went, whose content is not rebuilt yet."""

    connection: sqlite3.Connection
    set_aside: Path | None = None


def open_database(path: Path, now: float) -> Opened:
    """Open or make the database, with its durability settings. `now`: wall clock, seconds, for a set-aside name.

    Raises UNAVAILABLE for a newer schema and IO when the file can't be opened for writing.
    """
    _refuse_links(path)
    try:
        return Opened(_open(path), _unfinished(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_corruption(error):
            raise HooknetError(
                Kind.IO,
                f"can't open {path} for writing",
                details=str(error),
                hint="check the disk and its mount",
            ) from error
    aside = path.with_name(f"{path.name}.corrupt-{int(now)}")
    # on a disk that is full too, it is rebuilt by this daemon or not at all
    with contextlib.suppress(OSError):
        _note(rebuilding(path), aside.name)
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return Opened(_open(path), aside)


def rebuilding(path: Path) -> Path:
    """The note that the database at `path` is not rebuilt yet; it holds the name of the corrupt one."""
    return path.with_name(f"{path.name}.rebuilding")


def _note(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as note:
        note.write(text)
        note.flush()
        os.fsync(descriptor)


def _unfinished(path: Path) -> Path | None:
    try:
        return path.with_name(Path(rebuilding(path).read_text(encoding="utf-8")).name)
    except (OSError, ValueError):
        return None


def _refuse_links(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise HooknetError(
            Kind.IO, f"{path} is not a regular file", hint="move it away: hooknet makes its own"
        )


def _is_corruption(error: sqlite3.OperationalError) -> bool:
    return "malformed" in str(error) or "not a database" in str(error)


def _open(path: Path) -> sqlite3.Connection:
    before = os.umask(0o077)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    finally:
        os.umask(before)
    try:
        _refuse_newer(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _check_and_create(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise HooknetError(
            Kind.UNAVAILABLE,
            f"{path} was written by a newer hooknet (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="install that version again, or move the file away to start without its leases",
        )


def _check_and_create(connection: sqlite3.Connection) -> None:
    (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    if _version(connection) == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id={APPLICATION_ID};"
            f" PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
        )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
