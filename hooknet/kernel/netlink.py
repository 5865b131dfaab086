"""One rtnetlink conversation over a plain socket: messages written by hand (`messages.py`) or by pyroute2.

pyroute2's own sockets run an asyncio loop per thread and call; for the four changes of an ADD they cost 4.6 ms, a
plain socket with the same messages 1.2 (docs/decisions/netlink-socket.md). Changes are sent together in one datagram;
the kernel carries them out in order and answers each one, so a refusal in the middle does not hide the rest.

A dump that the kernel could not keep consistent (NLM_F_DUMP_INTR, EINTR) or that overran (ENOBUFS) is worth
nothing and is made again (rfc3549, section 2.3.2; Documentation/userspace-api/netlink/intro.rst).
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.attributes import attributes
from hooknet.kernel.linkmessage import read_link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_GETNEIGH = 30

REQUEST, ACK, DUMP, DUMP_INTERRUPTED = 0x1, 0x4, 0x300, 0x10
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400

NLMSG_ERROR, NLMSG_DONE = 2, 3
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12
ACK_WITH_TEXT, TEXT = 0x200, 1  # NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG

HEADER = struct.Struct("=IHHII")
BUFFER = 1 << 16
DUMPS = 5

MESSAGES = {RTM_NEWADDR: ifaddrmsg, RTM_NEWROUTE: rtmsg}
UNDERSTOOD = frozenset({RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE})
UNRELIABLE = frozenset({errno.ENOBUFS, errno.EINTR})


class NetlinkRefusal(OSError):  # noqa: N818 - it is the kernel's answer, not a fault
    """The kernel said no; `strerror` is its own text where it gave one."""


@dataclass(frozen=True, slots=True)
class Request:
    """A message to send: a pyroute2 message, or the bytes behind the header of one; its RTM_ type; and its NLM_F_
    flags (REQUEST is added).
    """

    message: Any
    type: int
    flags: int = 0


class Netlink:
    """A conversation with rtnetlink in the network namespace of the thread that opened it. A context manager."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._socket = self.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @staticmethod
    def connect() -> socket.socket:
        """A fresh rtnetlink socket with the kernel's texts switched on.

        It never waits: the kernel answers before the request has left.
        """
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        connection = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            connection.setsockopt(SOL_NETLINK, option, 1)
        return connection

    def attempt(self, requests: Sequence[Request]) -> list[NetlinkRefusal | None]:
        """Carry out `requests` in order, all of them; one refusal or None for each."""
        if not requests:
            return []
        numbers = [next(self._numbers) for _ in requests]
        wire = [_encode(r, n, r.flags | REQUEST | ACK) for r, n in zip(requests, numbers, strict=True)]
        self._socket.send(b"".join(wire))
        answers: dict[int, NetlinkRefusal | None] = {}
        while not answers.keys() >= set(numbers):
            for kind, number, _flags, data in _split(self._socket.recv(BUFFER)):
                if kind == NLMSG_ERROR:
                    answers[number] = _refusal(data)
        return [answers[number] for number in numbers]

    def change(self, *requests: Request) -> None:
        """Carry out `requests` in order; raises the first refusal, the rest was carried out all the same."""
        for refusal in self.attempt(requests):
            if refusal is not None:
                raise refusal

    def get(self, request: Request) -> Any:
        """The one message that answers `request`; raises NetlinkRefusal."""
        return _decode(*self._answer(request))

    def get_raw(self, request: Request) -> bytes:
        """As `get`, undecoded: what is behind the header."""
        return self._answer(request)[1][HEADER.size :]

    def _answer(self, request: Request) -> tuple[int, bytes]:
        number = next(self._numbers)
        self._socket.send(_encode(request, number, REQUEST))
        while True:
            for kind, answered, _flags, data in _split(self._socket.recv(BUFFER)):
                if answered != number:
                    continue
                if kind == NLMSG_ERROR:
                    raise _refusal(data) or NetlinkRefusal(errno.ENODATA, os.strerror(errno.ENODATA))
                return kind, data

    def dump(self, request: Request) -> list[Any]:
        """Every message that answers `request`, from one consistent dump. Raises IO when there is none to be had."""
        for _ in range(DUMPS):
            try:
                found = self._dump(request)
            except OSError as error:
                if error.errno not in UNRELIABLE:
                    raise
                found = None
            if found is not None:
                return found
            self._socket.close()  # the rest of the spoilt dump goes with it
            self._socket = self.connect()
        raise HooknetError(
            Kind.IO, f"the kernel's tables changed {DUMPS} times while they were read", hint="try again"
        )

    def _dump(self, request: Request) -> list[Any] | None:
        self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)  # the kernel filters
        number = next(self._numbers)
        self._socket.send(_encode(request, number, REQUEST | DUMP))
        found: list[Any] = []
        whole = True
        while True:
            for kind, answered, flags, data in _split(self._socket.recv(BUFFER)):
                if answered != number:
                    continue
                whole = whole and not flags & DUMP_INTERRUPTED
                if kind in {NLMSG_DONE, NLMSG_ERROR}:
                    if (refusal := _refusal(data)) is not None:
                        raise refusal
                    return found if whole else None
                found.append(_decode(kind, data))


def parse(datagram: bytes) -> Iterator[tuple[int, Any]]:
    """Type and message of everything in a notification that this room understands."""
    for kind, _number, _flags, data in _split(datagram):
        if kind in UNDERSTOOD or kind - 1 in UNDERSTOOD:  # RTM_DELX is RTM_NEWX + 1 and has the same shape
            yield kind, _decode(kind if kind in UNDERSTOOD else kind - 1, data)


def _encode(request: Request, number: int, flags: int) -> bytes:
    message = request.message
    if isinstance(message, bytes):
        return HEADER.pack(HEADER.size + len(message), request.type, flags, number, 0) + message
    message["header"] = {"type": request.type, "flags": flags, "sequence_number": number, "pid": 0}
    message.reset()
    message.encode()
    return bytes(message.data)


def _decode(kind: int, data: bytes) -> Any:
    if kind == RTM_NEWLINK:
        return read_link(data, HEADER.size)
    message = MESSAGES.get(kind, nlmsg)(data)
    message.decode()
    return message


def _split(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, sequence number, flags and bytes of each message of a datagram."""
    offset = 0
    while offset + HEADER.size <= len(datagram):
        length, kind, flags, number, _port = HEADER.unpack_from(datagram, offset)
        if length < HEADER.size:
            return
        yield kind, number, flags, datagram[offset : offset + length]
        offset += (length + 3) & ~3


def _refusal(data: bytes) -> NetlinkRefusal | None:
    """The error in an NLMSG_ERROR or NLMSG_DONE; None when it is an acknowledgement."""
    (code,) = struct.unpack_from("=i", data, HEADER.size)
    return None if code >= 0 else NetlinkRefusal(-code, _kernel_text(data) or os.strerror(-code))


def _kernel_text(data: bytes) -> str:
    """The kernel's explanation (extended acknowledgement), empty when it gave none."""
    _, kind, flags, _, _ = HEADER.unpack_from(data)
    if not flags & ACK_WITH_TEXT:
        return ""
    # behind an error come the code and the header of the refused message (NETLINK_CAP_ACK cut the rest)
    offset = HEADER.size + 4 + (HEADER.size if kind == NLMSG_ERROR else 0)
    return attributes(data, offset).get(TEXT, b"").rstrip(b"\0").decode("utf-8", "replace")
