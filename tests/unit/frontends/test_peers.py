"""Who calls, by the kernel's word."""

from __future__ import annotations

import os
import socket

from hooknet.frontends.peers import UCRED, Peer, peer_of


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours) == Peer(os.getpid(), os.getuid(), os.getgid())


def test_a_uid_of_the_upper_half_is_no_negative_number() -> None:
    """As user namespaces map them."""

    class Told(socket.socket):
        def getsockopt(self, *_: int) -> bytes:
            return UCRED.pack(7, 4_000_000_000, 3_000_000_000)

    with Told(socket.AF_UNIX) as connection:
        assert peer_of(connection) == Peer(7, 4_000_000_000, 3_000_000_000)
