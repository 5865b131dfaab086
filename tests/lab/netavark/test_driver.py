"""Door 1 in a real podman 5: networks made with `podman network create -d hooknet`."""

import pytest
from lab import eventually

pytestmark = pytest.mark.long


@pytest.fixture
def daemon(following):
    daemon = following("[daemon]\ngrace_period = 0.2\nreconcile_interval = 1\n")
    daemon.start()
    return daemon


@pytest.fixture
def web(podman, daemon):
    podman.network("lan")
    return podman.start("web", network="lan")


def test_a_container_has_an_address_of_the_lan(lan, podman, daemon, web):
    assert web.address() in lan.server.addresses()
    network = web.inspect()["NetworkSettings"]["Networks"]["lan"]
    assert network["IPAddress"] == str(web.address())
    assert network["Gateway"] == str(lan.address(1))
    print(network, web.exec("cat", "/etc/resolv.conf"), web.exec("ip", "addr"), daemon.leases())
