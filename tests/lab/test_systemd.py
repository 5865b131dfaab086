"""The installed units under a real systemd: started by the first call, restarted, killed, hardened; leases kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.hardened import settings
from lab.machine import STARTING
from lab.podman import IMAGE

from hooknet.kernel.capabilities import NEEDED

if TYPE_CHECKING:
    from lab import Lan
    from lab.machine import Machine

NETWORK = ("--network", "lan", "--parent", "host0")
SERVICE = "hooknet.service"
WAKES_WITHIN = 20.0
PROXY_SOCKET = "/run/podman/nv-proxy.sock"
NETAVARKS_SOCKET = f"""\
[Socket]
ListenStream={PROXY_SOCKET}
[Install]
WantedBy=sockets.target
"""
NETAVARKS_SERVICE = """\
[Service]
ExecStart=/bin/sleep infinity
[Install]
Also=netavark-dhcp-proxy.socket
"""


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """With hooknet and a network `lan`; nothing of it runs but the sockets."""
    machine.install(*NETWORK)
    return machine


def never_released(lan: Lan) -> bool:
    return "DHCPRELEASE" not in lan.server.log.text()


def main_pid(machine: Machine) -> str:
    return machine.show(SERVICE, "MainPID")


def served(machine: Machine) -> bool:
    return machine.is_active(SERVICE) and machine.hooknet("status", check=False).returncode == 0


def test_the_first_podman_run_starts_the_daemon_and_the_lease_goes_back(lan: Lan, installed: Machine) -> None:
    assert not installed.is_active(SERVICE)
    assert installed.is_active("hooknet.socket")
    shown = installed.podman("run", "--rm", "--network=lan", IMAGE, "ip", "-4", "addr", "show", "eth0").stdout
    found = re.search(r"inet ([\d.]+)/24", shown)
    assert found is not None, shown
    assert installed.is_active(SERVICE)
    lan.server.log.wait_for(rf"DHCPRELEASE\S* {re.escape(found[1])}")
    assert installed.leases() == []


def test_both_sockets_are_systemds_and_have_the_modes_of_the_contract(installed: Machine) -> None:
    installed.systemctl("start", "hooknet")
    listed = installed(
        "stat", "-c", "%n %a %U %G", "/run/hooknet/cni.sock", "/run/hooknet/control.sock"
    ).stdout
    assert listed.splitlines() == [
        "/run/hooknet/cni.sock 600 root root",
        "/run/hooknet/control.sock 660 root hooknet",
    ]
    assert installed.hooknet("status").returncode == 0
    assert installed("stat", "-c", "%a", "/var/lib/hooknet").stdout == "700\n"


def test_restart_stop_and_start_keep_every_lease(lan: Lan, installed: Machine) -> None:
    address = installed.start("web", network="lan")
    for words in (["restart", SERVICE], ["stop", SERVICE], ["start", SERVICE], ["reload", SERVICE]):
        installed.systemctl(*words)
    assert [lease["address"] for lease in installed.leases()] == [f"{address}/24"]
    assert installed.address("web") == address
    assert never_released(lan)
    installed.podman("rm", "-f", "-t", "0", "web")
    lan.server.wait_for_release(address)


def test_a_call_while_the_daemon_is_stopped_waits_for_it(lan: Lan, installed: Machine) -> None:
    installed.systemctl("start", SERVICE)
    installed.systemctl("stop", SERVICE)
    assert installed.is_active("hooknet.socket")
    assert installed.start("web", network="lan") in lan.server.addresses()


def test_a_daemon_that_hangs_is_killed_by_the_watchdog_and_keeps_every_lease(
    lan: Lan, installed: Machine
) -> None:
    drop_in = installed.path("/etc/systemd/system/hooknet.service.d/lab.conf")
    drop_in.write_text("[Service]\nWatchdogSec=2\n")
    installed.systemctl("daemon-reload")
    address = installed.start("web", network="lan")
    hung = main_pid(installed)
    installed("kill", "-STOP", hung)
    eventually(lambda: main_pid(installed) not in {hung, "0"} and served(installed), within=WAKES_WITHIN)
    journal = installed.journal()
    assert "Watchdog timeout" in journal
    assert "most recent call first" in journal  # where every thread was
    assert [lease["address"] for lease in installed.leases()] == [f"{address}/24"]
    assert installed.address("web") == address
    assert never_released(lan)


def test_a_daemon_that_is_killed_comes_back(lan: Lan, installed: Machine) -> None:
    address = installed.start("web", network="lan")
    killed = main_pid(installed)
    installed("kill", "-KILL", killed)
    eventually(lambda: main_pid(installed) not in {killed, "0"} and served(installed), within=WAKES_WITHIN)
    assert [lease["address"] for lease in installed.leases()] == [f"{address}/24"]
    assert never_released(lan)


def test_it_runs_with_four_capabilities_and_can_not_get_more(installed: Machine) -> None:
    installed.systemctl("start", SERVICE)
    status = installed("cat", f"/proc/{main_pid(installed)}/status").stdout
    held = {key: int(value, 16) for key, value in re.findall(r"^(Cap\w+):\s+(\w+)$", status, re.MULTILINE)}
    wanted = sum(1 << bit for bit in NEEDED.values())
    assert held["CapEff"] == held["CapBnd"] == wanted
    assert "NoNewPrivs:\t1" in status
    assert len(settings("CapabilityBoundingSet")) == len(NEEDED)


def test_it_sees_what_podman_mounts_later_and_pins_nothing_that_it_unmounts(
    lan: Lan, installed: Machine
) -> None:
    installed.systemctl("start", SERVICE)  # before podman has made its first network namespace
    installed.start("web", network="lan")
    mounts = f"/proc/{main_pid(installed)}/mountinfo"
    assert "/run/netns/netns-" in installed("cat", mounts).stdout
    installed.podman("rm", "-f", "-t", "0", "web")
    assert "/run/netns/netns-" not in installed("cat", mounts).stdout
    assert installed("find", "/run/netns", "-name", "netns-*").stdout == ""


def test_of_the_file_system_it_may_write_its_own_places_and_nothing_else(installed: Machine) -> None:
    installed.systemctl("start", SERVICE)
    inside = ["nsenter", f"--target={main_pid(installed)}", "--mount", "--"]
    for folder in ("/var/lib/hooknet", "/run/hooknet", "/var/lib/cni", "/tmp"):
        installed(*inside, "touch", f"{folder}/try")
    for folder in ("/etc", "/usr", "/opt/hooknet", "/run/netns", "/proc/sys/net/ipv4"):
        assert installed(*inside, "touch", f"{folder}/try", check=False).returncode != 0, folder
    assert installed(*inside, "ls", "/root", check=False).stdout == ""


@pytest.mark.parametrize("folder", ["/var/lib/cni/networks", "/srv/leases"])
def test_an_ipam_plugin_that_keeps_files_works_inside_the_unit(installed: Machine, folder: str) -> None:
    ipam = {"type": "host-local", "subnet": "10.7.7.0/24", "rangeStart": "10.7.7.50", "dataDir": folder}
    plugin = {"type": "macvlan", "master": "host0", "ipam": ipam}
    conflist = {"cniVersion": "0.4.0", "name": "static", "plugins": [plugin]}
    installed.path("/etc/cni/net.d/80-static.conflist").write_text(repr(conflist).replace("'", '"'))
    installed.install("--drop-in")
    assert str(installed.start("web", network="static")) == "10.7.7.50"
    assert installed("ls", f"{folder}/static").stdout.startswith("10.7.7.50")


def test_netavarks_proxy_by_configuration_has_its_socket_inside_the_unit(installed: Machine) -> None:
    installed.path("/etc/hooknet/hooknet.toml").write_text("[netavark]\nproxy = true\n")
    installed.systemctl("start", SERVICE)
    assert installed("stat", "-c", "%a %U", PROXY_SOCKET).stdout == "600 root\n"
    assert installed.hooknet("status").returncode == 0
    installed.systemctl("kill", "--signal=KILL", SERVICE)  # which leaves the socket's file behind
    eventually(lambda: served(installed), within=WAKES_WITHIN, what="the next daemon replaces it")
    installed.systemctl("stop", SERVICE)
    assert not installed.path(PROXY_SOCKET).exists()


def test_where_netavarks_own_proxy_listens_everybody_else_is_served(lan: Lan, installed: Machine) -> None:
    installed.path("/etc/systemd/system/netavark-dhcp-proxy.socket").write_text(NETAVARKS_SOCKET)
    installed.path("/etc/systemd/system/netavark-dhcp-proxy.service").write_text(NETAVARKS_SERVICE)
    installed.systemctl("enable", "--now", "netavark-dhcp-proxy.socket")
    installed.path("/etc/hooknet/hooknet.toml").write_text("[netavark]\nproxy = true\n")
    assert installed.start("web", network="lan") in lan.server.addresses()
    status = installed.hooknet("status", check=False)
    assert status.returncode == 1
    assert "hooknet can't be netavark's dhcp-proxy" in status.stdout
    remedy = ["disable", "--now", "netavark-dhcp-proxy.socket", "netavark-dhcp-proxy.service"]
    assert f"systemctl {' '.join(remedy)}" in status.stdout
    installed.systemctl(*remedy)
    installed.systemctl("restart", SERVICE)
    assert installed.hooknet("status").returncode == 0


def test_podmans_events_are_followed_through_its_own_unit(lan: Lan, installed: Machine) -> None:
    installed.systemctl("start", "podman.socket")
    installed.start("web", network="lan")
    eventually(lambda: "following" in installed.hooknet("status").stdout, what="the events are followed")


@pytest.mark.long
def test_containers_that_always_restart_come_up_across_a_boot_with_their_addresses(
    lan: Lan, installed: Machine
) -> None:
    installed.systemctl("enable", "podman-restart.service")
    addresses = {
        name: installed.start(name, "--restart=always", network="lan") for name in ("web", "db", "cache")
    }
    installed.start("once", network="lan")
    installed.reboot()
    eventually(
        lambda: set(installed.podman("ps", "--format={{.Names}}").stdout.split()) == set(addresses),
        within=30,
        what="the three containers are up, and no other",
    )
    assert {name: installed.address(name) for name in addresses} == addresses
    leased = {lease["container"]: lease["address"] for lease in installed.leases()}
    assert leased == {name: f"{address}/24" for name, address in addresses.items()}
    assert never_released(lan)


@pytest.mark.long
def test_at_boot_an_add_waits_for_the_cable(lan: Lan, installed: Machine) -> None:
    installed.systemctl("enable", "podman-restart.service")
    address = installed.start("web", "--restart=always", network="lan")
    lan.unplug()
    installed.reboot(until=STARTING)
    eventually(lambda: installed.is_active(SERVICE), within=WAKES_WITHIN, what="the call has come")
    lan.replug()
    eventually(lambda: "web" in installed.podman("ps").stdout, within=30, what="the container is up")
    assert installed.address("web") == address
