"""What is particular to netavark's dhcp-proxy: the network's name, and where it is served."""

import pytest
from lab import eventually
from lab.podman5 import PROXY_SOCKET

pytestmark = pytest.mark.long


@pytest.fixture
def network(podman):
    podman.network("lan", driver="macvlan")


def test_its_network_is_named_after_both_interfaces_and_tuned_under_that_name(
    lan, make_daemon, podman, network
):
    config = '[netavark]\nproxy = true\n[network."host0/eth0"]\nlease_time = "10m"\nsuppress = ["gateway"]\n'
    daemon = make_daemon(config)
    daemon.start()
    web = podman.start("web", network="lan")
    (row,) = daemon.leases()
    assert (row["network"], row["lease_time"], row["runtime"]) == ("host0/eth0", 600, "netavark-proxy")
    assert "default" not in web.exec("ip", "route")


def test_what_netavark_does_not_tell_is_set_under_that_name(lan, make_daemon, podman):
    """Its own options for routes, and --ip, never reach the proxy."""
    daemon = make_daemon('[netavark]\nproxy = true\n[network."host0/eth0"]\nmetric = 7\n')
    daemon.start()
    own = ("parent=host0", "metric=50", "no_default_route=true")
    options = [word for option in own for word in ("-o", option)]
    podman("network", "create", "-d", "macvlan", "--ipam-driver=dhcp", "--internal", *options, "lan")
    web = podman.start("web", f"--ip={lan.address(123)}", network="lan")
    assert web.address() != lan.address(123)
    assert f"default via {lan.address(1)} dev eth0 metric 7" in " ".join(web.exec("ip", "route").split())


def test_a_server_without_a_router_is_fine(lan, daemon, podman, network):
    lan.server.restart(router=False)
    web = podman.start("web", network="lan")
    assert web.address() in lan.server.addresses()
    assert "default" not in web.exec("ip", "route")


def test_without_a_parent_the_container_is_on_the_default_routes_lan(lan, host, daemon, podman):
    host.netns.ip("route", "add", "default", "via", str(lan.address(1)), "dev", "host0")
    podman("network", "create", "-d", "macvlan", "--ipam-driver=dhcp", "lan")
    web = podman.start("web", network="lan")
    assert web.address() in lan.server.addresses()
    assert [(row["network"], row["parent"]) for row in daemon.leases()] == [("host0/eth0", "host0")]
    web.rm()
    assert daemon.leases() == []


def test_an_unmanaged_bridge_leases_through_the_same_door(lan, host, daemon, podman):
    """netavark makes a veth to a bridge that is the LAN's, and asks the proxy with the bridge as the host's side."""
    host.netns.ip("link", "add", "br0", "type", "bridge")
    host.netns.ip("link", "set", "host0", "master", "br0")
    host.netns.ip("link", "set", "br0", "up")
    words = (
        "-d",
        "bridge",
        "-o",
        "mode=unmanaged",
        "--interface-name=br0",
        "--ipam-driver=dhcp",
        "--disable-dns",
    )
    podman("network", "create", *words, "lan")
    web = podman.start("web", network="lan")
    address = web.address()
    assert address in lan.server.addresses()
    assert [(row["network"], row["parent"]) for row in daemon.leases()] == [("br0/eth0", "br0")]
    eventually(lambda: lan.netns.ping(address), what=f"{address} answers")
    web.rm()
    lan.server.wait_for_release(address)
    assert daemon.leases() == []


def test_without_the_setting_there_is_no_socket(make_daemon, network):
    daemon = make_daemon("")
    daemon.start()
    assert not PROXY_SOCKET.exists()


def test_podmans_service_need_not_run(lan, host, podman, network):
    """Then nobody tells the container's name, and it leases under its id, which survives a restart."""
    daemon = host.daemon("[netavark]\nproxy = true\n")
    daemon.start()
    web = podman.start("web", network="lan")
    address = web.address()
    podman("restart", "-t", "0", "web")
    assert web.address() == address
    web.rm()
    lan.server.wait_for_release(address)
