"""CNI's verbs, each carried out by the lifecycle and by delegates, and answered in the configuration's version.

- ADD: the link, then the address (ours or a delegate's), then the result. An answer that did not reach the caller is
  undone, so each ADD's answer must be reported as `delivered` or `undelivered`.
- DEL: the delegate first, then the interface, as the reference does; everything is tried, and only a delegate's
  failure is told. The rest of DEL never fails.
- CHECK: prevResult, the delegate, the journal and the kernel; all must agree.
- GC: everything of this network that is not on the list; errors are collected and told together.
- STATUS, VERSION: nothing is touched.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hooknet.cni.netconf import Addresses
from hooknet.cni.render import render, render_error, render_versions
from hooknet.cni.request import CniRequest, answer_version, parse
from hooknet.cni.versions import Verb
from hooknet.errors import HooknetError, Kind, unexpected
from hooknet.frontends.cni_requests import (
    attach_request,
    check_request,
    detach_request,
    result_of,
    status_request,
)
from hooknet.frontends.delegates import Allocation, Delegates
from hooknet.lifecycle.timing import Timing
from hooknet.lifecycle.to_the_end import to_the_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from hooknet.cni.envelope import Envelope, Tombstone
    from hooknet.cni.result import Result
    from hooknet.lifecycle.requests import Attached, AttachRequest, DetachRequest, StatusRequest

log = logging.getLogger(__name__)


class LifecycleApi(Protocol):
    """The part of the lifecycle that this front end uses."""

    async def attach(self, request: AttachRequest) -> Attached: ...
    async def replied(self, attached: Attached) -> None: ...
    async def undo(self, attached: Attached) -> None: ...
    async def detach(self, request: DetachRequest) -> None: ...
    async def check(self, request: AttachRequest) -> Attached: ...
    async def collect(self, network: str, valid: Collection[tuple[str, str]]) -> list[HooknetError]: ...
    async def status(self, request: StatusRequest) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the shim is told. attached, allocation: of an ADD that succeeded, until its answer is settled.

    fields: what the log is to say of a call that is not CNI's.
    """

    exit_code: int = 0
    stdout: bytes = b""
    request: CniRequest | None = None
    error: HooknetError | None = None
    attached: Attached | None = None
    allocation: Allocation | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


async def nothing() -> None:
    """What comes before an ADD where nothing has to."""


class Verbs:
    """Answers requests. `before_add`: awaited before each ADD; it does what was left for later."""

    def __init__(
        self,
        lifecycle: LifecycleApi,
        *,
        delegates: Delegates | None = None,
        before_add: Callable[[], Awaitable[object]] = nothing,
    ) -> None:
        self._lifecycle = lifecycle
        self._delegates = delegates or Delegates()
        self._before_add = before_add

    async def answer(self, envelope: Envelope, timing: Timing | None = None) -> Answer:
        """Carry out one request. Never raises but when cancelled, and then an ADD is undone."""
        request, timing = None, timing or Timing()
        try:
            request = parse(envelope.plugin, envelope.env, envelope.stdin)
            timing.mark("parsed")
            return await self._carry_out(request, timing)
        except HooknetError as error:
            return failure(error, answer_version(envelope.stdin), request)
        except Exception as error:
            log.exception("%s failed", envelope.env.get("CNI_COMMAND"))
            return failure(unexpected(error), answer_version(envelope.stdin), request)

    async def delivered(self, answer: Answer) -> None:
        """The caller has the answer."""
        if answer.attached is not None:
            await self._lifecycle.replied(answer.attached)

    async def undelivered(self, answer: Answer) -> None:
        """The caller was gone before it had the answer: as if it had never asked."""
        if answer.attached is not None:
            await self._lifecycle.undo(answer.attached)
        if answer.allocation is not None:
            told(await answer.allocation.free())

    async def remove(self, request: CniRequest, tombstone: Tombstone | None = None) -> None:
        """DEL, from a caller or from a tombstone. Raises DELEGATE_FAILED after everything was tried."""
        problem = None
        if request.network.addresses is Addresses.DELEGATED:
            try:
                await self._delegates.run(request, Verb.DEL)
            except HooknetError as error:
                problem = error
        await self._lifecycle.detach(detach_request(request, tombstone))
        if problem is not None:
            raise problem

    async def _carry_out(self, request: CniRequest, timing: Timing) -> Answer:
        match request.verb:
            case Verb.ADD:
                return await self._add(request, timing)
            case Verb.DEL:
                await self.remove(request)
            case Verb.CHECK:
                await self._check(request)
            case Verb.GC:
                await self._collect(request)
            case Verb.STATUS:
                await self._status(request)
            case Verb.VERSION:
                return Answer(stdout=as_json(render_versions(request.asked_version)), request=request)
        return Answer(request=request)

    async def _add(self, request: CniRequest, timing: Timing) -> Answer:
        for warning in request.wanted.warnings:
            log.warning("network %s: %s", request.network.name, warning)
        await self._before_add()
        if request.network.addresses is not Addresses.DELEGATED:
            attached = await self._lifecycle.attach(attach_request(request, None, timing))
            return added(request, attached, None)
        allocation = Allocation(self._delegates, request)
        try:
            attached = await self._lifecycle.attach(attach_request(request, allocation.assign, timing))
        except BaseException:
            told(await to_the_end(allocation.free()))
            raise
        return added(request, attached, allocation)

    async def _check(self, request: CniRequest) -> None:
        asked = check_request(request)
        if request.network.addresses is Addresses.DELEGATED:
            await self._delegates.run(request, Verb.CHECK)
        await self._lifecycle.check(asked)

    async def _collect(self, request: CniRequest) -> None:
        errors = await self._lifecycle.collect(request.network.name, request.valid)
        if request.network.addresses is Addresses.DELEGATED:
            try:
                await self._delegates.run(request, Verb.GC)
            except HooknetError as error:
                errors = [*errors, error]
        if errors:
            raise together(request.network.name, errors)

    async def _status(self, request: CniRequest) -> None:
        await self._lifecycle.status(status_request(request))
        if request.network.addresses is Addresses.DELEGATED:
            await self._delegates.run(request, Verb.STATUS)


def added(request: CniRequest, attached: Attached, allocation: Allocation | None) -> Answer:
    delegated: Result | None = allocation.result if allocation is not None else None
    result = result_of(request, attached, delegated)
    return Answer(
        stdout=as_json(render(result, request.network.cni_version)),
        request=request,
        attached=attached,
        allocation=allocation,
    )


def failure(error: HooknetError, version: str, request: CniRequest | None = None) -> Answer:
    """An error on stdout, exit code 1, as the spec wants it."""
    return Answer(exit_code=1, stdout=as_json(render_error(error, version)), request=request, error=error)


def together(network: str, errors: Collection[HooknetError]) -> HooknetError:
    """Several errors as one; a single one as it is."""
    if len(errors) == 1:
        return next(iter(errors))
    return HooknetError(
        Kind.IO,
        f"{len(errors)} attachments of {network} could not be released",
        details="; ".join(str(error) for error in errors),
        hint="run GC again",
    )


def told(problem: HooknetError | None) -> None:
    if problem is not None:
        log.warning("undoing an ADD: %s", problem)


def as_json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"
