"""Faults of podman: containers that die without a word, and restarts that look like ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.cni import netconf
from lab.wait import never

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan

PERIOD = 3.0
SOON = f'[daemon]\nreconcile_interval = "{PERIOD:.0f}s"\ngrace_period = "1s"\n'
HOOKNET_MAIN = {"type": "hooknet", "master": "host0"}


@pytest.fixture
def following(host: Host) -> Daemon:
    """A daemon that follows podman and reconciles often."""
    host.podman.service()
    host.conflist("lan", HOOKNET_MAIN)
    daemon = host.daemon(SOON, podman_url=host.podman.url)
    daemon.start()
    return daemon


def test_fault_25_a_container_whose_conmon_died_with_it_is_found_by_its_dead_process(
    lan: Lan, host: Host, following: Daemon
) -> None:
    address = host.podman.start("web", network="lan").address()
    [row] = json.loads(host.podman("inspect", "web").stdout)
    netns = row["NetworkSettings"]["SandboxKey"]
    os.kill(row["State"]["ConmonPid"], signal.SIGKILL)
    os.kill(row["State"]["Pid"], signal.SIGKILL)
    assert Path(netns).exists()
    never(lambda: address not in lan.server.addresses(), during=PERIOD * 0.6, what="released too early")
    lan.server.wait_for_release(address, within=4 * PERIOD)
    eventually(lambda: following.leases() == [], what="the journal forgets it")


def test_fault_25a_what_podman_does_not_know_is_left_alone_while_its_netns_lives(
    lan: Lan, host: Host, following: Daemon
) -> None:
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    never(lambda: address not in lan.server.addresses(), during=2.5 * PERIOD, what="it was released")
    assert [lease["address"] for lease in following.leases()] == [f"{address}/24"]


def test_fault_25a_while_podman_can_not_be_asked_nothing_is_released(lan: Lan, host: Host) -> None:
    service = host.podman.service()
    host.conflist("lan", HOOKNET_MAIN)
    daemon = host.daemon(SOON, podman_url=host.podman.url)
    daemon.start()
    address = host.podman.start("web", network="lan").address()
    service.kill()
    daemon.crash()
    never(lambda: address not in lan.server.addresses(), during=2.5 * PERIOD, what="it was released")
    assert [lease["address"] for lease in daemon.leases()] == [f"{address}/24"]


def test_fault_25b_a_recreation_while_a_tombstone_waits_keeps_its_lease(
    lan: Lan, host: Host, following: Daemon
) -> None:
    address = host.podman.start("web", network="lan").address()
    following.kill()
    host.podman("rm", "-f", "-t", "0", "web")
    assert list((following.run_dir / "tombstones").iterdir())
    following.start()
    again = host.podman.start("web", network="lan")
    assert again.address() == address
    never(
        lambda: address not in lan.server.addresses(), during=2 * PERIOD, what="the successor lost its lease"
    )
    assert not list((following.run_dir / "tombstones").iterdir())


def test_fault_25b_restarts_within_the_grace_period_keep_address_and_lease(
    lan: Lan, host: Host, following: Daemon
) -> None:
    web = host.podman.start("web", network="lan")
    address = web.address()
    host.podman("stop", "-t", "0", "web")
    host.podman("start", "web")
    host.podman("restart", "-t", "0", "web")
    assert web.address() == address
    never(
        lambda: address not in lan.server.addresses(), during=2 * PERIOD, what="the successor lost its lease"
    )
    assert web.address() == address


def test_fault_25b_a_release_that_is_owed_never_hits_the_successor(
    lan: Lan, host: Host, following: Daemon
) -> None:
    """The parent is down when the first life ends, so its RELEASE can't leave; then the name comes back."""
    address = host.podman.start("web", network="lan").address()
    host.netns.ip("link", "set", "host0", "down")
    host.podman("rm", "-f", "-t", "0", "web")
    host.netns.ip("link", "set", "host0", "up")
    again = host.podman.start("web", network="lan")
    assert again.address() == address
    lan.server.log.mark()
    never(lambda: "DHCPRELEASE" in lan.server.log.new(), during=2 * PERIOD, what="a stale RELEASE")
    assert lan.server.addresses() == {address}
