"""Parents that need a host of their own: taken over by passthru, found by the default route, or a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab.cni import netconf

if TYPE_CHECKING:
    from lab import Lab

PINNED = "02:00:5e:10:00:01"


@pytest.mark.parametrize("pin", [None, PINNED])
def test_passthru_takes_the_parent_over_and_gives_it_back(lab: Lab, pin: str | None) -> None:
    """A passthru macvlan has its parent's MAC, or gives the parent its own; the kernel puts that back."""
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.plug(lan, "spare")
    host.daemon().start()
    host.netns.ip("address", "flush", "dev", "spare")
    before = host.netns.mac("spare")
    config = netconf(master="spare", mode="passthru") | ({"mac": pin} if pin else {})
    sandbox = host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert sandbox.link()["linkinfo"]["info_data"]["mode"] == "passthru"
    assert added.output["interfaces"][0]["mac"] == sandbox.mac() == (pin or before)
    [lease] = lan.server.leases()
    assert (lease.address, lease.mac) == (added.interface.ip, sandbox.mac())
    assert sandbox.ping(lan.address(1))
    assert host.cni.check(config, sandbox, added).code == 0
    host.cni.delete(config, sandbox)
    lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == set()
    assert host.netns.mac("spare") == before


def test_the_interface_of_the_default_route_is_the_default_master(lab: Lab) -> None:
    there, lan = lab.lan(), lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(there, lan)
    host.daemon().start()
    config = netconf(master="")
    sandbox = host.cni.sandbox()
    reply = host.cni.call("ADD", config, sandbox)
    assert reply.error["code"] == 101
    assert "master" in reply.error["details"]
    host.netns.ip("route", "add", "default", "via", str(there.address(1)), "metric", "900")
    host.netns.ip("route", "add", "default", "via", str(lan.address(1)), "metric", "100")
    assert host.cni.add(config, sandbox).interface.ip in lan.server.addresses()
    host.cni.delete(config, sandbox)
    assert lan.server.leases() == []


def test_a_bridge_with_the_lan_in_it_may_be_the_parent(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.daemon().start()
    host.netns.ip("link", "add", "br0", "type", "bridge")
    host.netns.ip("link", "set", "br0", "up")
    host.netns.ip("link", "set", "host0", "master", "br0")
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(master="br0"), sandbox)
    assert added.interface.ip in lan.server.addresses()
    assert sandbox.ping(lan.address(1))
    sandbox.delete()
    host.cni.delete(netconf(master="br0"), sandbox)
    lan.server.wait_for_release(added.interface.ip)
    reply = host.cni.call("ADD", netconf(master="host0"), host.cni.sandbox())
    assert reply.error["code"] == 101
    assert "br0" in reply.error["details"], "the bridge is named as the parent to use"
