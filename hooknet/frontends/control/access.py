"""Who may do what, and how much of it: the control socket is a door into a root daemon.

Reading. The socket's mode (0660, group `hooknet`) lets root and the group in; whoever is in may read.
Changing. Whatever changes something wants uid 0, asked of the kernel by SO_PEERCRED (unix(7)): a mode that
somebody loosened by mistake gives nobody more than reading. A dry run changes nothing and is reading.

Bounds. One request per connection, its head within `HEAD_DEADLINE` seconds and within aiohttp's default
sizes; no request needs a body, so one above `BODY_LIMIT` bytes is refused unread; an answer within
`ANSWER_DEADLINE` seconds; at most `CONNECTIONS` at once, `STREAMS` of which may be event streams. Beyond
these the caller is told 503.
"""

from __future__ import annotations

from dataclasses import dataclass

from hooknet.errors import HooknetError, Kind
from hooknet.frontends.peers import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, bytes, and how many at once."""

    head_deadline: float = 10.0
    answer_deadline: float = 60.0
    stop_deadline: float = 2.0
    body: int = 4096
    connections: int = 64
    streams: int = 16


LIMITS = Limits()


def require_owner(peer: Peer, owner: int, what: str) -> None:
    """Raise NOT_ALLOWED unless the peer is `owner` (uid 0 in a real daemon)."""
    if peer.uid != owner:
        raise HooknetError(
            Kind.NOT_ALLOWED,
            f"{what} is for root only",
            details=f"the caller has uid {peer.uid}",
            hint="run it with sudo",
        )


def too_busy(what: str, limit: int) -> HooknetError:
    return HooknetError(
        Kind.TRY_LATER,
        f"too many {what} at once",
        details=f"the limit is {limit}",
        hint="close one, try again",
    )
