"""short-lease against real servers: what is asked for is granted, and a small pool serves a crowd."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.cni import netconf
from lab.process import run

if TYPE_CHECKING:
    from lab import Host

DAY = 86400
BOOT_ID = "/proc/sys/kernel/random/boot_id"
FIVE_MINUTES = '[plugins.short-lease]\nlease_time = "5m"\n'
EVERY_SERVER = pytest.mark.parametrize("kind", ["dnsmasq", "isc", "kea"])


@EVERY_SERVER
def test_a_server_whose_leases_last_a_day_grants_five_minutes(plugged, serving, kind):
    lan, host = plugged(kind, lease_time=DAY)
    daemon = serving(host, FIVE_MINUTES)
    wire = lan.capture()
    host.cni.add(netconf(), host.cni.sandbox())
    wire.wait_for(r"DHCP-Message.*: ACK(.|\n)*?Lease-Time.*: 300\b")
    [lease] = daemon.leases()
    assert (lease["lease_time"], lease["changed_by"]) == (300, {"lease_time": "short-lease"})
    assert "granted" not in daemon.log.text()


@EVERY_SERVER
def test_without_the_plugin_it_is_a_day(plugged, serving, kind):
    _, host = plugged(kind, lease_time=DAY)
    daemon = serving(host, "")
    host.cni.add(netconf(), host.cni.sandbox())
    assert [lease["lease_time"] for lease in daemon.leases()] == [DAY]


def test_a_container_asks_by_its_label_and_the_rules_decide_for_the_others(plugged, serving):
    _, host = plugged(lease_time=DAY)
    rules = '[plugins.short-lease]\nlabel = "hooknet.lease"\n[[plugins.short-lease.rules]]\n'
    daemon = serving(
        host, rules + 'image = "*/box*"\nname = "job-*"\nlease_time = "10m"\n', follow_podman=True
    )
    host.podman.start("web", "--label=hooknet.lease=3m", network="lan")
    host.podman.start("job-1", network="lan")
    host.podman.start("db", network="lan")
    assert {lease["container"]: lease["lease_time"] for lease in daemon.leases()} == {
        "web": 180,
        "job-1": 600,
        "db": DAY,
    }


def test_a_server_that_ignores_the_wish_is_told_of_once_and_gets_every_lease_back(plugged, serving):
    lan, host = plugged("kea", lease_time=DAY, extra=(json.dumps({"min-valid-lifetime": DAY}),))
    daemon = serving(host, FIVE_MINUTES)
    for _ in range(2):
        sandbox = host.cni.sandbox()
        reply = host.cni.add(netconf(), sandbox)
        daemon.log.wait_for("granted 86400 s where 300 s was asked for.*min-valid-lifetime in Kea")
        host.cni.delete(netconf(), sandbox)
        lan.server.wait_for_release(reply.interface.ip)
    assert daemon.log.text().count("was asked for") == 1


@pytest.fixture
def another_boot(tmp_path):
    """`another_boot()`: what comes now finds another boot-id."""
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")
    yield lambda: run(["mount", "--bind", tmp_path / "boot_id", BOOT_ID])
    run(["umount", BOOT_ID], check=False)


def test_after_a_reboot_the_short_time_is_kept_for_who_does_not_come_back(plugged, serving, another_boot):
    """A server that granted a day would keep the address for a day: nobody is there to give it back."""
    lan, host = plugged("kea", lease_time=DAY, extra=(json.dumps({"min-valid-lifetime": DAY}),))
    daemon = serving(host, '[daemon]\nreconcile_interval = "1s"\n[plugins.short-lease]\nlease_time = "10s"\n')
    lost, back = host.cni.sandbox(), host.cni.sandbox()
    began = time.monotonic()
    addresses = [host.cni.add(netconf(), box).interface.ip for box in (lost, back)]
    eventually(lambda: {lease["phase"] for lease in daemon.leases()} == {"REPLIED"}, what="both are answered")
    daemon.kill()
    lost.delete()
    back.delete()
    another_boot()
    daemon.start()
    eventually(lambda: daemon.leases() == [], what="what is void is forgotten")
    again = host.cni.sandbox()
    reply = host.cni.add(netconf(), again, args=f"IgnoreUnknown=1;K8S_POD_NAME={back.name}")
    assert reply.interface.ip == addresses[1]
    daemon.crash()
    lan.server.wait_for_release(addresses[0], within=30)
    assert time.monotonic() - began >= 10, "it was given back before the time that was asked for"
    daemon.wait_for("did not come back in the time that was asked for")
    eventually(lambda: rows(daemon) == ["REPLIED"], what="nothing more is owed")
    assert lan.server.addresses() == {addresses[1]}, "the one that came back must keep its lease"


def rows(daemon):
    with sqlite3.connect(daemon.state_dir / "hooknet.db") as database:
        return [phase for (phase,) in database.execute("SELECT phase FROM attachments")]


def live_shortly(host: Host) -> str:
    """One short-lived container, without podman: attached, and gone again. Returns why it was refused, if it was."""
    sandbox = host.cni.sandbox()
    reply = host.cni.call("ADD", netconf(), sandbox)
    gone = host.cni.call("DEL", netconf(), sandbox)
    sandbox.delete()
    assert gone.code == 0, str(gone)
    return str(reply) if reply.code else ""


def run_shortly(host: Host) -> str:
    """The same with podman."""
    done = host.podman("run", "--rm", "--network=lan", "localhost/box", "true", check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["dnsmasq", "kea"])
def test_three_hundred_short_lived_containers_share_twenty_addresses_and_none_is_refused(
    plugged, serving, kind
):
    """Ten at a time; 280 without podman, whose start is what takes time, and 20 real ones among them."""
    lan, host = plugged(kind, lease_time=DAY, first=100, last=119)
    daemon = serving(host, FIVE_MINUTES)
    with ThreadPoolExecutor(8) as crowd, ThreadPoolExecutor(2) as podmans:
        real = [podmans.submit(run_shortly, host) for _ in range(20)]
        bare = [crowd.submit(live_shortly, host) for _ in range(280)]
        refused = [why for one in bare + real if (why := one.result())]
    assert refused == []
    eventually(lambda: lan.server.leases() == [], what="every address is back in the pool")
    assert daemon.leases() == []
