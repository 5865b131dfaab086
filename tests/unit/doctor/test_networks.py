"""The networks that lease by DHCP, of both back ends, and what they hang on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hooknet.doctor.findings import Verdict
from hooknet.doctor.host import Ran
from hooknet.doctor.networks import Place, places


@pytest.fixture
def cni(host):
    """Write CNI networks of one plugin each."""

    def write(*plugins):
        for number, plugin in enumerate(plugins):
            data = json.dumps({"name": f"net{number}", "plugins": [plugin]})
            host.write(f"etc/cni/net.d/{number}.conflist", data)

    return write


@pytest.fixture
def netavark(host):
    """Write a network of netavark's, which podman uses."""
    host.answers["podman info"] = NETAVARK

    def write(**network):
        host.write("etc/containers/networks/lan.json", json.dumps({"name": "lan", "id": "0", **network}))

    return write


DHCP = {"type": "dhcp"}
NETAVARK = Ran(0, "netavark\n")
PROXIED = {"driver": "macvlan", "network_interface": "eth1", "ipam_options": {"driver": "dhcp"}}


def test_what_a_move_to_netavark_left_of_cni_is_no_matter(host, cni, netavark, findings):
    cni(
        {"type": "macvlan", "master": "gone", "ipam": DHCP},
        {"type": "hooknet", "ipam": {"type": "host-local", "dataDir": "/srv/leases"}},
    )
    netavark(**PROXIED)
    assert places(host) == [Place("eth1")]
    assert findings("networks") == []


def test_neither_is_what_netavark_left_where_podman_went_back_to_cni(host, cni, netavark):
    netavark(**PROXIED)
    host.answers["podman info"] = Ran(0, "cni\n")
    cni({"type": "hooknet", "master": "eth2"})
    assert places(host) == [Place("eth2")]


def test_where_podman_does_not_tell_its_back_end_the_networks_of_both_count(host, cni, netavark):
    netavark(**PROXIED)
    cni({"type": "hooknet", "master": "eth2"})
    host.answers["podman info"] = Ran(125, "")
    assert places(host) == [Place("eth2"), Place("eth1")]


def test_who_may_not_ask_podman_goes_by_its_configuration(host, cni, netavark):
    netavark(**PROXIED)
    cni({"type": "hooknet", "master": "eth2"})
    host.write("etc/containers/containers.conf", '[network]\nnetwork_backend = "cni"\n')
    host.uid = 1000
    assert places(host) == [Place("eth2")]


def test_networks_of_both_in_one_folder_are_told_apart(host):
    host.write("etc/containers/containers.conf", '[network]\nnetwork_config_dir = "/srv/nets"\n')
    plugin = {"type": "hooknet", "master": "eth2"}
    host.write("srv/nets/a.conflist", json.dumps({"name": "a", "plugins": [plugin]}))
    host.write("srv/nets/b.json", json.dumps({"name": "b", "id": "0", **PROXIED}))
    assert places(host) == [Place("eth2")]
    host.answers["podman info"] = NETAVARK
    assert places(host) == [Place("eth1")]


def test_without_a_network_it_is_the_interface_of_the_default_route(host):
    assert places(host) == [Place(None)]


def test_without_a_network_and_a_default_route_there_is_nothing_to_look_at(host, findings):
    del host.parents[None]
    assert places(host) == []
    [found] = findings("parent", ())
    assert (found.verdict, found.todo) == (
        Verdict.SKIPPED,
        "name the interface: hooknet doctor --parent IF",
    )


def test_a_network_that_goes_to_the_reference(cni, findings):
    cni({"type": "macvlan", "ipam": DHCP})
    [found] = findings("networks")
    assert "network net0" in found.what
    assert "--drop-in" in found.todo


def test_files_of_an_ipam_plugin_where_the_unit_may_not_write(host, cni, findings):
    cni({"type": "hooknet", "ipam": {"type": "host-local", "dataDir": "/srv/leases"}})
    [found] = findings("networks")
    assert (found.verdict, found.todo) == (
        Verdict.PROBLEM,
        "hooknet install, which writes the drop-in for it",
    )
    host.write("etc/systemd/system/hooknet.service.d/mine.conf", "[Service]\nReadWritePaths=-/srv\n")
    assert findings("networks") == []


def test_files_of_an_ipam_plugin_that_another_main_plugin_runs_are_no_matter(cni, findings):
    cni(
        {"type": "macvlan", "ipam": {"type": "host-local", "dataDir": "/srv/leases"}},
        {"type": "hooknet", "ipam": {"type": "host-local", "dataDir": "/var/lib/cni/mine"}},
        {"type": "hooknet", "ipam": {"type": "host-local"}},
    )
    assert findings("networks") == []


@pytest.mark.parametrize(
    ("plugin", "place"),
    [
        ({"type": "hooknet", "master": "eth1"}, Place("eth1")),
        ({"type": "hooknet"}, Place(None)),
        ({"type": "macvlan", "master": "eth1", "ipam": DHCP}, Place("eth1")),
        ({"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}, Place("br0")),
        ({"type": "bridge", "ipam": {"type": "hooknet"}}, Place("cni0")),
        ({"type": "ipvlan", "master": "wlan0", "ipam": DHCP}, Place("wlan0", shares_mac=True)),
        ({"type": "vlan", "master": "eth1", "vlanId": 5, "ipam": DHCP}, Place("eth1")),
    ],
)
def test_what_a_network_of_cni_hangs_on(host, cni, plugin, place):
    cni(plugin)
    assert places(host) == [place]


@pytest.mark.parametrize(
    "plugin",
    [
        {"type": "bridge", "bridge": "br0", "ipam": {"type": "host-local"}},
        {"type": "hooknet", "master": "eth1", "ipam": {}},
        {"type": "hooknet", "master": "in-there", "linkInContainer": True},
        {"type": "host-device", "device": "eth3", "ipam": DHCP},
        {"type": "somebodys", "master": "no-interface", "ipam": {"type": "hooknet"}},
        {"type": ["macvlan"], "master": "eth1", "ipam": DHCP},
        "?",
    ],
)
def test_networks_that_lease_nothing_or_hang_on_nothing_of_this_host(host, cni, plugin):
    cni(plugin)
    assert places(host) == [Place(None)]


@pytest.mark.parametrize(
    ("network", "place"),
    [
        ({"driver": "hooknet", "options": {"parent": "eth1"}}, Place("eth1")),
        ({"driver": "hooknet", "options": {"master": "eth1"}}, Place("eth1")),
        ({"driver": "hooknet", "network_interface": "eth1"}, Place("eth1")),
        ({"driver": "hooknet"}, Place(None)),
        (
            {"driver": "macvlan", "network_interface": "eth1", "ipam_options": {"driver": "dhcp"}},
            Place("eth1"),
        ),
    ],
)
def test_what_a_network_of_netavark_hangs_on(host, netavark, network, place):
    netavark(**network)
    assert places(host) == [place]


@pytest.mark.parametrize(
    "network",
    [
        {"driver": "bridge", "network_interface": "podman1", "ipam_options": {"driver": "host-local"}},
        {"driver": "hooknet", "options": {"parent": "eth1"}, "ipam_options": {"driver": "none"}},
    ],
)
def test_networks_of_netavark_without_dhcp(host, netavark, network):
    netavark(**network)
    assert places(host) == [Place(None)]


def test_each_interface_is_looked_at_once_and_as_what_needs_most(host, cni):
    cni(
        {"type": "ipvlan", "master": "eth1", "ipam": DHCP},
        {"type": "macvlan", "master": "eth1", "ipam": DHCP},
        {"type": "hooknet", "master": "eth2"},
    )
    assert places(host) == [Place("eth1"), Place("eth2")]


def test_wifi_carries_ipvlan_and_no_macvlan(host, findings, eth0):
    host.parents["eth0"] = eth0(wireless=True)
    assert findings("parent", (Place("eth0", shares_mac=True),)) == []
    [found] = findings("parent")
    assert found.verdict is Verdict.PROBLEM
    assert "ipvlan" in found.todo
    host.parents["eth0"] = replace(host.parents["eth0"], up=False)
    assert "is down" in findings("parent", (Place("eth0", shares_mac=True),))[0].what
