"""static-mac with real containers: the same name, MAC and address, and what happens when two want one MAC."""

from __future__ import annotations

import json
import threading
import time

import pytest
from lab import eventually
from lab.cni import netconf

DERIVE = '[plugins.static-mac]\nderive = ["lan"]\n'
MAC = "02:00:00:00:aa:01"
OTHER_MAC = "02:00:00:00:aa:02"


def pin(mac: str = MAC, **conditions: str) -> str:
    lines = "".join(f'{key} = "{value}"\n' for key, value in conditions.items() or [("network", "lan")])
    return f'[plugins.static-mac]\n[[plugins.static-mac.pins]]\nmac = "{mac}"\n{lines}'


def named(name: str) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAME={name}"


@pytest.mark.parametrize("kind", ["dnsmasq", "kea"])
def test_ten_recreations_at_full_speed_have_the_same_mac_and_the_same_address(plugged, serving, kind):
    lan, host = plugged(kind)
    serving(host, DERIVE)
    seen = []
    for _ in range(10):
        container = host.podman.start("web", network="lan")
        mac = container.exec("cat", "/sys/class/net/eth0/address").strip()
        seen.append((mac, container.address()))
        assert [lease.mac for lease in lan.server.leases()] == [mac]
        container.rm()
    assert len(set(seen)) == 1, seen


def test_a_pinned_mac_finds_the_servers_reservation(lab, serving):
    lan = lab.lan()
    reserved = lan.address(42)
    lan.serve("dnsmasq", extra=(f"dhcp-host={MAC},{reserved}",))
    host = lab.host(lan)
    host.conflist("lan", {"type": "hooknet", "master": "host0"})
    daemon = serving(host, pin(name="web"))
    assert host.podman.start("web", network="lan").address() == reserved
    [lease] = daemon.leases()
    assert (lease["mac"], lease["changed_by"]) == (MAC, {"mac": "static-mac"})


def test_a_pin_by_label_is_for_the_container_with_the_label(plugged, serving):
    _, host = plugged()
    daemon = serving(host, pin(label="role=printer"), follow_podman=True)
    host.podman.start("web", network="lan")
    host.podman.start("printer", "--label=role=printer", network="lan")
    macs = {lease["container"]: lease["mac"] for lease in daemon.leases()}
    assert macs["printer"] == MAC != macs["web"]


# podman's --mac-address


def test_a_mac_that_podman_is_asked_for_comes_before_a_derived_one(plugged, serving):
    lan, host = plugged()
    daemon = serving(host, DERIVE)
    web = host.podman.start("web", f"--mac-address={OTHER_MAC}", network="lan")
    db = host.podman.start("db", network="lan")
    assert web.exec("cat", "/sys/class/net/eth0/address").strip() == OTHER_MAC
    leases = {lease["container"]: lease for lease in daemon.leases()}
    assert (leases["web"]["mac"], leases["web"]["changed_by"]) == (OTHER_MAC, {})
    assert leases["db"]["changed_by"] == {"mac": "static-mac"}
    assert {lease.mac for lease in lan.server.leases()} == {OTHER_MAC, leases["db"]["mac"]}
    assert db.address() != web.address()


def test_a_mac_that_contradicts_a_pin_stops_the_container_and_podman_shows_both(plugged, serving):
    lan, host = plugged()
    serving(host, pin(name="web"))
    run = [
        "run",
        "--rm",
        "--name=web",
        "--network=lan",
        f"--mac-address={OTHER_MAC}",
        "localhost/box",
        "true",
    ]
    refused = host.podman(*run, check=False)
    assert refused.returncode != 0
    assert f"the MAC {OTHER_MAC} asked for web is not {MAC}, which is pinned for it" in refused.stderr
    assert lan.server.leases() == []


# A MAC that is still held (fault 29)


def test_fault_29_a_dying_holder_of_a_pinned_mac_is_waited_for(plugged, serving):
    _, host = plugged()
    serving(host, pin(name="web"))
    host.netns.ip("link", "add", "link", "host0", "name", "dying", "address", MAC, "type", "macvlan")
    host.netns.ip("link", "set", "dying", "up")
    dies = threading.Timer(0.5, host.netns.ip, ("link", "delete", "dying"))
    dies.start()
    began = time.monotonic()
    sandbox = host.cni.sandbox()
    host.cni.add(netconf(), sandbox, args=named("web"))
    dies.join()
    assert time.monotonic() - began >= 0.5
    assert sandbox.mac() == MAC


def test_fault_29_a_holder_that_does_not_die_is_named_after_a_while_and_nothing_is_left(plugged, serving):
    lan, host = plugged()
    serving(host, pin(name="web"))
    holder, newcomer = host.cni.sandbox(), host.cni.sandbox()
    host.cni.add(netconf(), holder, args=named("web"))
    reply = host.cni.call("ADD", netconf(), newcomer, args=named("web"))
    assert f"the MAC {MAC} is still in use on host0" in reply.error["msg"]
    assert holder.container_id[:12] in str(reply.error)
    assert "web" in str(reply.error)
    assert reply.ms < 8000
    assert newcomer.links() == set()
    assert len(lan.server.leases()) == 1
    assert holder.ping(lan.address(1))


def test_fault_29_a_holder_that_hooknet_does_not_know_is_said_to_be_there(plugged, serving):
    _, host = plugged()
    serving(host, pin(name="web"))
    host.netns.ip("link", "add", "link", "host0", "name", "foreign", "address", MAC, "type", "macvlan")
    host.netns.ip("link", "set", "foreign", "up")
    reply = host.cni.call("ADD", netconf(), host.cni.sandbox(), args=named("web"))
    assert f"the MAC {MAC} is still in use on host0" in reply.error["msg"]


# A pin that can't work (fault 30)


def test_fault_30_two_live_names_with_one_pin_are_refused_with_the_name_of_the_first(plugged, serving):
    lan, host = plugged()
    daemon = serving(host, pin(network="lan"))
    first, second = host.cni.sandbox(), host.cni.sandbox()
    host.cni.add(netconf(), first, args=named("web"))
    eventually(lambda: calls(daemon) == 2, what="the plugin was asked, and has heard of the lease")
    reply = host.cni.call("ADD", netconf(), second, args=named("db"))
    assert reply.error["code"] == 100
    assert f"the MAC {MAC} of db is in use on host0 by web" in reply.error["msg"]
    assert second.links() == set()
    host.cni.delete(netconf(), first, args=named("web"))
    host.cni.add(netconf(), second, args=named("db"))
    assert second.mac() == MAC
    assert len(lan.server.leases()) == 1


def calls(daemon) -> int:
    """How often hooks of static-mac were called."""
    reports = json.loads(daemon.hooknet("plugins", "--format", "json").stdout)["plugins"]
    return next(one["calls"] for one in reports if one["name"] == "static-mac")


def test_fault_30_a_multicast_mac_is_refused(plugged, serving):
    _, host = plugged()
    serving(host, pin("03:00:00:00:00:01", name="web"))
    sandbox = host.cni.sandbox()
    reply = host.cni.call("ADD", netconf(), sandbox, args=named("web"))
    assert reply.error["code"] == 100
    assert "the multicast bit" in reply.error["msg"]
    assert sandbox.links() == set()


def test_fault_30_the_parents_own_mac_is_refused(plugged, serving):
    lan, host = plugged()
    serving(host, pin(host.netns.mac("host0"), name="web"))
    reply = host.cni.call("ADD", netconf(), host.cni.sandbox(), args=named("web"))
    assert reply.error["code"] == 100
    assert "is the one of the parent host0 itself" in reply.error["msg"]
    assert lan.server.leases() == []
    host.cni.add(netconf(), host.cni.sandbox(), args=named("db"))
