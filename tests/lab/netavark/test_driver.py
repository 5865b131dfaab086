"""What is particular to netavark's driver plugin: options, refusals at create, and a daemon that is not there."""

import pytest
from lab import eventually
from lab.process import run

from hooknet.config import NetworkSettings
from hooknet.lifecycle.identity import Host, client_id_for
from hooknet.model import AttachmentKey

pytestmark = pytest.mark.long

MAC = "02:00:5e:10:00:07"
PROBING = 1000.0
"""Milliseconds that three probes of RFC 5227 take at the least, as hooknet sends them."""


def create(podman, *words):
    return podman("network", "create", "-d", "hooknet", *words, "lan", check=False)


def test_a_networks_options_reach_the_lease(lan, daemon, podman):
    options = ("suppress=dns,gateway", "lease_time=10m", "mtu=1400", "client-id=mac")
    podman.network("lan", options=options)
    web = podman.start("web", f"--mac-address={MAC}", network="lan")
    lease = lan.server.lease_of(web.address())
    assert lease.client_id == bytes.fromhex("01" + MAC.replace(":", ""))
    assert daemon.leases()[0]["lease_time"] == 600
    assert "mtu 1400" in web.exec("ip", "link", "show", "eth0")
    assert "default" not in web.exec("ip", "route")
    assert f"nameserver {lan.address(1)}" not in web.exec("cat", "/etc/resolv.conf")


def test_a_networks_options_reach_the_interface_and_its_routes(lan, daemon, podman):
    podman.network("lan", options=("mode=private", "metric=77"))
    web = podman.start("web", network="lan")
    assert (
        "macvlan mode private"
        in run(["nsenter", f"--net={web.netns()}", "ip", "-d", "link", "show", "eth0"]).stdout
    )
    assert f"default via {lan.address(1)} dev eth0 metric 77" in " ".join(web.exec("ip", "route").split())


def test_a_container_may_have_options_of_its_own(lan, daemon, podman):
    podman.network("lan", options=("metric=77",))
    web = podman.start("web", network="lan:metric=7")
    assert f"default via {lan.address(1)} dev eth0 metric 7" in " ".join(web.exec("ip", "route").split())
    done = podman("run", "--rm", "--network=lan:metrik=7", "localhost/box", "true", check=False)
    assert done.returncode != 0
    assert "did you mean 'metric'?" in done.stderr


def test_a_network_may_check_addresses_before_containers_start(lan, daemon, podman):
    podman.network("lan", options=("acd=strict",))
    podman.start("web", network="lan")
    (row,) = daemon.leases()
    assert row["timing"]["address"] > PROBING


def test_a_fleets_identity_has_nothing_of_this_host(lan, daemon, podman):
    podman.network("lan", options=("identity_scope=fleet",))
    web = podman.start("web", network="lan")
    settings, nobody = NetworkSettings(identity_scope="fleet"), Host("any other host")
    expected = client_id_for(AttachmentKey(web.id, "eth0", "lan"), "web", MAC, settings, nobody)
    assert lan.server.lease_of(web.address()).client_id == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "parent=host0", "-o", "metrik=5"], "did you mean 'metric'?"),
        (["-o", "parent=host0", "-o", "acd=sometimes"], "acd"),
        (["-o", "parent=nowhere0"], "nowhere0"),
        (["-o", "parent=host0", "-o", "mtu=9000"], "above that of the parent host0"),
        (["-o", "parent=host0", "--subnet=10.1.2.0/24"], "DHCP server has the addresses"),
        (["-o", "parent=host0", "--internal"], "suppress=gateway,routes"),
        (["-o", "parent=host0", "--ipv6"], "hooknet leases IPv4"),
    ],
)
def test_what_cant_be_is_refused_at_create_in_words(daemon, podman, words, said):
    done = create(podman, *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert podman("network", "exists", "lan", check=False).returncode == 1


def test_a_static_address_is_asked_for_and_used(lan, daemon, podman):
    podman.network("lan")
    web = podman.start("web", f"--ip={lan.address(123)}", network="lan")
    assert web.address() == lan.address(123)


def test_a_static_address_that_the_server_does_not_grant_is_refused(lan, daemon, podman):
    podman.network("lan")
    done = podman(
        "run", "--rm", f"--ip={lan.address(9)}", "--network=lan", "localhost/box", "true", check=False
    )
    assert done.returncode != 0
    assert f"not {lan.address(9)}" in done.stderr
    eventually(lambda: not lan.server.addresses(), what="what was granted instead is given back")
    assert daemon.leases() == []


def test_a_chosen_name_and_mac_of_the_interface_are_used(lan, daemon, podman):
    podman.network("lan")
    web = podman.start("web", network=f"lan:mac={MAC},interface_name=lan7")
    assert MAC in web.exec("ip", "link", "show", "lan7")
    assert web.address("lan7") in lan.server.addresses()


def test_without_an_ipam_driver_containers_bring_their_own_client(lan, daemon, podman):
    done = create(podman, "-o", "parent=host0", "--ipam-driver=none")
    assert done.returncode == 0, done.stderr
    web = podman.start("web", "--cap-add=NET_RAW,NET_ADMIN", network="lan")
    web.exec("udhcpc", "-n", "-q", "-i", "eth0", "-s", "/bin/true")
    (row,) = daemon.leases()
    assert row["state"] == "L2"
    assert row["mac"] in {lease.mac for lease in lan.server.leases()}


def test_a_mac_stays_over_restarts(lan, daemon, podman):
    """Without any pin: the LAN's switches and ARP caches find the container where it was."""
    podman.network("lan")
    web = podman.start("web", network="lan")
    mac = daemon.leases()[0]["mac"]
    assert mac in web.exec("ip", "link", "show", "eth0")
    podman("restart", "-t", "0", "web")
    assert mac in web.exec("ip", "link", "show", "eth0")
    podman("stop", "-t", "0", "web")
    podman("start", "web")
    assert mac in web.exec("ip", "link", "show", "eth0")


def test_a_pods_infra_container_leases_under_the_pods_name(lan, daemon, podman):
    podman.network("lan")
    podman(
        "pod",
        "create",
        "--name=shop",
        "--network=lan",
        "--infra-image=localhost/box",
        "--infra-command=sleep 3600",
    )
    podman("pod", "start", "shop")
    eventually(daemon.leases, what="it has a lease")
    assert daemon.leases()[0]["container"] == "shop"
    podman("pod", "rm", "-f", "-t", "0", "shop")


def test_no_daemon_is_told_with_the_command_that_starts_it(lan, daemon, podman):
    podman.network("lan")
    daemon.stop()
    done = podman("run", "--rm", "--network=lan", "localhost/box", "true", check=False)
    assert done.returncode != 0
    assert "systemctl start hooknet, or by hand" in done.stderr


def test_a_teardown_without_a_daemon_succeeds_and_is_made_up_for(lan, daemon, podman):
    podman.network("lan")
    web = podman.start("web", network="lan")
    address = web.address()
    daemon.stop()
    web.rm()
    assert address in lan.server.addresses()
    daemon.start()
    lan.server.wait_for_release(address)
    eventually(lambda: daemon.leases() == [], what="the daemon forgets the lease")


def test_cni_and_netavark_may_be_used_side_by_side(lan, host, daemon, podman):
    """Two podmans on one host, one of each kind: containers of the same name on the same network's name."""
    podman.network("lan")
    web = podman.start("web", network="lan")
    host.conflist("lan", {"type": "hooknet", "master": "host0"})
    other = host.podman.start("web", network="lan")
    assert other.address() != web.address()
    assert {row["runtime"] for row in daemon.leases()} == {"cni", "netavark"}
