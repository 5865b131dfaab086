"""Parents that need a host of their own: taken over by passthru, found by the default route, or a bridge."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.chain import RunAs
from lab.cni import netconf
from lab.lan import SWITCH
from lab.wait import never
from lab.world import kernel_has

if TYPE_CHECKING:
    from lab import Host, Lab, Lan

PINNED = "02:00:5e:10:00:01"


@pytest.mark.parametrize("plugin", ["hooknet", "macvlan"])
@pytest.mark.parametrize("pin", [None, PINNED])
def test_passthru_takes_the_parent_over_and_gives_it_back(lab: Lab, pin: str | None, plugin: str) -> None:
    """A passthru macvlan has its parent's MAC, or gives the parent its own; the kernel puts that back."""
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.plug(lan, "spare")
    host.daemon().start()
    host.netns.ip("address", "flush", "dev", "spare")
    before = host.netns.mac("spare")
    keys = {"master": "spare", "mode": "passthru", "ipam": {"type": "dhcp"}}
    config = netconf(type_=plugin, **keys) | ({"mac": pin} if pin else {})
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
    address = host.cni.add(config, sandbox).interface.ip
    assert address in lan.server.addresses()
    host.cni.delete(config, sandbox)
    lan.server.wait_for_release(address)


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


@pytest.mark.parametrize("kind", ["vlan", "bond"])
def test_a_vlan_and_a_bond_may_be_the_parent(lab: Lab, kind: str) -> None:
    if not kernel_has(kind):
        pytest.skip(
            f"this kernel has no {kind}: what hooknet thinks of one is in tests/unit/kernel/test_parents.py"
        )
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.daemon().start()
    config = netconf(master={"vlan": tagged, "bond": bonded}[kind](lan, host))
    sandbox = host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert added.interface.ip in lan.server.addresses()
    assert sandbox.ping(lan.address(1))
    assert host.cni.check(config, sandbox, added).code == 0
    sandbox.delete()
    host.cni.delete(config, sandbox)
    lan.server.wait_for_release(added.interface.ip)
    if kind == "bond":
        error = host.cni.call("ADD", netconf(master="host0"), host.cni.sandbox()).error
        assert (error["code"], "use bond7 itself" in error["details"]) == (101, True)


def tagged(lan: Lan, host: Host) -> str:
    """The LAN is VLAN 7 of the host's cable: its switch takes the tag away."""
    lan.netns.ip("link", "set", "port1", "nomaster")
    lan.netns.ip("link", "add", "link", "port1", "name", "port1.7", "type", "vlan", "id", "7")
    lan.netns.ip("link", "set", "port1.7", "master", SWITCH, "up")
    host.netns.ip("link", "add", "link", "host0", "name", "host0.7", "type", "vlan", "id", "7")
    host.netns.ip("link", "set", "host0.7", "up")
    return "host0.7"


def bonded(_lan: Lan, host: Host) -> str:
    """The host's cable is one of a bond's."""
    host.netns.ip("link", "add", "bond7", "type", "bond", "mode", "active-backup", "miimon", "50")
    host.netns.ip("link", "set", "host0", "down")
    host.netns.ip("link", "set", "host0", "master", "bond7")
    host.netns.ip("link", "set", "bond7", "up")
    return "bond7"


def test_at_boot_an_add_waits_for_the_parents_carrier(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.daemon().start()
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("host0")["flags"], what="the cable is out")
    sandbox = host.cni.sandbox()
    with ThreadPoolExecutor(1) as runtime:
        adding = runtime.submit(host.cni.add, netconf(), sandbox)
        never(adding.done, during=0.5, what="the ADD is answered without a carrier")
        lan.replug()
        added = adding.result(timeout=10)
    assert added.interface.ip in lan.server.addresses()
    host.cni.delete(netconf(), sandbox)


def test_at_boot_an_add_waits_until_somebody_sets_the_parent_up(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.daemon().start()
    host.netns.ip("link", "set", "host0", "down")
    sandbox = host.cni.sandbox()
    with ThreadPoolExecutor(1) as runtime:
        adding = runtime.submit(host.cni.add, netconf(), sandbox)
        never(adding.done, during=0.5, what="the ADD is answered while the parent is down")
        host.netns.ip("link", "set", "host0", "up")
        added = adding.result(timeout=10)
    assert added.interface.ip in lan.server.addresses()
    host.cni.delete(netconf(), sandbox)


def test_what_the_carrier_took_is_not_there_for_the_lease_any_more(lab: Lab) -> None:
    """One deadline for the whole ADD: it is over four seconds after it began, whatever was waited for."""
    lan = lab.lan()
    host = lab.host(lan)
    host.daemon("[network.lan]\ntimeout = 4\n").start()
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("host0")["flags"], what="the cable is out")
    with ThreadPoolExecutor(1) as runtime:
        adding = runtime.submit(host.cni.call, "ADD", netconf(), host.cni.sandbox())
        never(adding.done, during=2.5, what="the ADD is answered without a carrier")
        lan.replug()
        reply = adding.result(timeout=20)
    assert re.search(
        r"no DHCP server answered on host0 within the 1\.\d s that were left of 4", reply.error["msg"]
    )
    assert 3900 < reply.ms < 6000, "and not 2.5 s plus 4"


def test_what_happens_to_a_host_interface_of_the_same_name_is_no_matter_to_a_parent_in_the_container(
    lab: Lab,
) -> None:
    """Its carrier goes, it is renamed, and another host uses the leased address behind it: nothing of that counts."""
    here, there = lab.lan(), lab.lan()
    there.serve("dnsmasq", t1=2, t2=4, lease_time=120)
    host = lab.host(here)
    daemon = host.daemon()
    daemon.start()
    sandbox = host.cni.sandbox()
    there.plug(sandbox, "host0")
    address = host.cni.add(netconf(master="host0", linkInContainer=True), sandbox).interface.ip
    assert daemon.status()["parents"] == []
    host.netns.ip("link", "set", "host0", "down")
    seen = there.server.acknowledged(address)
    eventually(
        lambda: there.server.acknowledged(address) >= seen + 2, within=10, what="renewals go on without it"
    )
    host.netns.ip("link", "set", "host0", "name", "lan9")
    host.netns.ip("link", "set", "lan9", "up")
    seen = there.server.acknowledged(address)
    eventually(lambda: there.server.acknowledged(address) > seen, within=10, what="and under a new name")
    assert [lease["parent"] for lease in daemon.leases()] == ["host0"]
    sandbox.delete()


def test_under_another_main_plugin_too_the_parent_in_the_container_is_looked_up_there(lab: Lab) -> None:
    """As the reference's macvlan does it since 1.2: Debian's is older, so the link is made here."""
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host()
    daemon = host.daemon()
    daemon.start()
    sandbox = host.cni.sandbox()
    lan.plug(sandbox, "inner0")
    sandbox.ip("link", "add", "eth0", "link", "inner0", "type", "macvlan", "mode", "bridge")
    config = netconf(type_="macvlan", master="inner0", linkInContainer=True, ipam={"type": "hooknet"})
    ipam = RunAs(host.cni, "hooknet")
    added = ipam.call("ADD", config, sandbox)
    assert added.interface.ip in lan.server.addresses(), str(added)
    assert (daemon.lease()["parent"], daemon.status()["parents"]) == ("inner0", [])
    assert ipam.call("DEL", config, sandbox).code == 0
    lan.server.wait_for_release(added.interface.ip)


def test_nothing_leaves_the_host_for_a_parent_that_was_in_the_container(lab: Lab) -> None:
    """linkInContainer: the parent goes with the container, and the host's interface of that name is another one."""
    here, there = lab.lan(), lab.lan()
    there.serve("dnsmasq")
    host = lab.host(here)
    daemon = host.daemon()
    daemon.start()
    sandbox = host.cni.sandbox()
    there.plug(sandbox, "host0")
    config = netconf(master="host0", linkInContainer=True)
    added = host.cni.add(config, sandbox)
    wire = here.capture()
    sandbox.delete()
    host.cni.delete(config, sandbox)
    assert daemon.leases() == []
    host.netns.ping(here.address(77))  # an ARP request of the host: whatever left before it is in the capture
    wire.wait_for(rf"who-has {here.address(77)}")
    assert str(added.interface.ip) not in wire.log.text()
