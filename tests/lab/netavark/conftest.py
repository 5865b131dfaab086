"""A podman 5 on the lab's host, and a hooknet daemon that follows its events and serves both doors."""

import pytest
from lab import podman5

CONFIG = """
[daemon]
grace_period = 0.2
reconcile_interval = 1
[netavark]
proxy = true
"""
DOORS = {"driver": "hooknet", "proxy": "macvlan"}


@pytest.fixture
def podman(host, shims):
    """Where its root is missing the test fails: nothing here can be shown without it."""
    reason = podman5.missing()
    if reason:
        pytest.fail(reason, pytrace=False)
    return podman5.Podman5(host, shims / "hooknet")


@pytest.fixture
def make_daemon(host, podman):
    """A daemon that follows podman 5's events; not started yet."""
    podman.service()

    def make(config=CONFIG, **how):
        return host.daemon(config, podman_url=podman.url, **how)

    return make


@pytest.fixture
def daemon(make_daemon):
    daemon = make_daemon()
    daemon.start()
    return daemon


@pytest.fixture(params=DOORS)
def door(request):
    """Each test that asks for it is made twice: through netavark's driver plugin, and through its dhcp-proxy."""
    return request.param


@pytest.fixture
def network(podman, daemon, door):
    """A network named `lan` behind that door."""
    podman.network("lan", driver=DOORS[door])
    return "lan"
