"""The control socket's server: connections, their bounds, and errors as JSON. The paths are in `handlers`.

aiohttp parses HTTP and calls the handlers. What it has no word for is kept here: how many connections there
are, and that one which sends nothing is hung up. Each answer ends its connection, so that one deadline per
connection is all it takes to bound a caller.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from aiohttp import web

from hooknet.errors import CODES, HooknetError, Kind, unexpected
from hooknet.frontends.control import shapes
from hooknet.frontends.control.access import LIMITS, Limits, too_busy
from hooknet.frontends.control.handlers import Handlers, json_response
from hooknet.logids import LogId
from hooknet.logs import say

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aiohttp.web_protocol import RequestHandler

    from hooknet.frontends.control.sources import Sources
    from hooknet.frontends.metrics import Metrics

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

STREAMING = {"/v1/events"}
SERVER_ERROR = 500
FLOOD = 8  # so many times the limit of connections may come and go in silence within the head's deadline


class ControlServer:
    """Serves the control API on a listening unix socket that the caller made (or systemd did).

    owner: the uid that may change things; 0 in a daemon. The socket file is the caller's: it is never removed here.
    """

    def __init__(
        self, sources: Sources, metrics: Metrics, *, owner: int = 0, limits: Limits = LIMITS
    ) -> None:
        self._limits = limits
        self._handlers = Handlers(sources, metrics, owner=owner, limits=self._limits)
        self._silent: dict[RequestHandler, asyncio.TimerHandle] = {}

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(middlewares=[guard], client_max_size=limits.body)
        app.add_routes(self._handlers.routes())
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            keepalive_timeout=self._limits.head_deadline,
            shutdown_timeout=self._limits.stop_deadline,
        )
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Serve from now on. `listening`: bound, listening, AF_UNIX."""
        await self._runner.setup()
        # Python >= 3.13 removes the socket's file with the server unless told not to: it may be systemd's.
        keep: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, sock=listening, **keep)

    async def stop(self) -> None:
        """End streams, finish what is being answered, close. Bounded by the limits' `stop_deadline`, twice."""
        if self._server is not None:
            self._server.close()
        await self._handlers.stop()
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def _accept(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        most = self._limits.connections
        if server is None or len(server.connections) >= most or len(self._silent) >= FLOOD * most:
            return Busy(too_busy("connections", most))
        handler = server()
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._limits.head_deadline, self._hang_up, handler)
        return handler

    def _hang_up(self, handler: RequestHandler) -> None:
        self._silent.pop(handler, None)
        handler.force_close()

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around every handler: the bounds, and every failure as JSON."""
        if timer := self._silent.pop(request.protocol, None):
            timer.cancel()
        try:
            self._refuse_body(request)
            async with asyncio.timeout(None if request.path in STREAMING else self._limits.answer_deadline):
                response = await handler(request)
        except HooknetError as error:
            response = failure(request, error)
        except TimeoutError:
            response = failure(request, too_slow(request.path, self._limits.answer_deadline))
        except web.HTTPException as error:
            response = no_such_path(request, error)
        except ConnectionResetError:
            raise  # the caller is gone: nobody to tell
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            response = failure(request, unexpected(error))
        if not response.prepared:
            response.force_close()
        return response

    def _refuse_body(self, request: web.Request) -> None:
        if (request.content_length or 0) > self._limits.body:
            raise HooknetError(
                Kind.BAD_CONFIG,
                f"a body of {request.content_length} bytes is too long",
                hint="no path of the control API needs one",
            )


class Busy(asyncio.Protocol):
    """Answers any connection with one error and hangs up, without reading."""

    def __init__(self, error: HooknetError) -> None:
        self._body = shapes.as_json(error_shape(error))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        head = (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + self._body)
        transport.close()


def error_shape(error: HooknetError) -> dict[str, dict[str, str]]:
    """The JSON of an error: the schema `Error`."""
    return {
        "error": {
            "kind": error.kind.value,
            "message": error.message,
            "details": error.details,
            "hint": error.hint,
        }
    }


def failure(request: web.Request, error: HooknetError) -> web.Response:
    """The error as an answer, with its line in the log when a person should see it."""
    status = CODES[error.kind].http
    if error.kind is Kind.NOT_ALLOWED:
        say(LogId.CONTROL_REFUSED, request=request.path_qs, why=error.details)
    elif status >= SERVER_ERROR:
        say(LogId.CONTROL_ERROR, request=request.path_qs, error=str(error))
    return json_response(error_shape(error), status)


def no_such_path(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """The errors of aiohttp itself (404, 405) in our shape."""
    wrong = HooknetError(
        Kind.NOT_FOUND,
        f"there is no {request.method} {request.path}",
        details=error.reason,
        hint="/v1/openapi.json lists what there is",
    )
    return json_response(error_shape(wrong), error.status)


def too_slow(path: str, deadline: float) -> HooknetError:
    return HooknetError(
        Kind.TRY_LATER,
        f"{path} took longer than {deadline:g} seconds",
        details="what it began goes on",
        hint="see `hooknet status` and the daemon's log",
    )
