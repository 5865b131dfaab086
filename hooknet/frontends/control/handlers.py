"""One handler per path of the control API. They ask the daemon (`Sources`) and shape what it says; nothing more.

What changes something is run as a task of its own: a caller that hangs up in the middle of a reload does
not stop it half-way.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from hooknet.errors import HooknetError, Kind
from hooknet.frontends.control import shapes
from hooknet.frontends.control.access import Limits, require_owner, too_busy
from hooknet.frontends.control.openapi import DESCRIPTION
from hooknet.frontends.metrics import CONTENT_TYPE
from hooknet.frontends.peers import Peer, peer_of
from hooknet.lifecycle.bus import EventKind
from hooknet.logids import LogId
from hooknet.logs import say

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from hooknet.frontends.control.sources import Sources
    from hooknet.frontends.metrics import Metrics
    from hooknet.lifecycle.requests import AttachmentView

T = TypeVar("T")
NDJSON = "application/x-ndjson"
YES, NO = {"true", "1", "yes", ""}, {"false", "0", "no"}


def json_response(data: object, status: int = 200) -> web.Response:
    return web.Response(body=shapes.as_json(data), status=status, content_type="application/json")


class Handlers:
    """The paths. `owner`: the uid that may change things."""

    def __init__(self, sources: Sources, metrics: Metrics, *, owner: int, limits: Limits) -> None:
        self._sources = sources
        self._metrics = metrics
        self._owner = owner
        self._limits = limits
        self._streams: set[asyncio.Task[Any]] = set()
        self._changes: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Every path that is served: the same as `openapi.PATHS`."""
        get = {
            "/v1/leases": self.leases,
            "/v1/leases/{name}": self.lease,
            "/v1/events": self.events,
            "/v1/plugins": self.plugins,
            "/v1/status": self.status,
            "/v1/openapi.json": self.openapi,
            "/metrics": self.metrics,
        }
        post = {
            "/v1/plugins/{name}/enable": self.plugin_enable,
            "/v1/plugins/{name}/disable": self.plugin_disable,
            "/v1/reload": self.reload,
            "/v1/reconcile": self.reconcile,
        }
        return [
            *(web.get(path, handler, allow_head=False) for path, handler in get.items()),
            *(web.post(path, handler) for path, handler in post.items()),
        ]

    async def leases(self, request: web.Request) -> web.Response:
        asked = parameters(request, "network")
        views = self._sources.leases()
        if "network" in asked:
            views = [view for view in views if view.attachment.network == asked["network"]]
        return lease_list(views)

    async def lease(self, request: web.Request) -> web.Response:
        parameters(request)
        name = request.match_info["name"]
        views = [view for view in self._sources.leases() if shapes.matches(view, name)]
        if not views:
            raise HooknetError(
                Kind.NOT_FOUND,
                f"hooknet holds nothing for {name!r}",
                hint="`hooknet leases` lists what it holds",
            )
        return lease_list(views)

    async def plugins(self, request: web.Request) -> web.Response:
        parameters(request)
        reports = sorted(self._sources.plugins(), key=lambda report: report.name)
        return json_response({"plugins": [shapes.plugin_shape(report) for report in reports]})

    async def status(self, request: web.Request) -> web.Response:
        parameters(request)
        return json_response(shapes.status_shape(self._sources.status()))

    async def openapi(self, request: web.Request) -> web.Response:
        parameters(request)
        return json_response(DESCRIPTION)

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def plugin_enable(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await self._change(request, self._sources.plugin_enable(name))
        return self._plugin(name)

    async def plugin_disable(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await self._change(request, self._sources.plugin_disable(name))
        return self._plugin(name)

    async def reload(self, request: web.Request) -> web.Response:
        parameters(request)
        return json_response({"changed": list(await self._change(request, self._sources.reload()))})

    async def reconcile(self, request: web.Request) -> web.Response:
        dry_run = boolean(parameters(request, "dry_run"), "dry_run", default=False)
        work = self._sources.reconcile(dry_run=dry_run)
        actions = await (work if dry_run else self._change(request, work))
        return json_response({"dry_run": dry_run, "actions": list(actions)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        asked = parameters(request, "since", "follow", "kind")
        kinds = [known_kind(kind) for kind in request.query.getall("kind", [])]
        since = number(asked, "since")
        follow = boolean(asked, "follow", default=True)
        if len(self._streams) >= self._limits.streams:
            raise too_busy("event streams", self._limits.streams)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            return await self._stream(request, since=since, follow=follow, kinds=kinds)
        finally:
            self._streams.discard(task)

    async def stop(self) -> None:
        """End the streams, let changes that are under way end, and give up on those that don't in time."""
        self._stopping = True
        for stream in self._streams:
            stream.cancel()
        if self._changes:
            _, late = await asyncio.wait(self._changes, timeout=self._limits.stop_deadline)
            for change in late:
                change.cancel()

    async def _stream(
        self, request: web.Request, *, since: float | None, follow: bool, kinds: Sequence[EventKind]
    ) -> web.StreamResponse:
        events = self._sources.events(since=since, follow=follow)
        response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
        response.force_close()
        try:
            await response.prepare(request)
            async for event in events:
                if not kinds or event["kind"] in kinds or event["kind"] == EventKind.DROPPED:
                    await response.write(shapes.as_json(event) + b"\n")
        except asyncio.CancelledError:
            if not self._stopping:
                raise  # the follower hung up
        finally:
            if (aclose := getattr(events, "aclose", None)) is not None:
                await aclose()
        await response.write_eof()
        return response

    async def _change(self, request: web.Request, work: Coroutine[Any, Any, T]) -> T:
        try:
            peer = caller(request)
            require_owner(peer, self._owner, f"{request.method} {request.path}")
        except HooknetError:
            work.close()
            raise
        started = time.monotonic()
        task = asyncio.ensure_future(work)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        result = await asyncio.shield(task)
        took = (time.monotonic() - started) * 1000
        say(LogId.CONTROL_CHANGE, request=request.path_qs, uid=peer.uid, pid=peer.pid, ms=took)
        return result

    def _plugin(self, name: str) -> web.Response:
        found = [report for report in self._sources.plugins() if report.name == name]
        if not found:
            raise HooknetError(Kind.NOT_FOUND, f"there is no plugin {name!r}", hint="see `hooknet plugins`")
        return json_response(shapes.plugin_shape(found[0]))


def lease_list(views: Sequence[AttachmentView]) -> web.Response:
    found = [shapes.lease_shape(view) for view in views]
    found.sort(key=lambda lease: (lease.container or lease.container_id, lease.network, lease.ifname))
    return json_response({"leases": found})


def caller(request: web.Request) -> Peer:
    """Who is at the other end of the socket. Raises NOT_ALLOWED when it hung up, and so can't be asked."""
    connection = request.get_extra_info("socket")
    if connection is None:
        raise HooknetError(Kind.NOT_ALLOWED, "the caller hung up")
    return peer_of(connection)


def parameters(request: web.Request, *known: str) -> Mapping[str, str]:
    """The query of a request. A parameter that the path does not know is refused, not ignored."""
    for key in request.query:
        if key not in known:
            hint = f"known: {', '.join(known)}" if known else f"{request.path} takes none"
            raise HooknetError(Kind.BAD_CONFIG, f"unknown parameter {key!r}", hint=hint)
    return request.query


def boolean(asked: Mapping[str, str], name: str, *, default: bool) -> bool:
    """`?name`, `?name=true`, `?name=false`, or the default."""
    value = asked.get(name, "true" if default else "false").lower()
    if value not in YES | NO:
        raise HooknetError(Kind.BAD_CONFIG, f"{name}={value!r} is not a boolean", hint="give true or false")
    return value in YES


def number(asked: Mapping[str, str], name: str) -> float | None:
    if name not in asked:
        return None
    try:
        return float(asked[name])
    except ValueError:
        raise HooknetError(
            Kind.BAD_CONFIG, f"{name}={asked[name]!r} is not a number", hint="give seconds since 1970"
        ) from None


def known_kind(text: str) -> EventKind:
    try:
        return EventKind(text)
    except ValueError:
        hint = "known: " + ", ".join(kind.value for kind in EventKind)
        raise HooknetError(Kind.BAD_CONFIG, f"there are no events of kind {text!r}", hint=hint) from None
