"""The server on cni.sock: who may ask, how much, for how long, and whether the answer arrived.

The rules.
1. Only `owner` (root) is served; the kernel says who calls (SO_PEERCRED). The socket's mode says the same.
2. A request has 64 KiB of arguments and environment and 1 MiB of configuration at most, and must be there within
   `Limits.read` seconds.
3. The shim keeps its side open. When it closes before the answer is out, the caller is gone: an ADD (or a CHECK, or
   a STATUS) is cancelled, and an ADD undone. A DEL and a GC go on.
4. An ADD is answered when the shim has read the answer and closed. The kernel tells whether it had: a close with
   unread data arrives here as a reset. Then, or when the shim says that its own stdout was gone, the ADD is undone.
5. What somebody else's client sends gets an answer that it can show: the reference's `dhcp` plugin speaks HTTP.

Plain non-blocking sockets, because asyncio's streams hide what rule 4 is about. Listening sockets are handed in, may
be several, and are never closed or unlinked here: they may be systemd's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Protocol

from hooknet.cni.envelope import (
    LONGEST_HEADER,
    SAME_VERSION,
    Envelope,
    encode_answer,
    parse_body,
    parse_header,
)
from hooknet.cni.versions import NEWEST, Verb
from hooknet.errors import HooknetError, Kind, stopping
from hooknet.frontends.cni_verbs import Answer, Verbs, failure, nothing
from hooknet.frontends.cni_verbs import LifecycleApi as CniApi
from hooknet.frontends.netavark.driver import DriverVerbs, failed
from hooknet.frontends.netavark.driver import LifecycleApi as DriverApi
from hooknet.frontends.peers import Peer, peer_of
from hooknet.frontends.reception import Reception
from hooknet.lifecycle.timing import Timing
from hooknet.lifecycle.to_the_end import to_the_end
from hooknet.logids import LogId
from hooknet.netavark.driver import DriverVerb, is_driver_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hooknet.frontends.delegates import Delegates

log = logging.getLogger(__name__)

CHUNK = 65536
WORTH_FINISHING = frozenset({Verb.DEL.value, Verb.GC.value, DriverVerb.TEARDOWN.value})
HTTP_METHODS = (b"CONNECT ", b"GET ", b"POST ")
TO_HTTP = (
    b"HTTP/1.0 501 this is hooknet: put its dhcp plugin before the distribution's in cni_plugin_dirs\r\n"
    b"Connection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds.

    read: for a whole request. write: for us to send the answer. heard: for the shim to take it.
    """

    read: float = 10.0
    write: float = 10.0
    heard: float = 1.0


@unique
class Departure(Enum):
    """How the shim left. CLEAN: it has read everything there was."""

    CLEAN = "clean"
    UNHEARD = "unheard"


class DoorApi(CniApi, DriverApi, Protocol):
    """What both kinds of callers need of the lifecycle."""


class CniServer:
    """Serves shims. `owner`: the uid that is served; 0 in a daemon. `before_add`: see `Verbs`."""

    def __init__(
        self,
        lifecycle: DoorApi,
        *,
        before_add: Callable[[], Awaitable[object]] = nothing,
        delegates: Delegates | None = None,
        owner: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._verbs = Verbs(lifecycle, delegates=delegates, before_add=before_add)
        self._driver = DriverVerbs(lifecycle, before_setup=before_add)
        self._owner = owner
        self._limits = limits or Limits()
        self._reception = Reception(self._serve)

    async def start(self, listening: socket.socket) -> None:
        """Serve `listening` (bound, listening, AF_UNIX) from now on. May be called for several sockets."""
        self._reception.open(listening)

    async def stop(self, patience: float) -> None:
        """Accept nobody any more, let running requests end for `patience` seconds, then cancel them."""
        await self._reception.close(patience)

    @property
    def busy(self) -> int:
        """How many requests are being served."""
        return self._reception.busy

    async def _serve(self, line: socket.socket) -> None:
        with line:
            try:
                await self._handle(line)
            except Exception:
                log.exception("a request was not served to its end")

    async def _handle(self, line: socket.socket) -> None:
        timing = Timing()
        peer = peer_of(line)
        try:
            envelope = await self._admit(line, peer)
        except HooknetError as error:
            await self._send(line, failure(error, NEWEST))
            self._note(peer, None, failure(error, NEWEST), timing)
            return
        except (OSError, TimeoutError):
            log.info("a caller (pid %d) sent no whole request", peer.pid)
            return
        if envelope is not None:
            timing.mark("read")
            answer = await self._converse(line, envelope, timing)
            self._note(peer, envelope, answer, timing)

    async def _admit(self, line: socket.socket, peer: Peer) -> Envelope | None:
        """The request. None for somebody else's client, who has got its answer."""
        if peer.uid != self._owner:
            raise HooknetError(
                Kind.NOT_ALLOWED,
                "only root may use CNI through hooknet",
                details=f"the caller has uid {peer.uid}",
                hint="run podman as root; rootless containers can't have a macvlan",
            )
        async with asyncio.timeout(self._limits.read):
            return await read_request(line)

    async def _converse(self, line: socket.socket, envelope: Envelope, timing: Timing) -> Answer | None:
        """Work, answer, and find out whether the answer arrived. None: it did not, and all is undone."""
        verbs = self._driver if is_driver_call(envelope.args, envelope.env) else self._verbs
        working = asyncio.ensure_future(verbs.answer(envelope, timing))
        leaving = asyncio.ensure_future(departure(line))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                return await self._abandon(working, envelope)
            return await to_the_end(self._settle(line, working.result(), leaving, timing))
        except asyncio.CancelledError:
            await to_the_end(self._break_off(line, working, envelope))
            raise
        finally:
            leaving.cancel()
            await asyncio.wait({leaving})  # the loop must have let go of the descriptor before it is closed

    async def _settle(
        self, line: socket.socket, answer: Answer, leaving: asyncio.Future[Departure], timing: Timing
    ) -> Answer | None:
        """Send the answer, and tell the lifecycle whether it arrived."""
        sent = await self._send(line, answer)
        timing.mark("sent")
        if sent and await self._was_heard(leaving):
            await self._verbs.delivered(answer)
            return answer
        await self._verbs.undelivered(answer)
        return None

    async def _abandon(self, working: asyncio.Future[Answer], envelope: Envelope) -> Answer | None:
        """The caller is gone: finish what cleans up, undo the rest."""
        if verb_of(envelope) in WORTH_FINISHING:
            return await working
        await to_the_end(self._undo(working))
        return None

    async def _undo(self, working: asyncio.Future[Answer]) -> None:
        """Cancel the work; if it was done all the same, take it back."""
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._verbs.undelivered(await working)

    async def _break_off(
        self, line: socket.socket, working: asyncio.Future[Answer], envelope: Envelope
    ) -> None:
        """The daemon stops: tell the caller to come again."""
        await self._undo(working)
        with contextlib.suppress(OSError):
            is_driver = is_driver_call(envelope.args, envelope.env)
            answer = failed(stopping()) if is_driver else failure(stopping(), NEWEST)
            line.send(encode_answer(answer.exit_code, answer.stdout))

    async def _send(self, line: socket.socket, answer: Answer) -> bool:
        """Whether the whole answer could be sent."""
        try:
            async with asyncio.timeout(self._limits.write):
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(line, encode_answer(answer.exit_code, answer.stdout))
        except (OSError, TimeoutError):
            return False
        return True

    async def _was_heard(self, leaving: asyncio.Future[Departure]) -> bool:
        """A shim that stays has read the answer, or is still at it: only a reset says that it has not."""
        await asyncio.wait({leaving}, timeout=self._limits.heard)
        return not leaving.done() or leaving.result() is Departure.CLEAN

    @staticmethod
    def _note(peer: Peer, envelope: Envelope | None, answer: Answer | None, timing: Timing) -> None:
        """One line per request. What has an event of its own, and with it a line, is told here for debugging only."""
        error = answer.error if answer is not None else None
        log_id = LogId.CNI_UNHEARD if answer is None else LogId.CNI_FAILED if error else LogId.CNI_ANSWERED
        env = envelope.env if envelope is not None else {}
        request = answer.request if answer is not None else None
        essentials = request.essentials if request is not None else None
        fields = {
            "container": request.container_name if request is not None else None,
            "container_id": env.get("CNI_CONTAINERID"),
            "ifname": env.get("CNI_IFNAME"),
            "network": essentials.name if essentials is not None else None,
            "verb": verb_of(envelope) if envelope is not None else None,
            "plugin": envelope.plugin if envelope is not None else None,
            "pid": peer.pid,
            "code": error.code if error is not None else None,
            "error": str(error) if error is not None else None,
            "ms": timing.elapsed,
            **(answer.fields if answer is not None else {}),
        }
        extra = {"log_id": log_id, "fields": fields}
        level = logging.DEBUG if error is not None and error.is_published else log_id.level
        log.log(level, "%s %s", fields["verb"] or "a request", log_id.what, extra=extra)


def verb_of(envelope: Envelope) -> str | None:
    """What is asked for: CNI's verb, or netavark's."""
    if is_driver_call(envelope.args, envelope.env):
        return envelope.args[1]
    return envelope.env.get("CNI_COMMAND")


async def read_request(line: socket.socket) -> Envelope | None:
    """One request, and not a byte more. Raises UNDECODABLE; ConnectionError when the caller left."""
    received = b""
    while b"\n" not in received and len(received) < LONGEST_HEADER:
        received += await read_some(line)
    if received.startswith(HTTP_METHODS):
        await asyncio.get_running_loop().sock_sendall(line, TO_HTTP)
        return None
    head, newline, body = received.partition(b"\n")
    sizes = parse_header(head[:LONGEST_HEADER] + newline)
    while len(body) < sizes.total:
        body += await read_some(line)
    if len(body) > sizes.total:
        raise HooknetError(Kind.UNDECODABLE, "the request is longer than it says", hint=SAME_VERSION)
    return parse_body(sizes, body)


async def read_some(line: socket.socket) -> bytes:
    part = await asyncio.get_running_loop().sock_recv(line, CHUNK)
    if not part:
        raise ConnectionResetError("the caller left in the middle of its request")
    return part


async def departure(line: socket.socket) -> Departure:
    """When and how the shim leaves."""
    try:
        said = await asyncio.get_running_loop().sock_recv(line, 1)
    except OSError:
        return Departure.UNHEARD
    return Departure.UNHEARD if said else Departure.CLEAN
