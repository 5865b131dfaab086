"""Another plugin gives the addresses: `static`, `host-local`, or any. Networks that use one go on as they were."""

from __future__ import annotations

import shutil
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.cni import netconf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab import Daemon, Host, Lan, Sandbox

EITHER = pytest.mark.parametrize("plugin", ["hooknet", "macvlan"])
STATIC = {
    "type": "static",
    "addresses": [
        {"address": "192.0.2.10/24", "gateway": "192.0.2.1"},
        {"address": "2001:db8::10/64", "gateway": "2001:db8::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "198.51.100.0/24", "gw": "192.0.2.9"}, {"dst": "::/0"}],
    "dns": {"nameservers": ["192.0.2.53"], "search": ["static.example"]},
}
RECORDER = """#!/bin/sh
# An IPAM plugin of CNI 1.1.0 that writes down what it was asked, and with which configuration.
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME" >> {diary}
cat > {diary}.stdin
[ ! -e {diary}.fail ] || {{ echo '{{"cniVersion":"1.1.0","code":77,"msg":"no more of these"}}'; exit 1; }}
case $CNI_COMMAND in
ADD) echo '{{"cniVersion":"1.1.0","ips":[{{"address":"192.0.2.20/24"}}],"routes":[]}}' ;;
esac
"""


@pytest.fixture
def networks(world: Path) -> Iterator[Path]:
    """Where IPAM plugins keep their files: the one place that the unit lets them write to."""
    folder = Path("/var/lib/cni/delegated")
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


def host_local(lan: Lan, folder: Path, **more: Any) -> dict[str, Any]:
    four = {"subnet": str(lan.network), "rangeStart": str(lan.address(50)), "rangeEnd": str(lan.address(51))}
    six = {"subnet": "2001:db8:7::/64"}
    return {
        "type": "host-local",
        "ranges": [[four], [six]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "dataDir": str(folder),
        **more,
    }


def ipv6(sandbox: Sandbox) -> set[IPv6Interface]:
    return {
        IPv6Interface(f"{address['local']}/{address['prefixlen']}")
        for link in sandbox.ip_json("-6", "address", "show", "dev", "eth0")
        for address in link["addr_info"]
        if address["scope"] == "global"
    }


def routes(sandbox: Sandbox, family: str) -> set[tuple[str, str]]:
    found = sandbox.ip_json(family, "route", "show")
    return {(route["dst"], route["gateway"]) for route in found if "gateway" in route}


def reserved(folder: Path, network: str = "lan") -> set[str]:
    """The addresses that host-local has given away, by its own files."""
    return {path.name for path in (folder / network).glob("[0-9]*")}


@EITHER
def test_static_addresses_are_set_with_their_routes(
    lan: Lan, host: Host, daemon: Daemon, plugin: str
) -> None:
    config, sandbox = netconf(type_=plugin, ipam=STATIC), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert sandbox.interfaces() == [IPv4Interface("192.0.2.10/24")]
    assert ipv6(sandbox) == {IPv6Interface("2001:db8::10/64")}
    assert routes(sandbox, "-4") == {("default", "192.0.2.1"), ("198.51.100.0/24", "192.0.2.9")}
    assert routes(sandbox, "-6") == {("default", "2001:db8::1")}
    assert added.output["interfaces"] == [
        {"name": "eth0", "mac": sandbox.mac(), "sandbox": str(sandbox.path)}
    ]
    assert [(ip["address"], ip["interface"]) for ip in added.output["ips"]] == [
        ("192.0.2.10/24", 0),
        ("2001:db8::10/64", 0),
    ]
    assert added.output["dns"] == STATIC["dns"]
    assert host.cni.check(config, sandbox, added).code == 0
    host.cni.delete(config, sandbox)
    assert sandbox.links() == set()
    assert lan.server.leases() == daemon.leases() == []


@EITHER
def test_host_local_gives_one_of_each_family_and_del_frees_both(
    lan: Lan, host: Host, daemon: Daemon, networks: Path, plugin: str
) -> None:
    config, sandbox = netconf(type_=plugin, ipam=host_local(lan, networks)), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert sandbox.interfaces() == [IPv4Interface(f"{lan.address(50)}/24")] == [added.interface]
    assert len(ipv6(sandbox)) == 1
    assert {route for route, _ in routes(sandbox, "-4") | routes(sandbox, "-6")} == {"default"}
    assert len(reserved(networks)) == 2
    assert sandbox.ping(lan.address(1))
    assert host.cni.check(config, sandbox, added).code == 0
    [shown] = daemon.leases()
    assert (shown["container"], shown["network"], shown["address"]) == (sandbox.name, "lan", None)
    host.cni.delete(config, sandbox)
    assert reserved(networks) == set()
    assert sandbox.links() == set()
    assert lan.server.leases() == []


@EITHER
def test_a_network_that_has_only_ipv6_is_checked_and_kept(
    lan: Lan, host: Host, daemon: Daemon, plugin: str
) -> None:
    ipam = {"type": "static", "addresses": [{"address": "2001:db8::10/64", "gateway": "2001:db8::1"}]}
    config, sandbox = netconf(type_=plugin, ipam=ipam), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    checked = host.cni.check(config, sandbox, added)
    assert checked.code == 0, str(checked)
    sandbox.ip("address", "delete", "2001:db8::10/64", "dev", "eth0")
    assert "2001:db8::10" in host.cni.check(config, sandbox, added).error["details"]
    host.cni.delete(config, sandbox)


@pytest.mark.parametrize("version", ["0.2.0", "0.4.0"])
def test_a_delegate_speaks_the_version_of_its_network(
    lan: Lan, host: Host, daemon: Daemon, networks: Path, version: str
) -> None:
    config = netconf(version=version, ipam=host_local(lan, networks))
    sandbox = host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert added.output["cniVersion"] == version
    assert sandbox.interfaces() == [added.interface]
    assert len(ipv6(sandbox)) == 1
    host.cni.delete(config, sandbox)
    assert reserved(networks) == set()


def test_podmans_own_macvlan_network_with_a_subnet_works_unchanged(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """`podman network create -d macvlan --subnet` writes a macvlan with host-local, which the drop-in now runs."""
    subnet = ["--subnet", str(lan.network), "--gateway", str(lan.address(1))]
    pool = ["--ip-range", f"{lan.address(64)}/28"]
    host.podman("network", "create", "-d", "macvlan", "-o", "parent=host0", *subnet, *pool, "fixed")
    container = host.podman.start("web", network="fixed")
    address = container.address()
    assert address in {lan.address(number) for number in range(64, 80)}
    assert f"default via {lan.address(1)}" in container.exec("ip", "route")
    container.exec("ping", "-c1", "-W2", str(lan.address(1)))
    pinned = host.podman.start("pinned", f"--ip={lan.address(77)}", network="fixed")
    assert pinned.address() == lan.address(77)
    host.podman("restart", "-t", "0", "pinned")
    assert pinned.address() == lan.address(77)
    pinned.rm()
    container.rm()
    again = host.podman.start("again", f"--ip={address}", network="fixed")
    assert again.address() == address, "it was freed"
    assert lan.server.leases() == []


def test_check_sees_a_missing_address_and_a_lost_reservation(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    config, sandbox = netconf(ipam=host_local(lan, networks)), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    [six] = ipv6(sandbox)
    sandbox.ip("address", "delete", str(six), "dev", "eth0")
    error = host.cni.check(config, sandbox, added).error
    assert error["code"] == 103
    assert str(six) in error["details"]
    sandbox.ip("address", "add", str(six), "dev", "eth0", "nodad")
    assert host.cni.check(config, sandbox, added).code == 0
    for path in (networks / "lan").glob("[0-9]*"):
        path.unlink()
    assert "host-local" in host.cni.check(config, sandbox, added).error["msg"]
    host.cni.delete(config, sandbox)


@pytest.mark.parametrize(
    ("family", "route"),
    [("-4", "default"), ("-4", "198.51.100.0/24"), ("-6", "default")],
)
def test_check_sees_a_lost_route(lan: Lan, host: Host, daemon: Daemon, family: str, route: str) -> None:
    config, sandbox = netconf(ipam=STATIC), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert host.cni.check(config, sandbox, added).code == 0
    sandbox.ip(family, "route", "delete", route)
    error = host.cni.check(config, sandbox, added).error
    assert error["code"] == 103
    lost = {"-4": "0.0.0.0/0", "-6": "::/0"}[family] if route == "default" else route
    assert f"the route to {lost} through eth0 is missing" in error["details"]
    host.cni.delete(config, sandbox)


def test_check_takes_a_route_that_a_later_plugin_moved_to_another_table(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """As `sbr`, source based routing, does."""
    config, sandbox = netconf(ipam=STATIC), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    sandbox.ip("route", "delete", "default")
    sandbox.ip("route", "add", "default", "via", "192.0.2.1", "dev", "eth0", "table", "100")
    assert host.cni.check(config, sandbox, added).code == 0
    host.cni.delete(config, sandbox)


@EITHER
def test_addresses_of_another_plugin_are_announced_and_will_be_again(
    lan: Lan, host: Host, daemon: Daemon, plugin: str
) -> None:
    """The reference sets arp_notify as well: it tells neighbours when a later plugin changes the MAC."""
    wire = lan.capture("arp")
    config, sandbox = netconf(type_=plugin, ipam=STATIC), host.cni.sandbox()
    host.cni.add(config, sandbox)
    announcement = r"{mac} > ff:ff:ff:ff:ff:ff.*Request who-has 192.0.2.10 .*tell 192.0.2.10"
    wire.wait_for(announcement.format(mac=sandbox.mac()))
    assert sandbox.run("cat", "/proc/sys/net/ipv4/conf/eth0/arp_notify").stdout.strip() == "1"
    sandbox.ip("link", "set", "eth0", "address", "02:00:5e:10:00:0a")
    wire.wait_for(announcement.format(mac="02:00:5e:10:00:0a"))
    host.cni.delete(config, sandbox)


def test_a_delegate_that_has_no_address_left_fails_the_add_and_nothing_stays(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    config = netconf(ipam=host_local(lan, networks))
    first, second, third = (host.cni.sandbox() for _ in range(3))
    for sandbox in (first, second):
        host.cni.add(config, sandbox)
    before = reserved(networks)
    reply = host.cni.call("ADD", config, third)
    assert "host-local" in reply.error["msg"]
    assert third.links() == set()
    assert reserved(networks) == before, "what the failed ADD took of the other family is free again"
    assert len(daemon.leases()) == 2
    host.cni.delete(config, first)
    host.cni.add(config, third)


def test_a_repeated_add_fails_and_the_live_containers_address_stays_reserved(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    config, sandbox = netconf(ipam=host_local(lan, networks)), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    before = reserved(networks)
    assert host.cni.call("ADD", config, sandbox).error["code"] == 102
    assert reserved(networks) == before
    assert host.cni.check(config, sandbox, added).code == 0
    host.cni.delete(config, sandbox)
    assert reserved(networks) == set()


def test_a_del_that_met_no_daemon_frees_the_address_later(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    config, sandbox = netconf(ipam=host_local(lan, networks)), host.cni.sandbox()
    host.cni.add(config, sandbox)
    daemon.stop()
    host.cni.delete(config, sandbox)
    assert len(reserved(networks)) == 2
    daemon.start()
    eventually(lambda: reserved(networks) == set(), what="the tombstone is collected")
    eventually(lambda: sandbox.links() == set(), what="the link is gone")
    assert daemon.leases() == []


def test_a_plugin_that_is_not_there_is_named(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    error = host.cni.call("ADD", netconf(ipam={"type": "nowhere"}), sandbox).error
    assert error["code"] == 104
    assert "nowhere" in error["msg"]
    assert "CNI_PATH" in error["details"]
    assert sandbox.links() == set()
    assert daemon.leases() == []


def test_every_verb_is_passed_on_with_the_whole_configuration(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    diary = recorder(host, networks)
    config = netconf(version="1.1.0", ipam={"type": "recorder", "answer": 42})
    sandbox = host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert sandbox.interfaces() == [IPv4Interface("192.0.2.20/24")]
    assert host.cni.check(config, sandbox, added).code == 0
    assert host.cni.call("STATUS", config).code == 0
    assert host.cni.call("GC", {**config, "cni.dev/valid-attachments": []}).code == 0
    assert sandbox.links() == set()
    host.cni.delete(config, sandbox)
    asked = [line.split()[0] for line in diary.read_text().splitlines()]
    assert asked == ["ADD", "CHECK", "STATUS", "GC", "DEL"]
    assert '"answer": 42' in diary.with_suffix(".stdin").read_text()


def test_a_delegates_refusal_is_passed_on_with_its_own_code(
    lan: Lan, host: Host, daemon: Daemon, networks: Path
) -> None:
    diary = recorder(host, networks)
    config = netconf(version="1.1.0", ipam={"type": "recorder"})
    sandbox = host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    diary.with_suffix(".fail").touch()
    for verb in ("CHECK", "STATUS", "GC", "DEL"):
        keys = {"prevResult": added.output, "cni.dev/valid-attachments": []}
        error = host.cni.call(verb, config | keys, sandbox).error
        assert (error["code"], "no more of these" in error["msg"]) == (77, True), verb
    assert sandbox.links() == set(), "the interface goes all the same"
    assert daemon.leases() == []
    other = host.cni.sandbox()
    diary.write_text("")
    assert host.cni.call("ADD", config, other).error["code"] == 77
    assert [line.split()[0] for line in diary.read_text().splitlines()] == ["ADD", "DEL"]
    assert other.links() == set()


def recorder(host: Host, folder: Path) -> Path:
    """Put the recording plugin where delegates are found; its diary."""
    diary = folder / "diary"
    plugins = folder / "plugins"
    plugins.mkdir()
    program = plugins / "recorder"
    program.write_text(RECORDER.format(diary=diary))
    program.chmod(0o755)
    host.cni.folders = (*host.cni.folders, plugins)
    return diary
