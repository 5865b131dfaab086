"""hooknet in a chain with Debian's own plugins: each gets the result of the one before, and CHECK stays right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.chain import Chain
from lab.cni import netconf
from lab.process import run
from lab.world import kernel_has

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan

PINNED = "02:00:5e:10:00:01"
HOOKNET = {"type": "hooknet", "master": "host0"}
TUNING = {"type": "tuning", "mac": PINNED, "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
MAPPINGS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
BEFORE = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br7"}, {"name": "eth7", "mac": "02:00:5e:10:00:07", "sandbox": "/run/netns/x"}],
    "ips": [{"interface": 1, "address": "198.51.100.7/24", "gateway": "198.51.100.1"}],
    "routes": [{"dst": "203.0.113.0/24", "gw": "198.51.100.1"}],
    "dns": {"nameservers": ["198.51.100.1"], "options": ["ndots:2"]},
}


def test_what_came_before_is_passed_on_with_our_own_part_behind_it(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    sandbox = host.cni.sandbox()
    config = netconf(prevResult=BEFORE)
    result = host.cni.add(config, sandbox).output
    [address] = sandbox.interfaces()
    ours = {"name": "eth0", "mac": sandbox.mac(), "sandbox": str(sandbox.path)}
    gateway = str(lan.address(1))
    assert result["interfaces"] == [*BEFORE["interfaces"], ours]
    assert result["ips"] == [*BEFORE["ips"], {"interface": 2, "address": str(address), "gateway": gateway}]
    assert result["routes"] == [*BEFORE["routes"], {"dst": "0.0.0.0/0", "gw": gateway}]
    assert result["dns"]["nameservers"] == [gateway]
    assert result["dns"]["options"] == ["ndots:2"]
    assert host.cni.call("CHECK", {**config, "prevResult": result}, sandbox).code == 0
    host.cni.delete(config, sandbox)


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_tuning_after_us_may_change_the_mac(lan: Lan, host: Host, daemon: Daemon, version: str) -> None:
    """CHECK passes with the MAC that prevResult has; the lease is kept; DEL finds the interface."""
    chain, sandbox = Chain(host.cni, "lan", HOOKNET, TUNING, version=version), host.cni.sandbox()
    added = chain.add(sandbox)
    assert sandbox.mac() == PINNED == added.output["interfaces"][0]["mac"]
    checked = chain.check(sandbox)
    assert checked.code == 0, str(checked)
    sandbox.ip("link", "set", "eth0", "address", "02:00:5e:10:00:02")
    assert "02:00:5e:10:00:02" in chain.cni.check(chain.plugins[0], sandbox, added).error["details"]
    sandbox.ip("link", "set", "eth0", "address", PINNED)
    chain.delete(sandbox)
    lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == set()


def test_a_mac_that_tuning_changed_is_no_reason_to_release(lan: Lan, host: Host, daemon: Daemon) -> None:
    """Reconcile looks at the kernel too: the interface is ours, by whatever MAC."""
    chain, sandbox = Chain(host.cni, "lan", HOOKNET, TUNING), host.cni.sandbox()
    added = chain.add(sandbox)
    daemon.hooknet("reconcile")
    assert [lease["address"] for lease in daemon.leases()] == [str(added.interface)]
    assert sandbox.interfaces() == [added.interface]
    daemon.restart()
    daemon.hooknet("reconcile")
    assert [lease["address"] for lease in daemon.leases()] == [str(added.interface)]
    assert lan.server.addresses() == {added.interface.ip}
    chain.delete(sandbox)
    lan.server.wait_for_release(added.interface.ip)


def test_a_lease_is_renewed_under_the_mac_that_tuning_gave(lan: Lan, host: Host, daemon: Daemon) -> None:
    lan.server.restart(t1=1, t2=4)
    chain, sandbox = Chain(host.cni, "lan", HOOKNET, TUNING), host.cni.sandbox()
    added = chain.add(sandbox)
    eventually(lambda: lan.server.acknowledged(added.interface.ip) >= 3, within=10, what="two renewals")
    assert sandbox.interfaces() == [added.interface]
    assert chain.check(sandbox).code == 0
    chain.delete(sandbox)
    lan.server.wait_for_release(added.interface.ip)


def test_portmap_after_us_maps_a_port_to_the_leased_address(lan: Lan, host: Host, daemon: Daemon) -> None:
    chain = Chain(host.cni, "lan", HOOKNET, PORTMAP, runtime=MAPPINGS)
    sandbox = host.cni.sandbox()
    added = chain.add(sandbox)
    assert f"to-destination {added.interface.ip}:80" in nat_rules(host)
    # Debian's portmap 1.1.1 fails its own CHECK without an IPv6 address: it looks for a chain that it never made.
    assert host.cni.check(chain.plugins[0], sandbox, added).code == 0
    chain.delete(sandbox)
    assert str(added.interface.ip) not in nat_rules(host)
    lan.server.wait_for_release(added.interface.ip)


def nat_rules(host: Host) -> str:
    return host.netns.run("iptables-save", "-t", "nat").stdout


def test_podman_runs_the_whole_chain(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.conflist("lan", HOOKNET, TUNING, PORTMAP)
    container = host.podman.start("web", "-p", "8080:80", network="lan")
    address = container.address()
    assert address in lan.server.addresses()
    assert f"link/ether {PINNED}" in container.exec("ip", "link", "show", "eth0")
    assert f"{address}:80" in nat_rules(host)
    assert container.inspect()["NetworkSettings"]["Networks"]["lan"]["MacAddress"] == PINNED
    container.rm()
    lan.server.wait_for_release(address)
    assert str(address) not in nat_rules(host)


def test_bandwidth_behind_a_bridge_that_leases_from_us(lan: Lan, host: Host, daemon: Daemon) -> None:
    """bandwidth shapes the host's end of a veth, so it needs a bridge as main plugin; and ifb in the kernel."""
    if not kernel_has("ifb"):
        pytest.skip("this kernel has no ifb, which Debian's bandwidth plugin needs")
    bridge_with_the_lan(host)
    limits: dict[str, Any] = dict.fromkeys(("ingressRate", "egressRate"), 8_000_000)
    limits |= dict.fromkeys(("ingressBurst", "egressBurst"), 8_000_000)
    chain = Chain(
        host.cni,
        "lan",
        {"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}},
        {"type": "bandwidth", **limits},
    )
    sandbox = host.cni.sandbox()
    added = chain.add(sandbox)
    assert added.interface.ip in lan.server.addresses()
    shaped = run([*host.netns.enter, "tc", "-j", "qdisc", "show"]).stdout
    assert {"tbf"} <= {qdisc["kind"] for qdisc in json.loads(shaped)}
    checked = chain.check(sandbox)
    assert checked.code == 0, str(checked)
    chain.delete(sandbox)
    lan.server.wait_for_release(added.interface.ip)


def bridge_with_the_lan(host: Host) -> None:
    host.netns.ip("link", "add", "br0", "type", "bridge")
    host.netns.ip("link", "set", "br0", "up")
    host.netns.ip("link", "set", "host0", "master", "br0")
