"""What happens to the host's links: a parent loses its carrier, gets it back, is renamed, goes, comes.

The kernel tells by multicast (rtnetlink(7), RTNLGRP_LINK) and may drop what nobody reads in time (ENOBUFS).
So the notifications are hints, and the truth is a dump: it is taken at the start and after every loss, and
each difference to what was known before is told like an event. A link is known by its index: a name can be
moved to another link.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Any

from hooknet.errors import HooknetError
from hooknet.kernel.linkmessage import LinkMessage
from hooknet.kernel.links import list_links
from hooknet.kernel.netlink import BUFFER, RTM_DELLINK, RTM_NEWLINK, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from hooknet.kernel.pool import KernelPool

log = logging.getLogger(__name__)

RTMGRP_LINK = 1
AT_ONCE = 64  # datagrams per wake-up: a storm must not hold the event loop
AGAIN = 1.0  # seconds until a failed dump is tried again


@unique
class Change(Enum):
    """What happened to a link. UP and DOWN: frames can pass, or no longer."""

    UP = "up"
    DOWN = "down"
    APPEARED = "appeared"
    DELETED = "deleted"
    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """name: of the link before the event (for APPEARED: now). renamed: its new one."""

    change: Change
    name: str
    index: int
    renamed: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a link. up: set up by the administrator. carrier: a cable, or what counts as one, is there."""

    name: str
    up: bool
    carrier: bool

    @property
    def works(self) -> bool:
        """Whether frames can pass."""
        return self.up and self.carrier


def difference(index: int, before: Seen | None, after: Seen | None) -> list[LinkEvent]:
    """The events that lead from `before` to `after`; None where there is no link."""
    if before is None:
        return [LinkEvent(Change.APPEARED, after.name, index)] if after is not None else []
    if after is None:
        return [LinkEvent(Change.DELETED, before.name, index)]
    events: list[LinkEvent] = []
    if before.works != after.works:
        events.append(LinkEvent(Change.UP if after.works else Change.DOWN, before.name, index))
    if before.name != after.name:
        events.append(LinkEvent(Change.RENAMED, before.name, index, after.name))
    return events


class LinkWatcher:
    """Tells `callback(name, event)` on the event loop what happens to the links of the daemon's own netns."""

    def __init__(self, pool: KernelPool, callback: Callable[[str, LinkEvent], None]) -> None:
        self._pool = pool
        self._callback = callback
        self._links: dict[int, Seen] = {}
        self._socket: socket.socket | None = None
        self._dumping: asyncio.Task[None] | None = None
        self._stale = False

    async def start(self) -> None:
        """Begin; what is there already is learnt and not told. Raises OSError, IO."""
        self._socket = await self._pool.run(subscribe)
        self._links = await self._pool.run(snapshot)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    async def stop(self) -> None:
        """End; no callback comes afterwards."""
        if self._dumping is not None:
            self._dumping.cancel()
            await asyncio.gather(self._dumping, return_exceptions=True)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def find(self, name: str) -> Seen | None:
        """The link of that name as it was last told; None when there is none."""
        return next((seen for seen in self._links.values() if seen.name == name), None)

    def _readable(self) -> None:
        assert self._socket is not None
        for _ in range(AT_ONCE):
            try:
                datagram = self._socket.recv(BUFFER)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # ENOBUFS: something was lost
                log.debug("link notifications were lost: %s", error)
                self._resynchronize()
                return
            for kind, message in parse(datagram):
                self._notified(kind, message)

    def _notified(self, kind: int, message: Any) -> None:
        if not isinstance(message, LinkMessage) or message.family != socket.AF_UNSPEC:
            return  # a bridge telling of its ports
        if kind == RTM_NEWLINK:
            self._learn(message.index, Seen(message.name, up=message.up, carrier=message.carrier))
        elif kind == RTM_DELLINK:
            self._learn(message.index, None)

    def _learn(self, index: int, after: Seen | None) -> None:
        before = self._links.pop(index, None)
        if after is not None:
            self._links[index] = after
        for event in difference(index, before, after):
            try:
                self._callback(event.name, event)
            except Exception:
                log.exception("a link event could not be handled")

    def _resynchronize(self) -> None:
        self._stale = True
        if self._dumping is None or self._dumping.done():
            self._dumping = asyncio.get_running_loop().create_task(self._dump())

    async def _dump(self) -> None:
        while self._stale:
            self._stale = False
            try:
                found = await self._pool.run(snapshot)
            except (HooknetError, OSError) as error:
                log.warning("the host's links can't be read: %s", error)
                self._stale = True
                await asyncio.sleep(AGAIN)
                continue
            for index in self._links.keys() | found.keys():
                self._learn(index, found.get(index))


def subscribe() -> socket.socket:
    """A socket that hears of every change of a link in the calling thread's netns."""
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    listening = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    try:
        listening.bind((0, RTMGRP_LINK))
    except BaseException:
        listening.close()
        raise
    return listening


def snapshot() -> dict[int, Seen]:
    """Every link of the calling thread's netns, by index."""
    return {link.index: Seen(link.name, up=link.up, carrier=link.carrier) for link in list_links()}
