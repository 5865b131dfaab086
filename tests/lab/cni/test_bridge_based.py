"""hooknet as IPAM plugin under Debian's own `bridge` and `ipvlan`: the link is theirs, the lease is ours."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from lab import Daemon, Host, Lan, eventually
from lab.chain import Chain, RunAs
from lab.cni import netconf
from lab.process import run
from lab.wait import never
from lab.world import kernel_has

if TYPE_CHECKING:
    from lab.podman import Container

BRIDGE = {"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}
PINNED = "02:00:5e:10:00:01"


@pytest.fixture
def bridged(lan: Lan, host: Host) -> Host:
    """The host's cable is plugged into a bridge of the host, as the wiki pages say."""
    host.netns.ip("link", "add", "br0", "type", "bridge")
    host.netns.ip("link", "set", "br0", "up")
    host.netns.ip("link", "set", "host0", "master", "br0")
    host.shims_only("hooknet", "dhcp")
    return host


@pytest.fixture
def serving(bridged: Host) -> Daemon:
    daemon = bridged.following_daemon("[daemon]\nreconcile_interval = 1\n")
    daemon.start()
    return daemon


def released_by(lan: Lan, mac: str, wire: str) -> bool:
    """Whether the wire has seen a RELEASE that the container's own MAC sent."""
    frames = re.split(r"(?m)^(?=\d\d:)", wire)
    return any("Release" in frame and f" {mac} > " in frame for frame in frames)


@pytest.mark.parametrize("ipam", ["hooknet", "dhcp"])
def test_a_container_on_the_hosts_bridge_is_on_the_lan(
    lan: Lan, bridged: Host, serving: Daemon, ipam: str
) -> None:
    bridged.conflist("lan", {**BRIDGE, "ipam": {"type": ipam}})
    container = bridged.podman.start("web", f"--mac-address={PINNED}", network="lan")
    lease = lan.server.lease_of(container.address())
    assert lease is not None
    assert (lease.mac, lease.hostname) == (PINNED, "web")
    assert f"default via {lan.address(1)}" in container.exec("ip", "route")
    container.exec("ping", "-c1", "-W2", str(lan.address(1)))
    [shown] = serving.leases()
    assert (shown["parent"], shown["address"], shown["state"]) == ("br0", str(container.interface()), "BOUND")
    bridged.podman("restart", "-t", "0", "web")
    assert container.address() == lease.address
    container.rm()
    lan.server.wait_for_release(lease.address)
    assert serving.leases() == []


def test_a_lease_under_a_bridge_is_renewed(lan: Lan, bridged: Host, serving: Daemon) -> None:
    lan.server.restart(t1=1, t2=4)
    bridged.conflist("lan", BRIDGE)
    container = bridged.podman.start("web", network="lan")
    address = container.address()
    eventually(lambda: lan.server.acknowledged(address) >= 3, within=10, what="two renewals")
    assert container.address() == address
    container.rm()


def test_the_release_leaves_on_the_bridge_when_the_container_vanishes(
    lan: Lan, bridged: Host, serving: Daemon
) -> None:
    """Nobody says DEL: conmon and container are killed, and the netns is gone."""
    bridged.conflist("lan", BRIDGE)
    container = bridged.podman.start("web", f"--mac-address={PINNED}", network="lan")
    address = container.address()
    wire = lan.capture("port 67")
    vanish(container)
    lan.server.wait_for_release(address, within=15)
    eventually(lambda: released_by(lan, PINNED, wire.log.text()), what="the RELEASE is on the wire")
    eventually(lambda: serving.leases() == [], what="the attachment is gone")


def vanish(container: Container) -> None:
    """kill -9 of conmon, then of the container, then its netns: podman hears nothing of it."""
    state, netns = container.inspect()["State"], container.netns()
    for pid in (state["ConmonPid"], state["Pid"]):
        run(["kill", "-9", str(pid)])
    run(["umount", "--lazy", netns])  # as podman does: a session of the daemon may still look in
    netns.unlink()


def test_the_release_leaves_on_the_bridge_when_the_link_goes_before_the_del(
    lan: Lan, bridged: Host, serving: Daemon
) -> None:
    """Some versions of the bridge plugin delete the link first, and call the IPAM's DEL then."""
    chain, sandbox = Chain(bridged.cni, "lan", BRIDGE), bridged.cni.sandbox()
    added = chain.add(sandbox)
    mac = sandbox.mac()
    wire = lan.capture("port 67")
    sandbox.ip("link", "delete", "eth0")
    RunAs(bridged.cni, "hooknet").delete({**chain.plugins[0], "prevResult": added.output}, sandbox)
    lan.server.wait_for_release(added.interface.ip)
    eventually(lambda: released_by(lan, mac, wire.log.text()), what="the RELEASE is on the wire")
    assert serving.leases() == []
    chain.delete(sandbox)


def test_check_under_a_bridge_compares_what_the_bridge_plugin_has_set(lan: Lan, bridged: Host) -> None:
    """By a daemon that does not reconcile: what is missing here would be mended before it is looked for."""
    bridged.daemon("[daemon]\nreconcile_interval = 3600\n").start()
    chain, sandbox = Chain(bridged.cni, "lan", BRIDGE), bridged.cni.sandbox()
    added = chain.add(sandbox)
    checked = chain.check(sandbox)
    assert checked.code == 0, str(checked)
    sandbox.ip("address", "flush", "dev", "eth0")
    ipam = RunAs(bridged.cni, "hooknet")
    error = ipam.check(chain.plugins[0], sandbox, added).error
    assert error["code"] == 103
    assert str(added.interface) in error["details"]
    chain.delete(sandbox)
    lan.server.wait_for_release(added.interface.ip)


def test_a_bridge_without_the_lan_in_it_has_no_server(lan: Lan, host: Host) -> None:
    host.shims_only("hooknet")
    host.daemon("[network.lan]\ntimeout = 1\n").start()
    chain = Chain(host.cni, "lan", {**BRIDGE, "bridge": "empty0"})
    sandbox = host.cni.sandbox()
    reply = host.cni.call("ADD", chain.plugins[0], sandbox)
    assert reply.code == 1
    assert "no DHCP server answered on empty0" in reply.stdout


def test_two_containers_under_ipvlan_have_one_mac_and_two_leases(lan: Lan, host: Host) -> None:
    """Replies are broadcast, since the MAC tells nobody apart; the client-id does."""
    if not kernel_has("ipvlan"):
        pytest.skip(
            "this kernel has no ipvlan (what hooknet asks for under it: tests/unit/cni/test_netconf.py)"
        )
    daemon = host.daemon()
    daemon.start()
    chain = Chain(host.cni, "lan", {"type": "ipvlan", "master": "host0", "ipam": {"type": "hooknet"}})
    wire = lan.capture("port 68")
    one, other = host.cni.sandbox(), host.cni.sandbox()
    added = [chain.add(box) for box in (one, other)]
    assert one.mac() == other.mac() == host.netns.mac("host0")
    assert lan.server.addresses() == {reply.interface.ip for reply in added}
    assert len({lease.client_id for lease in lan.server.leases()}) == 2
    eventually(lambda: "Flags [Broadcast]" in wire.log.text(), what="a request for a broadcast")
    for box, reply in zip((one, other), added, strict=True):
        assert chain.check(box).code == 0
        chain.delete(box)
        lan.server.wait_for_release(reply.interface.ip)
    assert daemon.leases() == []


@pytest.mark.parametrize(
    ("keys", "word"),
    [({"mode": "l3"}, "broadcast"), ({"ipam": {"type": "hooknet", "client_id": "mac"}}, "client_id")],
)
def test_what_can_not_work_under_ipvlan_is_refused(
    lan: Lan, host: Host, daemon: Daemon, keys: dict[str, object], word: str
) -> None:
    """Whatever the kernel has: nothing is asked of it."""
    config = netconf(type_="ipvlan", master="host0", ipam={"type": "hooknet"}) | keys
    error = RunAs(host.cni, "hooknet").call("ADD", config, host.cni.sandbox()).error
    assert error["code"] == 2
    assert word in f"{error['msg']} {error['details']}"


def test_a_pinned_mac_under_another_main_plugin_waits_for_its_dying_holder(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """Two macvlans can't have one MAC; the one that is there goes while the ADD runs."""
    host.shims_only("hooknet")
    host.netns.ip(
        "link", "add", "dying0", "link", "host0", "address", PINNED, "type", "macvlan", "mode", "bridge"
    )
    host.netns.ip("link", "set", "dying0", "up")
    config = netconf(type_="macvlan", mac=PINNED, ipam={"type": "hooknet"})
    sandbox = host.cni.sandbox()
    with ThreadPoolExecutor(1) as runtime:
        adding = runtime.submit(host.cni.add, config, sandbox)
        never(adding.done, during=0.5, what="the ADD is answered while the holder lives")
        host.netns.ip("link", "delete", "dying0")
        added = adding.result(timeout=10)
    assert sandbox.mac() == PINNED
    assert added.interface.ip in lan.server.addresses()
    host.cni.delete(config, sandbox)
    lan.server.wait_for_release(added.interface.ip)
