"""What is asked of the link is what the kernel has: `ip -details link` is the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lab.cni import netconf

if TYPE_CHECKING:
    from conftest import Stand
    from lab import Sandbox

PINNED = "02:00:5e:10:00:01"
OTHER = "02:00:5e:10:00:02"
THIRD = "02:00:5e:10:00:03"


def macvlan(sandbox: Sandbox) -> dict[str, Any]:
    """The link's own part of what the kernel says of eth0."""
    info = sandbox.link()["linkinfo"]
    assert info["info_kind"] == "macvlan"
    data: dict[str, Any] = info["info_data"]
    return data


@pytest.mark.parametrize("plugin", ["hooknet", "macvlan"])
@pytest.mark.parametrize("mode", ["bridge", "private", "vepa"])
def test_each_mode_is_the_kernels_too(stand: Stand, mode: str, plugin: str) -> None:
    config, sandbox = netconf(type_=plugin, mode=mode, ipam={"type": "dhcp"}), stand.sandbox()
    added = stand.cni.add(config, sandbox)
    assert macvlan(sandbox)["mode"] == mode
    assert added.interface.ip in stand.lan.server.addresses()
    assert stand.cni.check(config, sandbox, added).code == 0
    stand.cni.delete(config, sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == set()


def test_without_a_mode_it_is_bridge(stand: Stand) -> None:
    sandbox = stand.sandbox()
    stand.cni.add(netconf(), sandbox)
    assert macvlan(sandbox)["mode"] == "bridge"
    stand.cni.delete(netconf(), sandbox)


def test_a_mac_that_nobody_asked_for_stays_over_restarts(stand: Stand) -> None:
    sandbox = stand.sandbox()
    macs = []
    for _ in range(2):
        stand.cni.add(netconf(), sandbox)
        macs.append(sandbox.mac())
        stand.cni.delete(netconf(), sandbox)
    assert macs[0] == macs[1]


def test_while_that_mac_is_held_by_another_link_the_container_starts_with_a_new_one(stand: Stand) -> None:
    sandbox = stand.sandbox()
    stand.cni.add(netconf(), sandbox)
    mac = sandbox.mac()
    stand.cni.delete(netconf(), sandbox)
    holder = stand.host.netns
    holder.ip("link", "add", "holder0", "link", "host0", "address", mac, "type", "macvlan", "mode", "bridge")
    holder.ip("link", "set", "holder0", "up")
    added = stand.cni.add(netconf(), sandbox)
    assert sandbox.mac() != mac
    assert added.interface.ip in stand.lan.server.addresses()
    [lease] = [row for row in stand.daemon.leases() if row["container"] == sandbox.name]
    assert lease["mac"] == sandbox.mac()
    stand.cni.delete(netconf(), sandbox)
    assert sandbox.links() == set()
    holder.ip("link", "delete", "holder0")


def test_an_unknown_mode_is_refused(stand: Stand) -> None:
    reply = stand.cni.call("ADD", netconf(mode="source"), stand.sandbox())
    assert reply.error["code"] == 7
    assert "passthru" in reply.error["details"]


def test_the_mtu_is_the_one_that_is_asked_for_else_the_parents(stand: Stand) -> None:
    sandbox = stand.sandbox()
    for asked, found in ((1400, 1400), (0, 1500), (None, 1500)):
        config = netconf(version="1.1.0") | ({} if asked is None else {"mtu": asked})
        added = stand.cni.add(config, sandbox)
        assert sandbox.link()["mtu"] == found == added.output["interfaces"][0]["mtu"]
        stand.cni.delete(config, sandbox)


def test_an_mtu_above_the_parents_is_refused(stand: Stand) -> None:
    sandbox = stand.sandbox()
    reply = stand.cni.call("ADD", netconf(mtu=9000), sandbox)
    assert reply.error["code"] == 7
    assert "1500" in reply.error["msg"]
    assert sandbox.links() == set()


def test_the_length_of_the_broadcast_queue_is_set(stand: Stand) -> None:
    sandbox = stand.sandbox()
    stand.cni.add(netconf(bcqueuelen=200), sandbox)
    assert macvlan(sandbox)["bcqueuelen"] == 200
    stand.cni.delete(netconf(), sandbox)


def test_the_runtimes_mac_goes_before_the_arguments_and_that_before_the_configurations(stand: Stand) -> None:
    args = f"IgnoreUnknown=1;MAC={OTHER}"
    capability = {"capabilities": {"mac": True}, "runtimeConfig": {"mac": THIRD}}
    for config, given, mac in (
        (netconf(mac=PINNED), "", PINNED),
        (netconf(mac=PINNED), args, OTHER),
        (netconf(mac=PINNED, **capability), args, THIRD),
    ):
        sandbox = stand.sandbox()
        added = stand.cni.add(config, sandbox, args=given)
        assert sandbox.mac() == mac == added.output["interfaces"][0]["mac"]
        lease = stand.lan.server.lease_of(added.interface.ip)
        assert lease is not None
        assert lease.mac == mac
        stand.cni.delete(config, sandbox)


def test_a_mac_without_a_pin_is_local_and_of_one_station(stand: Stand) -> None:
    sandbox = stand.sandbox()
    stand.cni.add(netconf(), sandbox)
    first = int(sandbox.mac().partition(":")[0], 16)
    assert first & 0b11 == 0b10
    stand.cni.delete(netconf(), sandbox)


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "00:00:00:00:00:00", "nonsense", "02:00:5e:10:00"])
def test_a_mac_that_no_interface_can_have_is_refused(stand: Stand, mac: str) -> None:
    sandbox = stand.sandbox()
    reply = stand.cni.call("ADD", netconf(mac=mac), sandbox)
    assert reply.error["code"] == 7
    assert mac in reply.error["msg"]
    assert sandbox.links() == set()


def test_the_parents_own_mac_is_refused_with_the_reason(stand: Stand) -> None:
    reply = stand.cni.call("ADD", netconf(mac=stand.host.netns.mac("host0")), stand.sandbox())
    assert reply.error["code"] == 7
    assert "host0" in reply.error["msg"]


def test_a_link_in_the_container_is_made_on_the_containers_own_interface(stand: Stand) -> None:
    """linkInContainer: the parent is in the sandbox, and no interface of the host has its name."""
    config = netconf(master="inner0", linkInContainer=True)
    sandbox = stand.sandbox()
    stand.lan.plug(sandbox, "inner0")
    added = stand.cni.add(config, sandbox)
    assert sandbox.links() == {"inner0", "eth0"}
    assert sandbox.link()["link"] == "inner0"
    assert added.interface.ip in stand.lan.server.addresses()
    assert stand.cni.check(config, sandbox, added).code == 0
    stand.cni.delete(config, sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == {"inner0"}


def test_without_a_master_a_link_in_the_container_takes_the_containers_default_route(stand: Stand) -> None:
    config = netconf(master="", linkInContainer=True)
    sandbox = stand.sandbox()
    stand.lan.plug(sandbox, "inner0")
    sandbox.ip("address", "add", f"{stand.lan.address(90)}/24", "dev", "inner0")
    sandbox.ip("route", "add", "default", "via", str(stand.lan.address(1)))
    stand.cni.add(config, sandbox)
    assert sandbox.link()["link"] == "inner0"
    stand.cni.delete(config, sandbox)
    assert sandbox.links() == {"inner0"}


def test_a_macvlan_of_the_host_may_be_the_parent(stand: Stand) -> None:
    stand.host.netns.ip("link", "add", "shim0", "link", "host0", "type", "macvlan", "mode", "bridge")
    stand.host.netns.ip("link", "set", "shim0", "up")
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(master="shim0"), sandbox)
    assert added.interface.ip in stand.lan.server.addresses()
    stand.cni.delete(netconf(master="shim0"), sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)
    stand.host.netns.ip("link", "delete", "shim0")
