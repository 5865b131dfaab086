"""Moving to hooknet on a real podman 5: networks that `hooknet migrate` has rewritten, proxies that are replaced."""

import json

import pytest
from lab import eventually
from lab.daemon import HOOKNET
from lab.process import run

pytestmark = pytest.mark.long


@pytest.fixture
def tree(tmp_path, podman):
    """A root in which the networks of this podman lie where podman keeps them by default."""
    for folder in ("etc/cni/net.d", "etc/containers"):
        (tmp_path / folder).mkdir(parents=True)
    networks = podman.folder / "networks"
    (tmp_path / "etc/containers/networks").mkdir()

    def migrate(*words):
        for path in networks.glob("*.json"):
            (tmp_path / "etc/containers/networks" / path.name).write_bytes(path.read_bytes())
        run([HOOKNET, "migrate", "--apply", f"--root={tmp_path}", *words])
        for path in (tmp_path / "etc/containers/networks").glob("*.json"):
            (networks / path.name).write_bytes(path.read_bytes())

    migrate.net_d = tmp_path / "etc/cni/net.d"
    return migrate


def test_a_container_of_netavarks_proxy_moves_to_the_driver(lan, podman, daemon, tree):
    podman.network("lan", driver="macvlan")
    theirs = podman.start("web", network="lan")
    assert daemon.leases()[0]["runtime"] == "netavark-proxy"
    podman("stop", "-t", "0", "web")
    tree()
    podman("start", "web")
    assert daemon.leases()[0]["runtime"] == "netavark"
    assert theirs.address() in lan.server.addresses()
    theirs.rm()
    eventually(lambda: daemon.leases() == [], what="it is given back")


def test_a_network_is_moved_while_its_container_runs_and_the_address_stays(lan, podman, daemon, tree):
    """netavark tears down by the driver what the proxy has set up, and sets it up by the driver."""
    podman.network("lan", driver="macvlan")
    web = podman.start("web", network="lan")
    address = web.address()
    tree()
    podman("restart", "-t", "0", "web")
    (row,) = daemon.leases()
    assert (row["runtime"], row["network"], web.address()) == ("netavark", "lan", address)
    assert lan.server.addresses() == {address}
    web.rm()
    lan.server.wait_for_release(address)
    assert daemon.leases() == []


def test_a_container_of_podman_4_has_its_address_under_podman_5(lan, host, podman, daemon, tree):
    """Under the same name, on the network that was moved: both were hooknet's."""
    conflist = host.conflist("lan", {"type": "hooknet", "master": "host0"})
    old = host.podman.start("web", network="lan")
    address = old.address()
    identity = lan.server.lease_of(address).client_id
    old.rm()
    (tree.net_d / conflist.name).write_bytes(conflist.read_bytes())
    tree("--to-netavark")
    assert podman.start("web", network="lan").address() == address
    assert lan.server.lease_of(address).client_id == identity


def test_a_cni_networks_own_dns_servers_are_podman_5s(lan, podman, daemon, tree):
    plugin = {
        "type": "macvlan",
        "master": "host0",
        "ipam": {"type": "dhcp"},
        "dns": {"nameservers": ["198.51.100.9"]},
    }
    (tree.net_d / "90-example.conflist").write_text(
        json.dumps({"cniVersion": "0.4.0", "name": "example", "plugins": [plugin]})
    )
    tree("--to-netavark")
    said = podman.start("web", network="example").exec("cat", "/etc/resolv.conf")
    assert "nameserver 198.51.100.9" in said
    assert f"nameserver {lan.address(1)}" not in said


def test_a_cni_network_serves_podman_5(lan, podman, daemon, tree):
    plugin = {"type": "macvlan", "master": "host0", "mtu": 1400, "ipam": {"type": "dhcp"}}
    conflist = {"cniVersion": "0.4.0", "name": "example", "plugins": [plugin]}
    (tree.net_d / "90-example.conflist").write_text(json.dumps(conflist))
    tree("--to-netavark")
    web = podman.start("web", network="example")
    assert web.address() in lan.server.addresses()
    assert "mtu 1400" in web.exec("ip", "link", "show", "eth0")


def test_containers_of_netavarks_own_proxy_go_on_under_ours(lan, host, podman, make_daemon):
    """The proxy is replaced under a running container: its stop succeeds, its next start is hooknet's."""
    podman.network("lan", driver="macvlan")
    theirs = podman.netavark_proxy()
    web = podman.start("web", network="lan")
    theirs.stop()
    daemon = make_daemon()
    daemon.start()
    podman("restart", "-t", "0", "web")
    assert web.address() in lan.server.addresses()
    assert [row["container"] for row in daemon.leases()] == ["web"]


def test_a_mac_that_a_plugin_derives_survives_restarts_and_recreation(lan, podman, make_daemon):
    daemon = make_daemon('[plugins.static-mac]\nderive = ["lan"]\non_failure = "fail"\n')
    daemon.start()
    podman.network("lan")
    web = podman.start("web", network="lan")
    mac = daemon.leases()[0]["mac"]
    podman("restart", "-t", "0", "web")
    assert mac in web.exec("ip", "link", "show", "eth0")
    web.rm()
    again = podman.start("web", network="lan")
    assert mac in again.exec("ip", "link", "show", "eth0")
