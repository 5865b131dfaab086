"""The dns plugin end to end: real containers, real DNS servers, and names that are right in the end."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from lab import Daemon, Host, Lab, Lan, eventually
from lab.daemon import RUN_DIR
from lab.nameservers import NAME_SERVERS, NameServer, new_secret

SETTINGS = """\
[plugins.dns]
name = "{template}"
servers = ["{server}"]
key_file = "{key}"
timeout = "1s"
"""
RIGHT_IN_THE_END = 30.0
"""Seconds: a delivery that failed is tried again after 1, 2, 4, 8, … seconds."""


@pytest.fixture(params=sorted(NAME_SERVERS))
def host(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host on a LAN with dnsmasq for addresses, and a network for its containers."""
    lan = lab.lan()
    lan.serve("dnsmasq")
    host = lab.host(lan)
    host.conflist("example", {"type": "hooknet", "master": "host0"})
    return host


@pytest.fixture
def server(request: pytest.FixtureRequest, host: Host, lab: Lab) -> NameServer:
    """On the same LAN, one that takes updates."""
    kind = request.node.callspec.params["host"]
    lan = host.lans[0]
    server = NAME_SERVERS[kind](lan.netns, lan.address(1), lan.network, lab.folder / "dns")
    lab.cleanup.callback(server.stop)
    server.start()
    return server


def daemon_on(host: Host, server: NameServer, template: str = "{name}.{network}.lan.example") -> Daemon:
    config = SETTINGS.format(template=template, server=server.where, key=server.key_file())
    daemon = host.following_daemon(config=config)
    daemon.start()
    return daemon


def has_address(server: NameServer, name: str, address: str) -> bool:
    return server.addresses(name) == {address}


def nothing_of(server: NameServer, name: str, address: str) -> bool:
    return not (server.ask(name) or server.ask(name, "DHCID") or server.names(address))


def test_a_containers_name_is_there_while_it_lives_and_gone_afterwards(
    host: Host, server: NameServer
) -> None:
    daemon_on(host, server)
    container = host.podman.start("web", network="example")
    address = str(container.address())
    eventually(lambda: server.names(address) == ["web.example.lan.example"], what="the PTR record")
    assert server.addresses("web.example.lan.example") == {address}
    container.rm()
    eventually(lambda: nothing_of(server, "web.example.lan.example", address), what="nothing is left")


def test_a_container_recreated_under_its_name_has_it_again(host: Host, server: NameServer) -> None:
    daemon_on(host, server)
    name, address = "web.example.lan.example", ""
    for _ in range(3):
        container = host.podman.start("web", network="example")
        address = str(container.address())
        eventually(partial(has_address, server, name, address), what="the A record")
        container.rm()
    eventually(lambda: nothing_of(server, name, address), what="nothing is left")


def test_fault_22_a_foreign_name_is_not_overwritten_and_the_container_runs(
    host: Host, server: NameServer
) -> None:
    daemon = daemon_on(host, server, "{name}.lan.example")
    container = host.podman.start("printer", network="example")
    daemon.wait_for(r"printer\.lan\.example is not ours in DNS")
    assert container.address() in host.lans[0].server.addresses()
    container.rm()
    eventually(lambda: daemon.leases() == [], what="the lease is given back")
    assert server.ask_with_ttl("printer.lan.example") == [("192.0.2.9", 60)]


def test_fault_22_a_server_that_was_down_for_a_whole_life_is_right_in_the_end(
    host: Host, server: NameServer
) -> None:
    """Two containers, one gone and one alive when the server comes back; hooknet was restarted meanwhile."""
    daemon = daemon_on(host, server)
    server.stop()
    gone = host.podman.start("gone", network="example")
    past = str(gone.address())
    daemon.wait_for(r"can't be reached|did not answer in time")
    alive = host.podman.start("alive", network="example")
    gone.rm()
    daemon.restart()
    assert daemon.hooknet("plugins").stdout.count("dns") >= 1
    server.start()
    eventually(
        lambda: server.names(alive.address()) == ["alive.example.lan.example"],
        within=RIGHT_IN_THE_END,
        what="the living",
    )
    eventually(
        lambda: nothing_of(server, "gone.example.lan.example", past),
        within=RIGHT_IN_THE_END,
        what="the gone one",
    )
    assert server.addresses("alive.example.lan.example") == {str(alive.address())}


def test_fault_22_a_name_is_removed_after_a_server_was_down_at_the_end(
    host: Host, server: NameServer
) -> None:
    daemon = daemon_on(host, server)
    container = host.podman.start("web", network="example")
    address = str(container.address())
    eventually(lambda: server.names(address), what="the PTR record")
    server.stop()
    container.rm()
    daemon.wait_for(r"can't be reached|did not answer in time")
    server.start()
    gone = "nothing is left"
    eventually(
        lambda: nothing_of(server, "web.example.lan.example", address), within=RIGHT_IN_THE_END, what=gone
    )


def test_fault_22_a_wrong_key_is_seen_in_hooknet_plugins_and_is_no_strike(
    host: Host, server: NameServer
) -> None:
    daemon = daemon_on(host, server)
    server.key_file(secret=new_secret())
    container = host.podman.start("web", network="example")
    seen = eventually(lambda: complaint_of(daemon), what="the plugin asks for another try")
    assert (seen["strikes"], seen["failures"], seen["state"]) == (0, 0, "active")
    assert "another secret or algorithm for the key" in seen["last_error"]
    server.key_file()
    eventually(
        lambda: server.addresses("web.example.lan.example") == {str(container.address())},
        within=RIGHT_IN_THE_END,
        what="the A record, once the key is right",
    )
    eventually(lambda: complaint_of(daemon) is None, what="nothing is complained of any more")


def complaint_of(daemon: Daemon) -> dict[str, Any] | None:
    """The dns plugin's row in `hooknet plugins`, once it has an error to show; the table shows it as well."""
    rows = json.loads(daemon.hooknet("plugins", "--format", "json", check=False).stdout)["plugins"]
    row: dict[str, Any] = next(one for one in rows if one["name"] == "dns")
    if row["last_error"] is None:
        return None
    assert "asks for another try" in daemon.hooknet("plugins", check=False).stdout
    return row


def test_hosts_files_follow_real_containers(lab: Lab, lan: Lan) -> None:
    host = lab.host(lan)
    host.conflist("example", {"type": "hooknet", "master": "host0"})
    config = '[plugins.dns]\nmode = "hosts"\nname = "{name}.{network}.lan.example"\n'
    host.following_daemon(config=config).start()
    container = host.podman.start("web", network="example")
    path, line = RUN_DIR / "hosts/example.hosts", f"{container.address()}\tweb.example.lan.example\n"
    eventually(lambda: path.exists() and path.read_text(encoding="utf-8").endswith(line), what="the line")
    container.rm()
    eventually(lambda: line not in path.read_text(encoding="utf-8"), what="the line goes")
