"""The dns plugin's hosts files, read by a real dnsmasq that runs as nobody and is never told to read them again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, eventually
from lab.nameservers import ASK, lines_of
from lab.netns import Netns
from lab.process import Program
from lab.servers import executable

import hooknet
from hooknet.testing import make_attachment, make_lease
from hooknet.testing.plugins import PluginHarness
from hooknet_dns import make_plugin

NAME = "web.lan.lan.example"


class HostsReader:
    """dnsmasq as a DNS server that knows nothing but a folder of hosts files."""

    def __init__(self, netns: Netns, address: str, hosts: Path, log: Path) -> None:
        self.netns = netns
        self.address = address
        options = [
            f"--listen-address={address}",
            "--bind-interfaces",
            "--no-hosts",
            "--no-resolv",
            "--no-poll",
        ]
        options += [f"--hostsdir={hosts}", "--local=/lan.example/", "--user=nobody", "--pid-file="]
        command = [*netns.enter, executable("dnsmasq"), "--no-daemon", "--conf-file=/dev/null", *options]
        self.process = Program(command, log)

    def start(self) -> None:
        self.process.start()
        self.process.wait_for("started, version")

    def ask(self, name: str, kind: str = "A") -> list[str]:
        done = self.netns.run(sys.executable, "-c", ASK, self.address, "53", name, kind)
        return [data.rstrip(".") for data, _ in lines_of(done.stdout)]

    def will_say(self, name: str, kind: str, *expected: str) -> None:
        eventually(
            lambda: sorted(self.ask(name, kind)) == sorted(expected), what=f"{name} {kind} is {expected}"
        )


@pytest.fixture
def hosts(bare_lab: Lab) -> Path:
    return bare_lab.folder / "hosts"


@pytest.fixture
def state(bare_lab: Lab) -> Path:
    folder = bare_lab.folder / "state"
    folder.mkdir()
    return folder


def plugin(hosts: Path, state: Path, **settings: Any) -> PluginHarness:
    """A daemon's plugin; another one with the same state is that daemon after a restart."""
    given = {"mode": "hosts", "name": "{name}.{network}.lan.example", "hosts_dir": str(hosts), **settings}
    return PluginHarness(make_plugin, settings=given, name="dns", state_dir=state)


@pytest.fixture
def dns(hosts: Path, state: Path) -> PluginHarness:
    return plugin(hosts, state)


@pytest.fixture
def reader(bare_lab: Lab, dns: PluginHarness, hosts: Path) -> Iterator[HostsReader]:
    """Started after the plugin made the folder, and before there is anything in it."""
    lan = bare_lab.lan()
    reader = HostsReader(lan.netns, str(lan.address(1)), hosts, bare_lab.folder / "dnsmasq.log")
    reader.start()
    yield reader
    reader.process.stop()


def lease(number: int = 50, **changes: Any) -> hooknet.Lease:
    address = IPv4Interface(f"192.0.2.{number}/24")
    return make_lease(**{"address": address, "obtained": datetime.now(UTC), **changes})


def test_dnsmasq_knows_a_name_while_the_lease_lasts(dns: PluginHarness, reader: HostsReader) -> None:
    assert reader.ask(NAME) == []
    dns.post_lease(lease=lease(50))
    reader.will_say(NAME, "A", "192.0.2.50")
    assert reader.ask("50.2.0.192.in-addr.arpa", "PTR") == [NAME]
    dns.release(lease=lease(50))
    reader.will_say(NAME, "A")
    assert reader.ask("50.2.0.192.in-addr.arpa", "PTR") == []


def test_dnsmasq_follows_a_changed_address(dns: PluginHarness, reader: HostsReader) -> None:
    dns.post_lease(lease=lease(50))
    reader.will_say(NAME, "A", "192.0.2.50")
    dns.post_lease(lease=lease(60), reason=hooknet.PostLeaseReason.CHANGED, previous=lease(50))
    reader.will_say(NAME, "A", "192.0.2.60")
    assert reader.ask("50.2.0.192.in-addr.arpa", "PTR") == []


def test_one_container_of_many_goes_and_the_others_stay(dns: PluginHarness, reader: HostsReader) -> None:
    many = {n: make_attachment(container_id=f"c{n}", container_name=f"c{n}") for n in range(10, 30)}
    for number, attachment in many.items():
        dns.post_lease(attachment, lease(number))
    reader.will_say("c29.lan.lan.example", "A", "192.0.2.29")
    dns.release(many[20], lease(20))
    reader.will_say("c20.lan.lan.example", "A")
    assert reader.ask("c19.lan.lan.example") == ["192.0.2.19"]


def test_networks_have_files_of_their_own(dns: PluginHarness, reader: HostsReader, hosts: Path) -> None:
    dns.post_lease(lease=lease(50))
    dns.post_lease(make_attachment(container_id="other", network="guests"), lease(60))
    reader.will_say("web.guests.lan.example", "A", "192.0.2.60")
    assert {path.name for path in hosts.iterdir()} == {"lan.hosts", "guests.hosts"}
    dns.release(lease=lease(50))
    reader.will_say(NAME, "A")
    assert reader.ask("web.guests.lan.example") == ["192.0.2.60"]


def test_dnsmasq_forgets_what_ran_out_while_hooknet_was_away(
    dns: PluginHarness, reader: HostsReader, hosts: Path, state: Path
) -> None:
    nearly_over = lease(50, obtained=datetime.now(UTC) - timedelta(seconds=3599), lease_time=3600)
    dns.post_lease(lease=nearly_over)
    dns.post_lease(make_attachment(container_id="other", container_name="db"), lease(60))
    reader.will_say(NAME, "A", "192.0.2.50")
    eventually(lambda: datetime.now(UTC) > nearly_over.expires, what="the lease runs out")
    plugin(hosts, state)
    reader.will_say(NAME, "A")
    assert reader.ask("db.lan.lan.example") == ["192.0.2.60"]


def test_dnsmasq_forgets_a_file_of_a_former_run(
    dns: PluginHarness, reader: HostsReader, hosts: Path, state: Path
) -> None:
    dns.post_lease(lease=lease(50))
    reader.will_say(NAME, "A", "192.0.2.50")
    for path in state.iterdir():
        path.unlink()
    plugin(hosts, state)
    reader.will_say(NAME, "A")


def test_dnsmasq_reads_what_is_there_when_it_starts(dns: PluginHarness, reader: HostsReader) -> None:
    reader.process.stop()
    dns.post_lease(lease=lease(50))
    reader.start()
    reader.will_say(NAME, "A", "192.0.2.50")
