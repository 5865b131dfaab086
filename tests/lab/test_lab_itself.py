"""The lab is right before anything is proven in it: real servers lease to clients that are not ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lab import SERVERS, Lab, Lan, eventually
from lab.world import kernel_has

if TYPE_CHECKING:
    from pathlib import Path

    from lab.podman import Podman
from lab.process import run

MACVLAN = {"type": "macvlan", "master": "host0", "ipam": {"type": "dhcp"}}
EVERY_SERVER = pytest.mark.parametrize("kind", sorted(SERVERS))
UDHCPC_SCRIPT = "case $1 in bound|renew) ip addr add $ip/$mask dev $interface;; esac"


def lan_with(lab: Lab, kind: str, **offering: object) -> Lan:
    lan = lab.lan()
    lan.serve(kind, **offering)
    return lan


def udhcpc(podman: Podman, *words: str) -> str:
    """Busybox's DHCP client, once, in the foreground, in a namespace of the lab."""
    script = podman.folder / "udhcpc.sh"
    script.write_text(f"#!/bin/sh\n{UDHCPC_SCRIPT}\n")
    script.chmod(0o755)
    return podman.netns.run("busybox", "udhcpc", "-n", "-q", "-f", "-s", script, *words).stdout


@EVERY_SERVER
def test_each_server_leases_to_busybox_and_writes_it_down(bare_lab: Lab, kind: str) -> None:
    lan = lan_with(bare_lab, kind)
    host = bare_lab.host(lan)
    udhcpc(host.podman, "-i", "host0", "-x", "hostname:someone")
    [lease] = lan.server.leases()
    assert lease.address in {interface.ip for interface in host.netns.interfaces("host0")}
    assert (lease.mac, lease.hostname) == (host.netns.mac("host0"), "someone")
    assert lease.client_id.hex(":") == f"01:{lease.mac}"
    assert lan.address(100) <= lease.address <= lan.address(199)


@EVERY_SERVER
def test_each_server_hears_a_release_and_gives_the_lease_up(bare_lab: Lab, kind: str) -> None:
    lan = lan_with(bare_lab, kind)
    host = bare_lab.host(lan)
    client = host.program("busybox", "udhcpc", "-f", "-R", "-i", "host0", "-s", "/bin/true", log="udhcpc.log")
    client.wait_for("lease of .* obtained")
    [lease] = lan.server.leases()
    host.netns.ip("address", "add", f"{lease.address}/24", "dev", "host0")
    client.stop()
    lan.server.wait_for_release(lease.address)


@EVERY_SERVER
def test_each_server_sends_the_times_that_the_test_chose(bare_lab: Lab, kind: str) -> None:
    lan = lan_with(bare_lab, kind, lease_time=400, t1=3, t2=7)
    host = bare_lab.host(lan)
    wire = lan.capture()
    udhcpc(host.podman, "-i", "host0")
    wire.wait_for(r"DHCP-Message.*ACK")
    wire.wait_for(r"Lease-Time.*: 400\b")
    if kind != "dnsmasq":  # busybox does not ask for T1 and T2: only these two send them unasked
        wire.wait_for(r"RN.*: 3\b")
        wire.wait_for(r"RB.*: 7\b")


@EVERY_SERVER
def test_each_server_comes_back_with_its_memory_or_without_it_and_changed(bare_lab: Lab, kind: str) -> None:
    lan = lan_with(bare_lab, kind)
    host = bare_lab.host(lan)
    udhcpc(host.podman, "-i", "host0")
    before = lan.server.addresses()
    lan.server.restart()
    assert lan.server.addresses() == before
    lan.server.restart(forget=True, first=50, last=60)
    udhcpc(host.podman, "-i", "host0")
    [address] = lan.server.addresses()
    assert lan.address(50) <= address <= lan.address(60)


def test_the_bare_runtime_speaks_to_the_reference_as_podman_does(bare_lab: Lab) -> None:
    lan = lan_with(bare_lab, "dnsmasq")
    host = bare_lab.host(lan)
    host.reference_daemon()
    config = {"cniVersion": "0.4.0", "name": "example", **MACVLAN}
    sandbox = host.cni.sandbox()
    reply = host.cni.add(config, sandbox)
    assert sandbox.interfaces() == [reply.interface]
    assert reply.interface.ip in lan.server.addresses()
    assert sandbox.ping(lan.address(1))
    host.cni.delete(config, sandbox)
    assert sandbox.links() == set()


def test_the_seed_works_as_written_with_the_reference_in_a_real_container(bare_lab: Lab) -> None:
    lan = lan_with(bare_lab, "dnsmasq")
    host = bare_lab.host(lan)
    host.reference_daemon()
    host.conflist("example", MACVLAN)
    container = host.podman.start("web", network="example")
    assert container.address() in lan.server.addresses()
    seen = container.inspect()["NetworkSettings"]["Networks"]["example"]
    assert str(container.address()) == seen["IPAddress"]
    assert container.netns().exists()
    container.rm()
    assert host.podman("ps", "-aq").stdout == ""


def test_podmans_service_tells_of_containers_and_events(bare_lab: Lab) -> None:
    host = bare_lab.host(bare_lab.lan())
    host.podman.service()
    host.podman.run(command=["true"])
    ask = ["podman", "--remote", f"--url={host.podman.url}", "events", "--stream=false", "--format=json"]
    events = [json.loads(line)["Status"] for line in run(ask).stdout.splitlines()]
    assert [status for status in events if status in {"create", "start", "died", "remove"}] == [
        "create",
        "start",
        "died",
        "remove",
    ]


def test_two_podmans_know_nothing_of_each_other(bare_lab: Lab) -> None:
    one, other = bare_lab.host(bare_lab.lan()), bare_lab.host(bare_lab.lan())
    one.podman.start("web")
    other.podman.start("web")
    assert one.podman.container("web").id != other.podman.container("web").id


def test_a_lan_is_one_wire_and_two_lans_are_two(bare_lab: Lab) -> None:
    here, there = bare_lab.lan(), bare_lab.lan()
    host = bare_lab.host(here)
    neighbour = here.machine(here.address(77))
    assert host.netns.ping(here.address(1))
    assert host.netns.ping(here.address(77))
    assert neighbour.ping(here.address(2))
    assert not host.netns.ping(there.address(1))


def test_a_pulled_cable_takes_the_carrier_away(bare_lab: Lab) -> None:
    lan = bare_lab.lan()
    host = bare_lab.host(lan)
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("host0")["flags"])
    lan.replug()
    eventually(lambda: "LOWER_UP" in host.netns.link("host0")["flags"])


def test_nothing_of_a_lab_outlives_it(bare_lab: Lab) -> None:
    lan = lan_with(bare_lab, "dnsmasq")
    host = bare_lab.host(lan)
    host.podman.start("web")
    names = [lan.netns.path, host.netns.path]
    server = lan.server.process
    bare_lab.close()
    assert not any(path.exists() for path in names)
    assert not server.alive
    assert not bare_lab.folder.exists()


def test_the_kernel_is_asked_what_it_can_make(world: Path) -> None:
    assert kernel_has("macvlan")
    assert not kernel_has("no-such-kind")
