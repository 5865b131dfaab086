"""The main path: a real podman container leases its address through hooknet, and gives it back.

One test for each thing that the main path promises; what can go wrong on it is in test_bad_input.py.
"""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from lab import SERVERS, Daemon, Host, Lab, Lan, eventually
from lab.cni import netconf
from lab.daemon import HOOKNET, RUN_DIR, START_WITHIN, install_shims
from lab.package import make_wheel, pip_install
from lab.process import Program, run

if TYPE_CHECKING:
    from pathlib import Path

SEED = """{ "cniVersion": "0.4.0", "name": "example",
  "plugins": [ { "type": "macvlan", "master": "enp0s31f6", "ipam": { "type": "dhcp" } } ] }
"""
SEED_PARENT = "enp0s31f6"
EVERY_SERVER = pytest.mark.parametrize("kind", sorted(SERVERS))
HOOKNET_MAIN = {"type": "hooknet", "master": "host0"}
DEBIAN_MACVLAN = {"type": "macvlan", "master": "host0", "ipam": {"type": "hooknet"}}
DEBIAN_BRIDGE = {"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}


def lan_with(lab: Lab, kind: str, **offering: Any) -> Lan:
    lan = lab.lan()
    lan.serve(kind, **offering)
    return lan


def seed_host(lab: Lab, lan: Lan) -> Host:
    """A host whose parent has the seed's name, and whose conflist is the seed's, to the letter."""
    host = lab.host()
    host.plug(lan, SEED_PARENT)
    (host.podman.net_d / "90-example.conflist").write_text(SEED)
    return host


def started(host: Host, **how: Any) -> Daemon:
    """A daemon that serves, and follows the host's podman as it would on a real one."""
    daemon = host.following_daemon(**how)
    daemon.start()
    return daemon


def gone(daemon: Daemon) -> bool:
    return daemon.leases() == []


# The seed, word for word


def test_the_seeds_conflist_and_command_work_unchanged(lab: Lab) -> None:
    lan = lan_with(lab, "dnsmasq")
    host = seed_host(lab, lan)
    started(host)
    command = [*host.podman.command, "run", "-it", "--rm", "--network", "example", "localhost/box"]
    typed = ["script", "-qec", " ".join([*command, "ip addr show eth0"]), "/dev/null"]
    shown = run(typed, env=host.podman.environment).stdout
    assert f"inet {lan.network[1]}".rsplit(".", 1)[0] in shown, shown
    assert "scope global" in shown
    assert "inet6 fe80::" in shown


def test_the_seeds_container_holds_the_lease_that_the_server_wrote_down(lab: Lab) -> None:
    lan = lan_with(lab, "dnsmasq")
    host = seed_host(lab, lan)
    started(host)
    container = host.podman.start("web", network="example")
    lease = lan.server.lease_of(container.address())
    assert lease is not None
    assert lease.hostname == "web"
    assert container.interface().network == lan.network
    assert f"default via {lan.address(1)}" in container.exec("ip", "route")
    assert container.inspect()["NetworkSettings"]["Networks"]["example"]["IPAddress"] == str(lease.address)


def test_debians_macvlan_works_with_only_our_dhcp(lab: Lab) -> None:
    lan = lan_with(lab, "dnsmasq")
    host = seed_host(lab, lan)
    host.shims_only("dhcp")
    started(host)
    container = host.podman.start("web", network="example")
    address = container.address()
    assert address in lan.server.addresses()
    container.rm()
    lan.server.wait_for_release(address)


def test_install_writes_three_shims_and_nothing_else(lab: Lab) -> None:
    folder = install_shims(lab.folder / "cni")
    assert sorted(path.name for path in folder.iterdir()) == ["dhcp", "hooknet", "macvlan"]
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())


# Both forms of configuration


def test_hooknet_as_main_plugin_leases_and_releases(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    address = container.address()
    assert address in lan.server.addresses()
    container.rm()
    lan.server.wait_for_release(address)
    assert gone(daemon)


def test_hooknet_as_ipam_under_debians_macvlan(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.shims_only("hooknet")
    host.conflist("lan", DEBIAN_MACVLAN)
    container = host.podman.start("web", network="lan")
    address = container.address()
    assert address in lan.server.addresses()
    container.rm()
    lan.server.wait_for_release(address)
    assert gone(daemon)


def test_hooknet_as_ipam_under_a_bridge(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.netns.ip("link", "add", "br0", "type", "bridge")
    host.netns.ip("link", "set", "br0", "up")
    host.netns.ip("link", "set", "host0", "master", "br0")
    host.conflist("lan", DEBIAN_BRIDGE)
    container = host.podman.start("web", network="lan")
    address = container.address()
    assert address in lan.server.addresses()
    container.rm()
    lan.server.wait_for_release(address)
    assert gone(daemon)


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_result_has_the_version_and_the_shape_that_the_configuration_asks_for(
    lan: Lan, host: Host, daemon: Daemon, version: str
) -> None:
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(version=version), sandbox)
    assert reply.output["cniVersion"] == version
    assert ("ip4" in reply.output) == (version == "0.2.0")
    assert sandbox.interfaces() == [reply.interface]
    assert reply.interface.ip in lan.server.addresses()
    host.cni.delete(netconf(version=version), sandbox)
    assert sandbox.links() == set()


# The whole life of a lease


@EVERY_SERVER
def test_the_server_hears_the_release_and_the_lease_is_gone(lab: Lab, kind: str) -> None:
    lan = lan_with(lab, kind)
    host = lab.host(lan)
    daemon = started(host)
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    address = container.address()
    assert lan.server.addresses() == {address}
    container.rm()
    lan.server.wait_for_release(address)
    assert lan.server.leases() == []
    assert gone(daemon)
    if kind == "kea":
        [*_, last] = [row for row in lan.server.rows() if row["address"] == str(address)]
        assert last["valid_lifetime"] == "0"


@EVERY_SERVER
def test_a_lease_is_renewed_at_t1_and_outlives_its_first_time(lab: Lab, kind: str) -> None:
    """T2 comes so late that what is acknowledged in time was asked for at T1.

    dnsmasq grants no less than two minutes and takes no T1 below 3 s; the others' leases end while this watches.
    """
    time, t1, t2, renewals = (120, 3, 60, 3) if kind == "dnsmasq" else (8, 1, 7, 9)
    lan = lan_with(lab, kind, lease_time=time, t1=t1, t2=t2)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    [before] = daemon.leases()
    eventually(lambda: lan.server.acknowledged(reply.interface.ip) > renewals, within=20, what="renewals")
    [after] = daemon.leases()
    assert after["obtained"] > before["obtained"]
    assert after["address"] == before["address"] == str(reply.interface)
    assert sandbox.interfaces() == [reply.interface]
    assert lan.server.addresses() == {reply.interface.ip}


def test_two_networks_on_one_container_are_two_leases(lab: Lab) -> None:
    here, there = lan_with(lab, "dnsmasq"), lan_with(lab, "dnsmasq")
    host = lab.host(here, there)
    daemon = started(host)
    host.conflist("here", {"type": "hooknet", "master": "host0"})
    host.conflist("there", {"type": "hooknet", "master": "host1"})
    container = host.podman.start("web", "--network=there", network="here")
    leased = {lease["network"]: lease for lease in daemon.leases()}
    for network, lan in (("here", here), ("there", there)):
        address = container.address(leased[network]["ifname"])
        assert lan.server.addresses() == {address}
    container.rm()
    eventually(lambda: here.server.leases() == there.server.leases() == [], what="both leases are given back")
    assert gone(daemon)


def test_twenty_containers_at_once_have_twenty_addresses(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.conflist("lan", HOOKNET_MAIN)
    names = [f"web{number}" for number in range(20)]
    with ThreadPoolExecutor(len(names)) as crowd:
        containers = list(crowd.map(lambda name: host.podman.start(name, network="lan"), names))
    addresses = {container.address() for container in containers}
    assert len(addresses) == len(names)
    assert lan.server.addresses() == addresses
    assert {lease["container"] for lease in daemon.leases()} == set(names)
    host.podman("rm", "-f", "-t", "0", *names)
    eventually(lambda: lan.server.leases() == [], within=10, what="all leases are given back")
    assert gone(daemon)


def test_a_restarted_container_is_attached_again(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    before, [lease] = container.address(), daemon.leases()
    host.podman("restart", "-t", "0", "web")
    assert container.address() == before
    assert lan.server.addresses() == {before}
    assert [row["mac"] for row in daemon.leases()] == [lease["mac"]], "it is the same neighbour"


# Hooks


WITNESS = """
import dataclasses, json, os
import hooknet

def write(hook, **seen):
    with open(os.environ["WITNESS"], "a") as file:
        file.write(json.dumps({"hook": hook, **seen}) + "\\n")

@hooknet.hookimpl
def pre_lease(attachment, request):
    write("pre_lease", network=attachment.network, hostname=request.hostname, mac=request.mac)
    return dataclasses.replace(request, hostname="renamed-" + request.hostname)

@hooknet.hookimpl
async def post_lease(attachment, lease, reason, previous):
    write("post_lease", address=str(lease.address), reason=reason, previous=previous and str(previous.address))

@hooknet.hookimpl
def release(attachment, lease, reason):
    write("release", address=str(lease.address), reason=reason)
"""


def test_a_plugin_that_is_installed_as_a_package_of_its_own_sees_and_changes(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    installed = pip_install(make_wheel(tmp_path, "witness", WITNESS), tmp_path / "site")
    diary = tmp_path / "diary"
    started(host, env={"PYTHONPATH": str(installed), "WITNESS": str(diary)}, writable=[tmp_path])
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    [lease] = lan.server.leases()
    assert lease.hostname == "renamed-web"
    assert lease.address == container.address()

    def seen() -> list[dict[str, Any]]:
        return [json.loads(line) for line in diary.read_text().splitlines()] if diary.exists() else []

    eventually(lambda: len(seen()) >= 2, what="post_lease")
    container.rm()
    eventually(lambda: len(seen()) >= 3, what="release")
    pre, post, release = seen()
    address = f"{lease.address}/24"
    assert pre == {"hook": "pre_lease", "network": "lan", "hostname": "web", "mac": lease.mac}
    assert post == {"hook": "post_lease", "address": address, "reason": "BOUND", "previous": None}
    assert release == {"hook": "release", "address": address, "reason": "DETACHED"}


LISTENER = """
import os
import hooknet

@hooknet.hookimpl
def pre_lease(attachment):
    with open(os.environ["HEARD"], "a") as file:
        file.write(",".join(attachment.aliases) + "\\n")
"""


def test_a_plugin_is_told_the_aliases_where_the_network_declares_the_capability(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    installed = pip_install(make_wheel(tmp_path, "listener", LISTENER), tmp_path / "site")
    heard = tmp_path / "heard"
    started(host, env={"PYTHONPATH": str(installed), "HEARD": str(heard)}, writable=[tmp_path])
    host.conflist("lan", {**HOOKNET_MAIN, "capabilities": {"aliases": True}})
    host.podman.start("web", "--network-alias=db", "--network-alias=cache", network="lan")
    assert heard.read_text().splitlines() == ["db,cache"]


def test_who_changed_the_request_is_told(lan: Lan, host: Host, tmp_path: Path) -> None:
    installed = pip_install(make_wheel(tmp_path, "witness", WITNESS), tmp_path / "site")
    daemon = started(
        host, env={"PYTHONPATH": str(installed), "WITNESS": str(tmp_path / "diary")}, writable=[tmp_path]
    )
    host.conflist("lan", HOOKNET_MAIN)
    host.podman.start("web", network="lan")
    [lease] = daemon.leases()
    assert lease["changed_by"] == {"hostname": "witness"}
    assert "renamed-web (witness)" in daemon.hooknet("leases", "web").stdout


# What an operator sees


def test_leases_and_status_are_shown_as_tables_and_as_json(lan: Lan, host: Host) -> None:
    daemon = started(host)
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    [lease] = daemon.leases()
    shown = {
        key: lease[key] for key in ("container", "network", "ifname", "parent", "state", "phase", "address")
    }
    assert shown == {
        "container": "web",
        "network": "lan",
        "ifname": "eth0",
        "parent": "host0",
        "state": "BOUND",
        "phase": "REPLIED",
        "address": f"{container.address()}/24",
    }
    table = daemon.hooknet("leases").stdout
    assert str(container.address()) in table
    assert "web" in table
    status = daemon.status()
    assert status["healthy"]
    assert status["counts"]["leases"] == 1
    assert "healthy" in daemon.hooknet("status").stdout


def test_the_log_has_one_line_per_event_with_who_what_and_how_long(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    host.cni.delete(netconf(), sandbox)
    daemon.log.wait_for(rf"ADD .*{sandbox.name}.*{reply.interface}.*took=\d")
    daemon.log.wait_for(rf"DEL .*{sandbox.name}.*{reply.interface}.*took=\d")


def test_the_log_is_json_where_asked(lan: Lan, host: Host) -> None:
    daemon = host.daemon(arguments=["--log-format=json"])
    daemon.start()
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    daemon.log.wait_for('"id": "ADD"')
    lines = [json.loads(line) for line in daemon.log.text().splitlines()]
    assert all(line.keys() >= {"time", "level", "id", "message"} for line in lines)
    [add] = [line for line in lines if line["id"] == "ADD"]
    assert (add["container"], add["container_id"]) == (sandbox.name, sandbox.container_id)
    assert (add["network"], add["ifname"], add["address"]) == ("lan", "eth0", str(reply.interface))
    assert 0 < add["ms"] <= reply.ms


# The daemon comes and goes


def test_a_polite_stop_keeps_every_lease_and_a_start_takes_it_up_again(lan: Lan, host: Host) -> None:
    daemon = started(host)
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    address = container.address()
    before = daemon.leases()
    assert daemon.stop() == 0
    assert "DHCPRELEASE" not in lan.server.log.text()
    assert container.address() == address
    daemon.start()
    assert [lease["address"] for lease in daemon.leases()] == [lease["address"] for lease in before]
    container.rm()
    lan.server.wait_for_release(address)


def test_kill_9_and_a_start_keep_every_lease(lan: Lan, host: Host) -> None:
    daemon = started(host)
    host.conflist("lan", HOOKNET_MAIN)
    container = host.podman.start("web", network="lan")
    daemon.crash()
    assert [lease["address"] for lease in daemon.leases()] == [f"{container.address()}/24"]
    address = container.address()
    container.rm()
    lan.server.wait_for_release(address)


def test_a_socket_that_systemd_hands_over_is_the_cni_socket(lan: Lan, host: Host) -> None:
    RUN_DIR.mkdir(mode=0o755, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(RUN_DIR / "cni.sock"))
        listener.listen(100)
        # What systemd does: descriptor 3, and a LISTEN_PID that is the daemon's own.
        take = f"exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec"
        daemon = f"{HOOKNET} daemon --state-dir={host.folder}/state --podman-url="
        activated = Program(
            [*host.netns.enter, "bash", "-c", f"{take} {daemon}"],
            host.folder / "activated.log",
            inherit=[listener.fileno()],
        )
        host.cleanup.callback(activated.stop)
        activated.start()
        sandbox = host.cni.sandbox()
        reply = host.cni.add(netconf(), sandbox)
        activated.wait_for("ready", within=START_WITHIN)
    assert sandbox.interfaces() == [reply.interface]
