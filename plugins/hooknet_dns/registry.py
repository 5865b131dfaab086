"""What this plugin has put into DNS, and for whom: a small SQLite file in the plugin's own folder.

DNS itself holds the truth of what is ours (the DHCID). This memory is for what DNS can't tell: the name that was
used before the template changed, and which of two leases of one address is the newer. A row is written before the
records are, so a crash in between leaves a row too many, never a record that nobody knows. A file that can't be
read is put aside: all that is lost is that memory.

A connection is made per use: hooks run in several threads, and during a reload in two plugins at once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from ipaddress import IPv4Address
from pathlib import Path

import hooknet

FILE = "registered.db"
PATIENCE = 10.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS registered (
    container_id TEXT, ifname TEXT, network TEXT,
    mode TEXT NOT NULL, name TEXT NOT NULL, place TEXT NOT NULL, reverse_zone TEXT NOT NULL,
    address TEXT NOT NULL, dhcid BLOB NOT NULL, ttl INTEGER NOT NULL, obtained REAL NOT NULL, expires REAL,
    held INTEGER NOT NULL,
    PRIMARY KEY (container_id, ifname, network)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The records of one attachment's lease.

    place: the zone of the name, or the folder of the hosts file. reverse_zone: empty without a PTR. obtained,
    expires: of the lease, seconds since the epoch; None for an infinite one. held: True once the name is known to be
    ours, False while it is someone else's or nobody could be asked.
    """

    container_id: str
    ifname: str
    network: str
    mode: str
    name: str
    place: str
    reverse_zone: str
    address: str
    dhcid: bytes
    ttl: int
    obtained: float
    expires: float | None
    held: bool = True

    @property
    def ip(self) -> IPv4Address:
        return IPv4Address(self.address)

    def expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


COLUMNS = tuple(field.name for field in fields(Registration))
KEY = "container_id = ? AND ifname = ? AND network = ?"
OTHERS = f"NOT ({KEY})"
INSERT = "INSERT OR REPLACE INTO registered VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SELECT = "SELECT * FROM registered WHERE "


class Rows:
    """The registrations within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, one: hooknet.Attachment | Registration) -> Registration | None:
        return next(self._select(KEY, *key_of(one)), None)

    def put(self, row: Registration) -> None:
        self._connection.execute(INSERT, [getattr(row, column) for column in COLUMNS])

    def remove(self, row: Registration) -> None:
        self._connection.execute(f"DELETE FROM registered WHERE {KEY}", key_of(row))  # noqa: S608 - constants

    def of_address(self, row: Registration) -> list[Registration]:
        """Other attachments' registrations of the same address on the same network."""
        return list(
            self._select(f"address = ? AND network = ? AND {OTHERS}", row.address, row.network, *key_of(row))
        )

    def of_name(self, row: Registration) -> list[Registration]:
        """Other attachments' registrations of the same name, oldest first."""
        return list(
            self._select(
                f"name = ? AND mode = ? AND {OTHERS} ORDER BY obtained", row.name, row.mode, *key_of(row)
            )
        )

    def of_file(self, folder: str, network: str) -> list[Registration]:
        """What belongs into one hosts file, in the order of the names."""
        where = "mode = 'hosts' AND place = ? AND network = ? ORDER BY name, address"
        return list(self._select(where, folder, network))

    def abandoned(self, before: float) -> Registration | None:
        """One whose lease had run out at that time (seconds since the epoch), and nobody has said so."""
        return next(self._select("expires < ? ORDER BY expires LIMIT 1", before), None)

    def files(self) -> set[tuple[str, str]]:
        """Folder and network of every hosts file that should be there."""
        query = "SELECT DISTINCT place, network FROM registered WHERE mode = 'hosts'"
        return set(self._connection.execute(query))

    def _select(self, where: str, *values: object) -> Iterator[Registration]:
        for row in self._connection.execute(SELECT + where, values):
            found = dict(zip(COLUMNS, row, strict=True))
            yield Registration(**{**found, "held": bool(found["held"])})


class Registry:
    """The file. `open` gives its rows for one transaction, which nobody else can enter meanwhile."""

    def __init__(self, folder: Path, log: logging.Logger) -> None:
        self.path = folder / FILE
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            log.warning(
                "%s is unreadable (%s) and put aside: what is in DNS already is still known by its DHCID",
                self.path,
                error,
            )
            self.path.rename(self.path.with_suffix(".broken"))
            self._prepare()

    @contextmanager
    def open(self) -> Iterator[Rows]:
        """Committed at the end, rolled back when the body raises."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Rows(connection)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _prepare(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)


def key_of(one: hooknet.Attachment | Registration) -> tuple[str, str, str]:
    return one.container_id, one.ifname, one.network
