"""One DNS message over TCP and its answer (RFC 1035 section 4.2.2), within a time.

dnspython has this too, but hides the answer of a server that can't sign it, and with it the reason of the refusal.
"""

from __future__ import annotations

import socket
import time

from hooknet_dns.settings import Server

LENGTH = 2


def round_trip(server: Server, message: bytes, timeout: float) -> bytes:
    """The answer. timeout: seconds for all of it. Raises OSError, TimeoutError and EOFError."""
    deadline = time.monotonic() + timeout
    if timeout <= 0:
        raise TimeoutError
    with socket.create_connection((server.address, server.port), timeout=timeout) as connection:
        connection.sendall(len(message).to_bytes(LENGTH, "big") + message)
        length = int.from_bytes(exactly(connection, LENGTH, deadline), "big")
        return exactly(connection, length, deadline)


def exactly(connection: socket.socket, count: int, deadline: float) -> bytes:
    """So many bytes, however they come."""
    received = b""
    while len(received) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(count - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received
