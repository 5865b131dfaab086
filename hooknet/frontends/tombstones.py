"""DELs that met no daemon, done later.

The shim of such a DEL leaves a file (its format is in `hooknet.cni.envelope`) and succeeds. They are
collected when the daemon starts, before each ADD (a container that is made again under its name must not
meet its own past), and in the order in which they were left. Inode and time say what was meant: nothing
that was attached later is touched.

The folder and every file in it must belong to root and be writable for nobody else, links are not followed,
and a file has a size limit. What can't be understood or done is set aside, with a line in the log, and
looked at only once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import stat
import time
from typing import TYPE_CHECKING

from hooknet.cni.envelope import LARGEST_TOMBSTONE, Tombstone, parse_tombstone
from hooknet.cni.request import parse
from hooknet.cni.versions import Verb
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.cni_socket import DoorApi
from hooknet.frontends.cni_verbs import Verbs
from hooknet.frontends.netavark.driver import DriverVerbs
from hooknet.netavark.driver import DriverVerb, is_driver_call, verb_of

if TYPE_CHECKING:
    from pathlib import Path

    from hooknet.frontends.delegates import Delegates

log = logging.getLogger(__name__)

NAME = re.compile(r"\d{1,20}-\d{1,10}")
SET_ASIDE = ".bad"
WRITABLE_BY_OTHERS = 0o022
TICK_NS = 1_000_000_000
"""Nanoseconds, more than a file system's tick: two changes within one tick bear the same time."""
REMOVE = "see who wrote it; it may be removed"
DONE = "%s: detached now, as was asked while no daemon answered"


class Tombstones:
    """One folder of tombstones. `owner`: the uid that its files must have; 0 in a daemon."""

    def __init__(
        self, folder: Path, lifecycle: DoorApi, *, delegates: Delegates | None = None, owner: int = 0
    ) -> None:
        self._folder = folder
        self._verbs = Verbs(lifecycle, delegates=delegates)
        self._driver = DriverVerbs(lifecycle)
        self._owner = owner
        self._lock = asyncio.Lock()
        self._quiet: int | None = None
        """The folder's st_ctime_ns when it was seen empty, long enough after its last change."""

    async def collect(self) -> int:
        """Do what was left, oldest first. Returns how many were done. Never raises."""
        if self._is_unchanged():
            return 0
        async with self._lock:
            try:
                folder = self._open()
            except FileNotFoundError:
                return 0
            except (OSError, HooknetError) as error:
                log.warning("tombstones in %s are not read: %s", self._folder, error)
                return 0
            try:
                return await self._collect(folder)
            finally:
                os.close(folder)

    def _is_unchanged(self) -> bool:
        """Whether nothing was left since the folder was seen empty: each ADD asks, and hardly ever is there news."""
        try:
            return self._quiet is not None and self._folder.stat().st_ctime_ns == self._quiet
        except OSError:
            return False

    def _open(self) -> int:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._trust(os.fstat(folder))
        except HooknetError:
            os.close(folder)
            raise
        return folder

    def _trust(self, found: os.stat_result) -> None:
        if found.st_uid != self._owner or found.st_mode & WRITABLE_BY_OTHERS:
            raise HooknetError(
                Kind.NOT_ALLOWED,
                "it does not belong to root alone",
                details=f"uid {found.st_uid}, {found.st_mode:o}",
                hint="only root may leave work for the daemon: see who else did, and remove it",
            )

    async def _collect(self, folder: int) -> int:
        done, changed = 0, os.fstat(folder).st_ctime_ns
        names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
        self._quiet = None if names or time.time_ns() - changed < TICK_NS else changed
        for name in sorted(names, key=lambda name: int(name.partition("-")[0])):
            try:
                await self._replay(parse_tombstone(self._read(folder, name)))
            except (HooknetError, OSError) as error:
                log.warning("the tombstone %s is set aside: %s", name, error)
                with contextlib.suppress(OSError):
                    os.rename(name, name + SET_ASIDE, src_dir_fd=folder, dst_dir_fd=folder)
                continue
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            done += 1
        return done

    def _read(self, folder: int, name: str) -> bytes:
        """O_NONBLOCK: a FIFO by that name must not stop the daemon."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
            found = os.fstat(file.fileno())
            self._trust(found)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_TOMBSTONE:
                raise HooknetError(
                    Kind.UNDECODABLE, "it is no tombstone", details=f"{found.st_size} bytes", hint=REMOVE
                )
            return file.read(LARGEST_TOMBSTONE)

    async def _replay(self, tombstone: Tombstone) -> None:
        envelope = tombstone.envelope
        if is_driver_call(envelope.args, envelope.env):
            await self._replay_teardown(tombstone)
            return
        request = parse(envelope.plugin, envelope.env, envelope.stdin)
        if request.verb is not Verb.DEL:
            raise HooknetError(
                Kind.UNDECODABLE, f"it is a {request.verb}, and only a DEL is left for later", hint=REMOVE
            )
        await self._verbs.remove(request, tombstone)
        log.info(DONE, request.key)

    async def _replay_teardown(self, tombstone: Tombstone) -> None:
        envelope = tombstone.envelope
        if verb_of(envelope.args) is not DriverVerb.TEARDOWN:
            raise HooknetError(
                Kind.UNDECODABLE,
                f"it is a {envelope.args[1]}, and only a teardown is left for later",
                hint=REMOVE,
            )
        log.info(DONE, await self._driver.remove(envelope, tombstone))
