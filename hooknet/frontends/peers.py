"""Who is at the other end of a unix socket, as the kernel knows it (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

UCRED = struct.Struct("iII")  # pid_t is signed; uids and gids are not


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected, at the time when it did."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """`connection`: connected, AF_UNIX."""
    return Peer(*UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)))
