"""What people do with podman on day one: pin addresses and MACs, use pods and several networks, restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.podman import IMAGE, in_our_cgroup

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from lab import Daemon, Host, Lab, Lan
    from lab.podman import Podman

HOOKNET = {"type": "hooknet", "master": "host0"}
SEED = {"type": "macvlan", "master": "host0", "ipam": {"type": "dhcp"}}
PINNED = "02:00:5e:10:00:01"


@pytest.fixture
def following(host: Host) -> Daemon:
    daemon = host.following_daemon("[network.lan]\ntimeout = 3\n")
    daemon.start()
    return daemon


# podman run --ip


@pytest.mark.parametrize("plugin", [HOOKNET, SEED], ids=["hooknet", "macvlan"])
def test_an_address_that_is_asked_for_is_asked_of_the_server(
    lan: Lan, host: Host, following: Daemon, plugin: dict[str, Any]
) -> None:
    host.conflist("lan", plugin)
    wanted = lan.address(142)
    wire = lan.capture("port 67")
    container = host.podman.start("web", f"--ip={wanted}", network="lan")
    assert container.address() == wanted
    assert lan.server.addresses() == {wanted}
    wire.wait_for(rf"Requested-IP \(50\), length 4: {wanted}")
    host.podman("restart", "-t", "0", "web")
    assert container.address() == wanted
    container.rm()
    lan.server.wait_for_release(wanted)


@pytest.mark.parametrize("number", [99, 141], ids=["not in the pool", "somebody else's"])
def test_another_address_than_the_one_asked_for_is_refused(
    lan: Lan, host: Host, following: Daemon, number: int
) -> None:
    host.conflist("lan", HOOKNET)
    holder = host.podman.start("holder", f"--ip={lan.address(141)}", network="lan")
    wanted = lan.address(number)
    done = host.podman("run", "--rm", "--network=lan", f"--ip={wanted}", IMAGE, "true", check=False)
    assert done.returncode != 0
    assert f"{lan.address(1)} granted" in done.stderr
    assert f"not {wanted}" in done.stderr
    assert "reserve that address on the server" in done.stderr
    eventually(lambda: lan.server.addresses() == {holder.address()}, what="what was granted is given back")
    assert [lease["container"] for lease in following.leases()] == ["holder"]


# podman run --mac-address


def test_a_pinned_mac_is_the_servers_too_and_survives_restarts_at_full_speed(
    lan: Lan, host: Host, following: Daemon
) -> None:
    """The dying netns still holds the MAC when the next one asks for it: no restart waits for that in vain."""
    host.conflist("lan", HOOKNET)
    container = host.podman.start("web", f"--mac-address={PINNED}", network="lan")
    address = container.address()
    for _ in range(5):
        host.podman("restart", "-t", "0", "web")
        assert container.address() == address
        assert f"link/ether {PINNED}" in container.exec("ip", "link", "show", "eth0")
        [lease] = following.leases()
        assert lease["timing"]["link"] < 1000, "milliseconds until the interface is there"
    assert [(lease.address, lease.mac) for lease in lan.server.leases()] == [(address, PINNED)]


def test_a_mac_that_another_container_has_is_refused_and_the_holder_named(
    lan: Lan, host: Host, following: Daemon
) -> None:
    host.conflist("lan", HOOKNET)
    holder = host.podman.start("holder", f"--mac-address={PINNED}", network="lan")
    arguments = ("--network=lan", f"--mac-address={PINNED}", IMAGE, "true")
    done = host.podman("run", "--rm", *arguments, check=False)
    assert done.returncode != 0
    assert PINNED in done.stderr
    assert "holder" in done.stderr
    assert lan.server.addresses() == {holder.address()}


# Recreation


def test_the_same_name_gets_the_same_address(lan: Lan, host: Host, following: Daemon) -> None:
    """Another MAC and another container each time: it is the name that the server knows."""
    host.conflist("lan", HOOKNET)
    other = host.podman.start("other", network="lan").address()
    seen: set[IPv4Address] = set()
    for _ in range(4):
        container = host.podman.start("web", network="lan")
        seen.add(container.address())
        container.rm()
    assert len(seen) == 1
    assert other not in seen


# Pods


TAB = "\t"
"""podman splits an infra container's command at spaces, whatever the quotes."""
ENDS_AT_ONCE = "trap exit TERM; sleep 3600 & wait"
"""`podman pod restart` has no --time, and `sleep` as process 1 heeds no SIGTERM: each would take ten seconds."""


def create_pod(podman: Podman, name: str, script: str = "exec sleep 3600") -> None:
    infra = ["--infra-image", IMAGE, "--infra-command", f"sh -c {script.replace(' ', TAB)}"]
    podman.cleanup.callback(podman, "pod", "rm", "-f", "-t", "0", "-i", name, check=False)
    podman("pod", "create", "--name", name, "--network", "lan", *infra)


def start_in_pod(podman: Podman, pod: str) -> str:
    """What `ip` says in a container of the pod."""
    run_ip = ["run", "--rm", "--pod", pod, IMAGE, "ip", "-4", "-o", "address", "show", "eth0"]
    return podman(*in_our_cgroup(run_ip)).stdout


def test_a_pod_has_one_lease_under_its_own_name(lan: Lan, host: Host, following: Daemon) -> None:
    """Create, stop, start, remove, and create again: the same pod name gets the same address."""
    host.conflist("lan", HOOKNET)
    podman = host.podman
    create_pod(podman, "stack")
    podman("pod", "start", "stack")
    [lease] = lan.server.leases()
    assert lease.hostname == "stack"
    assert [found["container"] for found in following.leases()] == ["stack"]
    assert f" {lease.address}/" in start_in_pod(podman, "stack")

    podman("pod", "stop", "-t", "0", "stack")
    podman("pod", "start", "stack")
    assert lan.server.addresses() == {lease.address}
    assert f" {lease.address}/" in start_in_pod(podman, "stack")

    podman("pod", "rm", "-f", "-t", "0", "stack")
    lan.server.wait_for_release(lease.address)
    assert following.leases() == []

    create_pod(podman, "stack")
    podman("pod", "start", "stack")
    assert f" {lease.address}/" in start_in_pod(podman, "stack")


def test_a_pod_that_is_restarted_keeps_its_address_and_its_lease(
    lan: Lan, host: Host, following: Daemon
) -> None:
    host.conflist("lan", HOOKNET)
    podman = host.podman
    create_pod(podman, "stack", ENDS_AT_ONCE)
    podman("run", "-d", "--pod=stack", "--name=member", IMAGE, "sh", "-c", ENDS_AT_ONCE)
    [lease] = lan.server.leases()
    member = podman.container("member")
    for _ in range(3):
        before = following.leases()[0]["netns"]
        podman("pod", "restart", "stack")
        assert member.address() == lease.address
        assert lan.server.addresses() == {lease.address}
        [held] = following.leases()
        assert (held["container"], held["address"]) == ("stack", f"{lease.address}/24")
        assert held["netns"] != before, "it was really attached anew"
    podman("pod", "rm", "-f", "-t", "0", "stack")
    lan.server.wait_for_release(lease.address)


# Several networks


@pytest.fixture
def two(lab: Lab) -> tuple[Host, Lan, Lan]:
    here, there = lab.lan(), lab.lan()
    for lan in (here, there):
        lan.serve("dnsmasq")
    host = lab.host(here, there)
    host.conflist("here", HOOKNET)
    host.conflist("there", {**HOOKNET, "master": "host1"})
    return host, here, there


def default_routes(text: str) -> list[str]:
    """The gateways of the default routes, the one that is used first."""
    found = [line.split() for line in text.splitlines() if line.startswith("default")]

    def metric(words: list[str]) -> int:
        return int(words[words.index("metric") + 1]) if "metric" in words else 0

    return [words[words.index("via") + 1] for words in sorted(found, key=metric)]


def test_a_second_network_does_not_take_the_default_route(two: tuple[Host, Lan, Lan]) -> None:
    host, here, there = two
    daemon = host.following_daemon()
    daemon.start()
    container = host.podman.start("web", network="here")
    host.podman("network", "connect", "there", "web")
    assert default_routes(container.exec("ip", "route")) == [str(here.address(1)), str(there.address(1))]
    container.exec("ping", "-c1", "-W2", str(there.address(1)))
    host.podman("network", "disconnect", "there", "web")
    assert default_routes(container.exec("ip", "route")) == [str(here.address(1))]
    eventually(lambda: there.server.leases() == [], what="the second lease is given back")
    assert [lease["network"] for lease in daemon.leases()] == ["here"]
    container.exec("ping", "-c1", "-W2", str(here.address(1)))


def test_metrics_say_which_network_has_the_default_route(two: tuple[Host, Lan, Lan]) -> None:
    """The conflists are unchanged: hooknet.toml says it."""
    host, here, there = two
    host.following_daemon("[network.here]\nmetric = 200\n[network.there]\nmetric = 100\n").start()
    container = host.podman.start("web", "--network=there", network="here")
    assert default_routes(container.exec("ip", "route")) == [str(there.address(1)), str(here.address(1))]


# Settings for a conflist that nobody touches


def test_hooknet_toml_tunes_the_seeds_conflist(lan: Lan, host: Host) -> None:
    lan.server.restart(
        extra=(
            f"dhcp-option=option:classless-static-route,198.51.100.0/24,{lan.address(7)},0.0.0.0/0,{lan.address(1)}",
            "dhcp-option=option:domain-search,one.example,two.example",
            "dhcp-option=option:mtu,1400",
        )
    )
    settings = ["[network.seed]", 'suppress = ["gateway", "dns"]', "metric = 77", 'hostname = "from-toml"']
    host.following_daemon("\n".join([*settings, 'vendor_class = "lab"', ""])).start()
    host.conflist("seed", SEED)
    wire = lan.capture("port 67")
    container = host.podman.start("web", network="seed")
    routes = container.exec("ip", "route")
    assert default_routes(routes) == []
    assert f"198.51.100.0/24 via {lan.address(7)} dev eth0 metric 77" in " ".join(routes.split())
    assert "mtu 1400" in container.exec("ip", "link", "show", "eth0")
    resolv = container.exec("cat", "/etc/resolv.conf")
    assert f"nameserver {lan.address(1)}" not in resolv
    assert "one.example two.example" in resolv
    assert [lease.hostname for lease in lan.server.leases()] == ["from-toml"]
    wire.wait_for(r'Vendor-Class \(60\), length 3: "lab"')


def test_without_settings_the_container_has_all_that_the_lease_says(
    lan: Lan, host: Host, following: Daemon
) -> None:
    lan.server.restart(
        extra=(
            f"dhcp-option=option:dns-server,{lan.address(53)},{lan.address(54)}",
            "dhcp-option=option:domain-search,one.example,two.example",
            f"dhcp-option=option:static-route,198.51.100.7,{lan.address(9)}",
        )
    )
    host.conflist("lan", SEED)
    container = host.podman.start("web", network="lan")
    resolv = container.exec("cat", "/etc/resolv.conf").split("\n")
    assert [line for line in resolv if line.startswith("nameserver")][:2] == [
        f"nameserver {lan.address(53)}",
        f"nameserver {lan.address(54)}",
    ]
    assert any("search one.example two.example" in line for line in resolv)
    routes = container.exec("ip", "route")
    assert default_routes(routes) == [str(lan.address(1))]
    assert f"198.51.100.7 via {lan.address(9)}" in routes
    networks = container.inspect()["NetworkSettings"]["Networks"]
    assert networks["lan"]["Gateway"] == str(lan.address(1))


def test_podmans_own_macvlan_network_leases_through_the_drop_in(
    lan: Lan, host: Host, following: Daemon
) -> None:
    """`podman network create -d macvlan` without a subnet writes `ipam: {type: dhcp}`."""
    host.podman("network", "create", "-d", "macvlan", "-o", "parent=host0", "lan")
    written = json.loads(next(host.podman.net_d.glob("*lan.conflist")).read_text())
    assert written["plugins"][0]["ipam"] == {"type": "dhcp"}
    container = host.podman.start("web", network="lan")
    assert container.address() in lan.server.addresses()
    container.rm()
    eventually(lambda: lan.server.leases() == [], what="the lease is given back")
