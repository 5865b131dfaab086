"""What is particular to netavark's dhcp-proxy: the network's name, and where it is served."""

import pytest
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


def test_a_server_without_a_router_is_fine(lan, daemon, podman, network):
    lan.server.restart(router=False)
    web = podman.start("web", network="lan")
    assert web.address() in lan.server.addresses()
    assert "default" not in web.exec("ip", "route")


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
