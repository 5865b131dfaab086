"""Fault 16, and what only looks like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab.wait import never

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan

PROBING = 3.0
"""Seconds in which an optimistic client probes an address that it uses already."""


@pytest.mark.parametrize(
    "plugin",
    [
        {"type": "hooknet", "master": "host0"},
        {"type": "macvlan", "master": "host0", "ipam": {"type": "hooknet"}},
    ],
)
def test_a_container_with_two_interfaces_on_one_lan_is_no_conflict_with_itself(
    lan: Lan, host: Host, daemon: Daemon, plugin: dict[str, object]
) -> None:
    """Linux answers ARP for any of its addresses on any of its interfaces, unless it is told not to."""
    if plugin["type"] == "macvlan":
        host.shims_only("hooknet")
    host.conflist("red", plugin)
    host.conflist("blue", plugin)
    host.podman.start("web", "--network=blue", network="red")
    before = {lease["address"] for lease in daemon.leases()}
    assert len(before) == 2
    never(lambda: "DECLINE" in lan.server.log.text(), during=PROBING, what="an address was declined")
    assert {lease["address"] for lease in daemon.leases()} == before
