"""host-access in the kernel: pings both ways, the LAN unharmed, and leftovers found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from lab import Daemon, Host, eventually, hardened
from lab.cni import netconf

if TYPE_CHECKING:
    from ipaddress import IPv4Address

CONFIG = '[plugins.host-access]\nnetworks = ["lan"]\n'
SHIM = "hn-host0"


def routes(host: Host) -> dict[str, str | None]:
    """Our routes over the shim: destination and source."""
    found = host.netns.ip_json("-4", "route", "show", "dev", SHIM, "proto", "104")
    return {route["dst"]: route.get("prefsrc") for route in found}


def has_routes_to(host: Host, *addresses: IPv4Address) -> None:
    expected = set(map(str, addresses))
    eventually(lambda: set(routes(host)) == expected, what=f"routes to {sorted(expected)}")


def shim_is_gone(host: Host) -> None:
    eventually(lambda: SHIM not in host.netns.links(), what="the shim is gone")


def attached(host: Host) -> tuple[object, IPv4Address]:
    sandbox = host.cni.sandbox()
    return sandbox, host.cni.add(netconf(), sandbox).interface.ip


def test_without_it_the_host_and_its_container_can_not_talk(plugged, serving):
    _, host = plugged()
    serving(host, "")
    container = host.podman.start("web", network="lan")
    assert not host.netns.ping(container.address())


def test_host_and_container_ping_each_other_until_the_container_goes(plugged, serving):
    lan, host = plugged()
    serving(host, CONFIG)
    container = host.podman.start("web", network="lan")
    address = container.address()
    has_routes_to(host, address)
    assert host.netns.ping(address)
    assert "1 packets received" in container.exec("ping", "-c1", "-W1", str(lan.address(2)))
    assert lan.netns.ping(address)
    container.rm()
    shim_is_gone(host)


def test_the_container_may_speak_first(plugged, serving):
    lan, host = plugged()
    serving(host, CONFIG)
    sandbox, address = attached(host)
    has_routes_to(host, address)
    assert sandbox.ping(lan.address(2))


@pytest.mark.parametrize("rp_filter", [0, 1, 2])
def test_it_works_whatever_the_host_thinks_of_return_paths(plugged, serving, rp_filter):
    lan, host = plugged()
    host.netns.run("sysctl", "-qw", f"net.ipv4.conf.all.rp_filter={rp_filter}")
    serving(host, CONFIG)
    sandbox, address = attached(host)
    has_routes_to(host, address)
    assert sandbox.ping(lan.address(2))
    assert host.netns.ping(address)


def test_the_lan_goes_on_finding_the_host_at_its_own_mac_only(plugged, serving):
    lan, host = plugged()
    serving(host, CONFIG)
    _, address = attached(host)
    has_routes_to(host, address)
    said = lan.netns.run("busybox", "arping", "-c", "3", "-w", "3", "-I", "lan0", str(lan.address(2))).stdout
    assert set(re.findall(r"\[([0-9a-f:]+)\]", said)) == {host.netns.mac("host0")}, said


def test_the_shim_has_no_address_of_any_kind_and_no_ipv6(plugged, serving):
    _, host = plugged()
    daemon = serving(host, CONFIG)
    _, address = attached(host)
    has_routes_to(host, address)
    [link] = host.netns.ip_json("address", "show", "dev", SHIM)
    assert link["addr_info"] == []
    assert link["ifalias"] == "hooknet host-access"
    disabled = host.netns.run("cat", f"/proc/sys/net/ipv6/conf/{SHIM}/disable_ipv6").stdout.strip()
    if (
        hardened.wanted()
    ):  # the unit sees /proc/sys read-only: no link-local address all the same, and it is said
        assert disabled == "0"
        assert "IPv6 can't be switched off" in daemon.log.text()
    else:
        assert disabled == "1"
        assert "IPv6" not in daemon.log.text()


def test_routes_come_and_go_with_leases_and_the_shim_with_the_last(plugged, serving):
    lan, host = plugged()
    serving(host, CONFIG)
    (one, first), (other, second) = attached(host), attached(host)
    has_routes_to(host, first, second)
    assert set(routes(host).values()) == {str(lan.address(2))}
    host.cni.delete(netconf(), one)
    has_routes_to(host, second)
    assert host.netns.ping(second)
    host.cni.delete(netconf(), other)
    shim_is_gone(host)


@pytest.mark.parametrize("stop", [Daemon.restart, Daemon.crash])
def test_a_restart_finds_everything_as_it_was_and_changes_nothing(plugged, serving, stop):
    _, host = plugged()
    daemon = serving(host, CONFIG)
    _, address = attached(host)
    has_routes_to(host, address)
    index = host.netns.link(SHIM)["ifindex"]
    stop(daemon)
    assert host.netns.link(SHIM)["ifindex"] == index
    has_routes_to(host, address)
    assert host.netns.ping(address)


def test_what_was_deleted_meanwhile_is_made_again_at_the_next_start(plugged, serving):
    _, host = plugged()
    daemon = serving(host, CONFIG)
    _, address = attached(host)
    has_routes_to(host, address)
    daemon.kill()
    host.netns.ip("link", "delete", SHIM)
    daemon.start()
    has_routes_to(host, address)
    assert host.netns.ping(address)


def test_leftovers_of_containers_that_went_meanwhile_are_removed_at_the_next_start(plugged, serving):
    _, host = plugged()
    daemon = serving(host, CONFIG)
    (gone, first), (_, second) = attached(host), attached(host)
    has_routes_to(host, first, second)
    daemon.kill()
    gone.delete()
    daemon.start()
    has_routes_to(host, second)


def test_an_interface_of_that_name_that_is_not_ours_is_left_alone(plugged, serving):
    _, host = plugged()
    host.netns.ip("link", "add", SHIM, "type", "veth", "peer", "name", "other")
    daemon = serving(host, CONFIG)
    sandbox, _ = attached(host)
    daemon.log.wait_for(f"there is an interface {SHIM} that host-access did not make")
    host.cni.delete(netconf(), sandbox)
    assert {SHIM, "other"} <= host.netns.links()


def test_an_administrators_own_route_stays(plugged, serving):
    lan, host = plugged(first=100, last=100)
    own = lan.address(100)
    host.netns.ip("route", "add", f"{own}/32", "dev", "lo")
    serving(host, CONFIG)
    sandbox, address = attached(host)
    has_routes_to(host, address)
    host.cni.delete(netconf(), sandbox)
    shim_is_gone(host)
    assert host.netns.ip_json("route", "show", f"{own}/32")[0]["dev"] == "lo"


def test_a_host_without_an_address_there_is_told(plugged, serving):
    _, host = plugged()
    host.netns.ip("address", "flush", "dev", "host0")
    daemon = serving(host, CONFIG)
    attached(host)
    daemon.log.wait_for("the host has no IPv4 address on host0")


def test_each_parent_has_its_own_shim(lab, serving):
    here, there = lab.lan(), lab.lan()
    here.serve()
    there.serve()
    host = lab.host(here, there)
    serving(host, "[plugins.host-access]\n")
    one, other = host.cni.sandbox(), host.cni.sandbox()
    first = host.cni.add(netconf(), one).interface.ip
    second = host.cni.add(netconf("other", master="host1"), other).interface.ip
    eventually(lambda: {"hn-host0", "hn-host1"} <= host.netns.links())
    eventually(lambda: host.netns.ping(first) and host.netns.ping(second), what="both answer")
