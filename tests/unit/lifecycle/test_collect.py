"""CNI GC: everything of the network that is not on the list goes, whatever happens to single ones."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.lifecycle.entries import Entry, Registry
from hooknet.lifecycle.service import Lifecycle
from hooknet.model import Phase, ReleaseReason
from hooknet.store.records import Record
from hooknet.testing import make_attachment


class Ends:
    """Ends attachments; for some of them it fails."""

    def __init__(self, registry: Registry, failures: dict[str, Exception]) -> None:
        self._registry = registry
        self._failures = failures

    async def end(self, entry: Entry, reason: ReleaseReason) -> None:
        assert reason is ReleaseReason.VANISHED
        if (failure := self._failures.get(entry.key.container_id)) is not None:
            raise failure
        self._registry.remove(entry)


def attached(container: str, network: str = "lan") -> Entry:
    attachment = make_attachment(container_id=container, network=network)
    record = Record(
        attachment=attachment, phase=Phase.REPLIED, boot_id="b", created=0.0, netns_id=(1, 2), mac=container
    )
    return Entry(record, NetworkSettings())


def collected(*entries: Entry, **failures: Exception) -> tuple[list[HooknetError], set[str]]:
    """The errors of a GC that keeps "kept", and whose attachments are left."""
    registry = Registry()
    for entry in entries:
        registry.add(entry)
    services = cast("Any", SimpleNamespace(registry=registry, machine=None))
    lifecycle = Lifecycle(services, cast("Any", None))
    lifecycle._detacher = cast("Any", Ends(registry, failures))
    errors = asyncio.run(lifecycle.collect("lan", {("kept", "eth0")}))
    return errors, {entry.key.container_id for entry in registry}


def test_all_of_the_network_goes_but_what_is_on_the_list() -> None:
    errors, left = collected(attached("a"), attached("kept"), attached("b"), attached("other", "elsewhere"))
    assert (errors, left) == ([], {"kept", "other"})


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(HooknetError(Kind.IO, "the disk is full"), Kind.IO), (OSError(5, "no"), Kind.INTERNAL)],
)
def test_one_that_fails_holds_up_none_of_the_others(failure: Exception, kind: Kind) -> None:
    errors, left = collected(attached("a"), attached("b"), attached("c"), b=failure)
    assert [error.kind for error in errors] == [kind]
    assert left == {"b"}
