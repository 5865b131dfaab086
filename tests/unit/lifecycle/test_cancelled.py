"""An ADD that does not come to its end: who ended it, and what its caller and the log are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.entries import Registry
from hooknet.lifecycle.requests import AttachRequest, DetachRequest
from hooknet.lifecycle.service import Lifecycle
from hooknet.model import AttachmentKey

KEY = AttachmentKey("c0ffee", "eth0", "lan")


async def nothing(*_: object) -> None: ...


async def no_lease(_: object) -> None:
    raise HooknetError(Kind.NO_LEASE, "no DHCP server answers", hint="start one")


async def forever(_: object) -> None:
    await asyncio.Event().wait()


def a_lifecycle(attach: Callable[[Any], Awaitable[None]]) -> tuple[Lifecycle, list[Any]]:
    """One whose ADDs are `attach`, and the events that it publishes."""
    events: list[Any] = []
    bus = SimpleNamespace(publish=lambda kind, **fields: events.append((kind, fields)))
    services = SimpleNamespace(registry=Registry(), machine=None, bus=bus, tasks=set())
    lifecycle = Lifecycle(cast("Any", services), cast("Any", None))
    lifecycle._attacher = cast("Any", SimpleNamespace(attach=attach))
    lifecycle._endings = cast("Any", SimpleNamespace(settle=nothing))
    lifecycle._detacher = cast("Any", SimpleNamespace(detach=nothing))
    lifecycle._keeper = cast("Any", SimpleNamespace(stop_all=nothing))
    return lifecycle, events


def told(end: Callable[[Lifecycle], Awaitable[None]]) -> HooknetError:
    """What the caller of an ADD hears when `end` cuts it short."""

    async def scene() -> HooknetError:
        lifecycle, _ = a_lifecycle(forever)
        adding = asyncio.ensure_future(lifecycle.attach(AttachRequest(key=KEY, netns="/run/netns/x")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await end(lifecycle)
        with pytest.raises(HooknetError) as caught:
            await adding
        return caught.value

    return asyncio.run(scene())


def test_an_add_that_a_del_cancels_says_so() -> None:
    error = told(lambda lifecycle: lifecycle.detach(DetachRequest(key=KEY)))
    assert (error.kind, error.code) == (Kind.CANCELLED, 106)
    assert "a DEL of it came" in error.details


def test_an_add_that_the_daemons_stop_cancels_is_to_be_tried_again() -> None:
    error = told(lambda lifecycle: lifecycle.stop(0))
    assert (error.kind, error.code) == (Kind.TRY_LATER, 11)
    assert "stopping" in error.message
    assert error.hint == "try again when it has started"


def test_a_failed_add_is_published_once_and_says_that_it_was() -> None:
    lifecycle, events = a_lifecycle(no_lease)
    with pytest.raises(HooknetError) as caught:
        asyncio.run(lifecycle.attach(AttachRequest(key=KEY, netns="/run/netns/x")))
    assert caught.value.is_published
    [(kind, fields)] = events
    assert (kind, fields["container_id"], fields["code"]) == ("add-failed", "c0ffee", 11)
