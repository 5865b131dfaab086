"""`hooknet install --netavark` under a real systemd: both doors open by themselves, and go with `uninstall`."""

import asyncio
import json
from ipaddress import IPv4Address, IPv4Interface

import pytest
from lab.podman5 import PROXY_SOCKET
from lab.proxy_client import CONFIG, call

SOCKET = "hooknet-netavark.socket"
DRIVER = "/usr/local/libexec/netavark/hooknet"
MAC = "02:00:5e:10:00:0a"
NETNS = "/run/netns/box"
SETUP = {
    "container_id": "d" * 64,
    "container_name": "web",
    "network": {
        "name": "lan",
        "driver": "hooknet",
        "options": {"parent": "host0"},
        "ipam_options": {"driver": "dhcp"},
    },
    "network_options": {"interface_name": "lan0", "aliases": ["d" * 12]},
}


@pytest.fixture
def installed(machine):
    """With netavark's interface in a container's netns; nothing of hooknet runs but the sockets."""
    machine.install("--netavark")
    machine("ip", "netns", "add", "box")
    macvlan = ("type", "macvlan", "mode", "bridge")
    machine("ip", "link", "add", "link", "host0", "name", "eth0", "netns", "box", "address", MAC, *macvlan)
    return machine


def ask(machine, method):
    message = CONFIG(
        host_iface="host0",
        container_iface="eth0",
        container_mac_addr=MAC,
        ns_path=NETNS,
        container_id="c" * 64,
    )
    return asyncio.run(call(machine.path(str(PROXY_SOCKET)), method, message))


def test_the_proxys_first_call_starts_the_daemon_and_a_restart_keeps_the_lease(lan, installed):
    assert installed.is_active(SOCKET)
    assert not installed.is_active("hooknet.service")
    address = IPv4Address(ask(installed, "Setup").yiaddr)
    assert installed.is_active("hooknet.service")
    assert address in lan.server.addresses()
    installed.systemctl("restart", "hooknet")
    (row,) = installed.leases()
    assert (row["address"], row["runtime"]) == (f"{address}/24", "netavark-proxy")
    ask(installed, "Teardown")
    lan.server.wait_for_release(address)
    assert installed.leases() == []


def test_a_teardown_that_meets_no_daemon_waits_for_one_and_is_answered(lan, installed):
    address = IPv4Address(ask(installed, "Setup").yiaddr)
    installed.systemctl("stop", "hooknet.service")
    assert not installed.is_active("hooknet.service")
    ask(installed, "Teardown")
    lan.server.wait_for_release(address)
    assert installed.leases() == []


def test_the_drivers_first_call_starts_the_daemon(installed):
    assert json.loads(installed(DRIVER, "info").stdout)["api_version"] == "1.0.0"
    assert installed.is_active("hooknet.service")


def test_the_driver_attaches_a_container_inside_the_hardened_unit(lan, installed):
    answer = json.loads(installed(DRIVER, "setup", NETNS, stdin=json.dumps(SETUP)).stdout)
    (subnet,) = answer["interfaces"]["lan0"]["subnets"]
    assert subnet["ipnet"] in installed("ip", "-n", "box", "-4", "addr", "show", "lan0").stdout
    address = IPv4Interface(subnet["ipnet"]).ip
    assert address in lan.server.addresses()
    installed(DRIVER, "teardown", NETNS, stdin=json.dumps(SETUP))
    lan.server.wait_for_release(address)


THEIRS = "netavark-dhcp-proxy.socket"
UNITS = {
    THEIRS: "[Socket]\nListenStream=%t/podman/nv-proxy.sock\n[Install]\nWantedBy=sockets.target\n",
    "netavark-dhcp-proxy.service": "[Service]\nExecStart=/bin/sleep infinity\n",
}
"""As netavark ships them, but for the program: here it only has to sit on the socket."""


def test_netavarks_own_proxy_makes_room_while_it_listens_and_is_back_after_an_uninstall(machine):
    for name, text in UNITS.items():
        machine.path(f"/usr/lib/systemd/system/{name}").write_text(text)
    machine.systemctl("daemon-reload")
    machine.systemctl("enable", "--now", THEIRS)
    machine.install("--netavark")
    assert (machine.is_active(THEIRS), machine.is_active(SOCKET)) == (False, True)
    ask(machine, "Teardown")
    assert machine.is_active("hooknet.service")
    machine.hooknet("uninstall")
    assert (machine.is_active(THEIRS), machine.is_active(SOCKET)) == (True, False)
    assert machine.path(str(PROXY_SOCKET)).exists()
    assert machine.systemctl("is-enabled", THEIRS) == "enabled"


def test_uninstall_takes_both_doors_away(installed):
    ask(installed, "Teardown")
    installed.hooknet("uninstall")
    assert not installed.is_active(SOCKET)
    assert not installed.path(str(PROXY_SOCKET)).exists()
    assert not installed.path(DRIVER).exists()
