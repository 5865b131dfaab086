"""Which leases the host has routes to, kept in a file, so that what a former run left behind is found.

One entry per attachment. Two entries may have the same address for a while: a container's `release` may come after
the `post_lease` of whoever got its address next, and must not take the new one's route with it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

import hooknet

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One lease. netns_id: device and inode of the container's netns, by which its end is noticed."""

    container_id: str
    ifname: str
    network: str
    generation: int
    parent: str
    address: str
    netns: str
    netns_id: tuple[int, int]

    @property
    def key(self) -> Key:
        return self.container_id, self.ifname, self.network

    def is_alive(self) -> bool:
        return netns_id(self.netns) == self.netns_id


def netns_id(path: str) -> tuple[int, int] | None:
    """Device and inode of what lies at `path`; None when there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a path that the runtime gave, never joined to anything
    except OSError:
        return None
    return found.st_dev, found.st_ino


def held(attachment: hooknet.Attachment, lease: hooknet.Lease) -> Held | None:
    """The entry of a lease; None when its container is gone by now."""
    netns = netns_id(attachment.netns)
    if netns is None:
        return None
    return Held(
        container_id=attachment.container_id,
        ifname=attachment.ifname,
        network=attachment.network,
        generation=attachment.generation,
        parent=attachment.parent,
        address=str(lease.address.ip),
        netns=attachment.netns,
        netns_id=netns,
    )


class Ledger:
    """The entries, in memory and in `path`. Methods return the parents whose routes they changed."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path = path
        self._log = log
        self._entries = {one.key: one for one in self._read()}

    def addresses(self, parent: str) -> set[IPv4Address]:
        return {IPv4Address(one.address) for one in self._entries.values() if one.parent == parent}

    def parents(self) -> set[str]:
        return {one.parent for one in self._entries.values()}

    def put(self, one: Held) -> set[str]:
        """Hold this lease instead of the attachment's earlier one."""
        before = self._entries.get(one.key)
        if before is not None and before.generation > one.generation:
            return set()
        if before != one:
            self._entries[one.key] = one
            self._write()
        return {one.parent} | ({before.parent} if before is not None else set())

    def drop(self, attachment: hooknet.Attachment, address: IPv4Address) -> set[str]:
        """Forget the lease, unless the attachment has another one by now."""
        key = (attachment.container_id, attachment.ifname, attachment.network)
        one = self._entries.get(key)
        if one is None or one.generation > attachment.generation or one.address != str(address):
            return set()
        del self._entries[key]
        self._write()
        return {one.parent}

    def retain(self, wanted: Iterable[Held]) -> None:
        """Forget all but these."""
        self._entries = {one.key: one for one in wanted}
        self._write()

    def entries(self) -> list[Held]:
        return list(self._entries.values())

    def _read(self) -> list[Held]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return [Held(**{**row, "netns_id": tuple(row["netns_id"])}) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._log.warning("%s can't be read and is begun anew: %s", self._path, error)
            return []

    def _write(self) -> None:
        """A file that is whole at any moment. It may be lost: hooknet tells of every lease when it starts."""
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps([asdict(one) for one in self._entries.values()]), encoding="utf-8")
        written.replace(self._path)
