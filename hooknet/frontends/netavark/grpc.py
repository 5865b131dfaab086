"""Unary gRPC over HTTP/2 on a unix socket (the "gRPC over HTTP2" protocol), as far as one client per call needs it.

The h2 library is HTTP/2; what is left is here. A call is a POST to `/package.Service/Method` with the content type
application/grpc; its body is one message behind five bytes (compressed or not, length). The answer has the message in
the same form and the status in trailers, or for an error trailers alone: `grpc-status`, and `grpc-message` with what
is not printable ASCII percent-encoded. HTTP's own status is 200 either way.

Only `owner` is served, as on cni.sock. A caller that goes away while its call runs cancels it; an answer that could
be written whole counts as heard: HTTP/2 has too much on the line besides (acknowledgements, pings) to take an early
close for more than it is, and what nobody uses is noticed by reconcile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, unique
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from hooknet.frontends.peers import peer_of
from hooknet.frontends.reception import Reception
from hooknet.lifecycle.timing import Timing
from hooknet.lifecycle.to_the_end import to_the_end

log = logging.getLogger(__name__)

PREFIX = 5
LARGEST_MESSAGE = 16 * 1024
CHUNK = 65536
CONTENT_TYPE = "application/grpc"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


@unique
class Status(IntEnum):
    """gRPC's status codes, those that are given here."""

    OK = 0
    INVALID_ARGUMENT = 3
    RESOURCE_EXHAUSTED = 8
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13


class CallFailed(Exception):  # noqa: N818 - what a method raises to answer with a status
    """Answer with `status` and `text`."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Reply:
    """What a method answers, and what is to happen when that could be written, or could not."""

    message: bytes
    delivered: Callable[[], Awaitable[None]] | None = None
    undelivered: Callable[[], Awaitable[None]] | None = None


Method = Callable[[bytes, Timing], Awaitable[Reply]]
"""Takes a message, and the clock that began to run when its caller was accepted."""


@dataclass(slots=True)
class Stream:
    """One call on its way in: its clock, its headers, and the body so far."""

    timing: Timing
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. idle: a connection without a call under way. write: for the caller to take our bytes."""

    idle: float = 10.0
    write: float = 10.0


class GrpcServer:
    """Serves `methods` (path to function) on listening sockets, which are handed in and never closed here."""

    def __init__(
        self, methods: Mapping[str, Method], *, owner: int = 0, limits: Limits | None = None
    ) -> None:
        self._methods = methods
        self._owner = owner
        self._limits = limits or Limits()
        self._reception = Reception(self._serve)

    async def start(self, listening: socket.socket) -> None:
        """Serve `listening` (bound, listening, AF_UNIX) from now on."""
        self._reception.open(listening)

    async def stop(self, patience: float) -> None:
        """Accept nobody any more, let running calls end for `patience` seconds, then cancel them."""
        await self._reception.close(patience)

    async def _serve(self, line: socket.socket) -> None:
        with line:
            if peer_of(line).uid != self._owner:
                log.warning("a caller with uid %d was turned away", peer_of(line).uid)
                return
            try:
                await Connection(line, self._methods, self._limits).run()
            except (OSError, TimeoutError, ProtocolError) as error:
                log.info("a connection ended: %s", error or type(error).__name__)
            except Exception:
                log.exception("a connection was not served to its end")


class Connection:
    """One caller's connection."""

    def __init__(self, line: socket.socket, methods: Mapping[str, Method], limits: Limits) -> None:
        self._line = line
        self._methods = methods
        self._limits = limits
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._calls: dict[int, Stream] = {}
        self._accepted: Timing | None = Timing()
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Until the caller leaves. Raises OSError, TimeoutError, ProtocolError."""
        try:
            self._h2.initiate_connection()
            await self._flush()
            while data := await self._read():
                events = self._h2.receive_data(data)
                over = False
                for event in events:
                    over = self._handle(event) or over
                await self._flush()
                if over:
                    return
        except ProtocolError:
            with contextlib.suppress(OSError, TimeoutError):
                await self._flush()  # the GOAWAY that says what was wrong
            raise
        finally:
            await self._cancel([call.task for call in self._calls.values()])

    async def _read(self) -> bytes:
        """Bytes from the caller; who has no call under way must say something soon."""
        loop = asyncio.get_running_loop()
        if any(call.task is not None for call in self._calls.values()):
            return await loop.sock_recv(self._line, CHUNK)
        async with asyncio.timeout(self._limits.idle):
            return await loop.sock_recv(self._line, CHUNK)

    def _handle(self, event: Event) -> bool:
        """Whether the connection is over."""
        match event:
            case RequestReceived(stream_id=int(number), headers=headers):
                named = {str(key): str(value) for key, value in headers or ()}
                self._calls[number] = Stream(self._clock(), named)
            case DataReceived(stream_id=int(number), data=data, flow_controlled_length=int(length)):
                self._h2.acknowledge_received_data(length, number)
                self._take(number, data or b"")
            case StreamEnded(stream_id=int(number)) if number in self._calls:
                call = self._calls[number]
                call.task = asyncio.get_running_loop().create_task(self._answer(number, call))
            case StreamReset(stream_id=int(number)) if (gone := self._calls.pop(number, None)) is not None:
                if gone.task is not None:
                    gone.task.cancel()
            case ConnectionTerminated(error_code=code):
                return code != ErrorCodes.NO_ERROR or not self._calls
        return False

    def _clock(self) -> Timing:
        """The first call's runs since its caller was accepted: netavark makes one call per connection."""
        timing, self._accepted = self._accepted or Timing(), None
        return timing

    def _take(self, number: int, data: bytes) -> None:
        """Bodies have a limit: who sends more is refused at once."""
        call = self._calls.get(number)
        if call is None:
            return
        call.body += data
        if len(call.body) > PREFIX + LARGEST_MESSAGE:
            del self._calls[number]
            self._refuse(number, CallFailed(Status.RESOURCE_EXHAUSTED, "the message is too large"))

    async def _answer(self, number: int, call: Stream) -> None:
        reply = None
        try:
            reply = await self._work(call)
            self._send(number, reply.message)
            await self._flush()
        except CallFailed as failure:
            self._refuse(number, failure)
            with contextlib.suppress(OSError, TimeoutError):
                await self._flush()
        except (OSError, TimeoutError, ProtocolError) as error:
            log.info("an answer could not be written: %s", error or type(error).__name__)
            if reply is not None and reply.undelivered is not None:
                await to_the_end(reply.undelivered())
        except asyncio.CancelledError:
            if reply is not None and reply.undelivered is not None:
                await to_the_end(reply.undelivered())
            raise
        else:
            if reply.delivered is not None:
                await to_the_end(reply.delivered())
        finally:
            self._calls.pop(number, None)

    async def _work(self, call: Stream) -> Reply:
        headers = call.headers
        method = self._methods.get(headers.get(":path", ""))
        if method is None or headers.get(":method") != "POST":
            raise CallFailed(Status.UNIMPLEMENTED, f"there is no {headers.get(':path', '')[:80]} here")
        if not headers.get("content-type", "").startswith(CONTENT_TYPE):
            raise CallFailed(Status.INVALID_ARGUMENT, f"the content type is not {CONTENT_TYPE}")
        call.timing.mark("read")
        return await method(unframed(bytes(call.body)), call.timing)

    def _send(self, number: int, message: bytes) -> None:
        self._h2.send_headers(number, [(":status", "200"), ("content-type", CONTENT_TYPE)])
        self._h2.send_data(number, b"\0" + len(message).to_bytes(4, "big") + message)
        self._h2.send_headers(number, [("grpc-status", str(int(Status.OK)))], end_stream=True)

    def _refuse(self, number: int, failure: CallFailed) -> None:
        headers = [
            (":status", "200"),
            ("content-type", CONTENT_TYPE),
            ("grpc-status", str(int(failure.status))),
            ("grpc-message", quote(failure.text, safe=PRINTABLE)),
        ]
        with contextlib.suppress(ProtocolError):  # the caller has reset the stream meanwhile
            self._h2.send_headers(number, headers, end_stream=True)

    async def _flush(self) -> None:
        """One writer at a time, or bytes of two answers would be mixed."""
        async with self._writing, asyncio.timeout(self._limits.write):
            data = self._h2.data_to_send()
            if data:
                await asyncio.get_running_loop().sock_sendall(self._line, data)

    @staticmethod
    async def _cancel(tasks: list[asyncio.Task[None] | None]) -> None:
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def unframed(body: bytes) -> bytes:
    """The one message of a unary call. Raises CallFailed."""
    if len(body) < PREFIX or len(body) - PREFIX != int.from_bytes(body[1:PREFIX], "big"):
        raise CallFailed(Status.INVALID_ARGUMENT, "the body is not one whole message")
    if body[0]:
        raise CallFailed(Status.UNIMPLEMENTED, "compressed messages are not understood")
    return body[PREFIX:]
