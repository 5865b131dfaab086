"""Fault 16, and what only looks like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.cni import netconf
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


def test_an_interface_that_somebody_else_gave_the_container_is_no_rival_of_ours(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """It answers the probes of our address, with a MAC that hooknet has never seen: while probing, and in use."""
    box = host.cni.sandbox()
    lan.plug(box, "eth1")
    box.ip("address", "add", f"{lan.address(222)}/24", "dev", "eth1")
    wire = lan.capture("arp or port 67")
    address = host.cni.add(netconf(), box).interface.ip
    wire.wait_for(f"Reply {address} is-at {box.mac('eth1')}")
    never(lambda: "DECLINE" in lan.server.log.text(), during=PROBING, what="an address was declined")
    eventually(lambda: daemon.status()["counts"]["exchanges"] == 0, within=10, what="the probing is over")
    for _ in range(3):
        box.run("busybox", "arping", "-c", "1", "-A", "-I", "eth1", str(address))
    never(lambda: "DECLINE" in lan.server.log.text(), during=1.0, what="an address was declined")
    assert box.addresses() == {str(address)}


def test_an_address_of_the_hosts_own_is_a_conflict_like_any_other(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """A server that leases what the host itself uses: the host answers on another interface, and is right."""
    lan.plug(host.netns, "other0")
    host.netns.ip("address", "add", f"{lan.address(100)}/32", "dev", "other0")
    lan.server.restart(first=100, last=101)
    box = host.cni.sandbox()
    host.cni.add(netconf(), box)
    eventually(lambda: box.addresses() == {str(lan.address(101))}, within=20, what="the free address")
    assert daemon.lease()["address"] == f"{lan.address(101)}/24"
