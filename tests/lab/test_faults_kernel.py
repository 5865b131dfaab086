"""Faults below the containers: their netns goes, their parent flaps, is renamed, or is deleted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab import Sandbox, eventually
from lab.cni import netconf
from lab.wait import never

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan

SOON = '[daemon]\nreconcile_interval = "2s"\n'
UNPLUGGED = 4.0


def started(host: Host) -> Daemon:
    daemon = host.daemon(SOON)
    daemon.start()
    return daemon


def test_fault_09_a_netns_that_vanishes_gives_its_lease_back_from_the_parent(lan: Lan, host: Host) -> None:
    daemon = started(host)
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    box.delete()
    lan.server.wait_for_release(address, within=10)
    eventually(lambda: daemon.leases() == [], what="the journal forgets it")


def test_fault_09_another_netns_at_the_same_path_is_never_touched(lan: Lan, host: Host) -> None:
    started(host)
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    mac = box.mac()
    box.delete()
    successor = Sandbox(box.name)
    successor.ip("link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", "other")
    successor.ip("address", "add", f"{address}/24", "dev", "eth0")
    lan.server.wait_for_release(address, within=10)
    host.cni.delete(netconf(), box)
    assert successor.links() == {"eth0", "other"}
    assert [interface.ip for interface in successor.interfaces()] == [address]


def requests(lan: Lan) -> int:
    return len(re.findall("DHCPREQUEST", lan.server.log.text()))


def test_fault_10_a_parent_without_a_carrier_is_waited_for_and_then_the_lease_goes_on(
    lan: Lan, host: Host
) -> None:
    lan.server.restart(t1=1, t2=60, lease_time=120)
    daemon = started(host)
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("host0")["flags"], what="no carrier")
    before = requests(lan)
    never(lambda: box.interfaces() != [address], during=UNPLUGGED, what="the address went")
    lan.replug()
    eventually(lambda: requests(lan) > before, within=10, what="the lease is verified")
    assert requests(lan) - before <= 3, "a flood"
    assert box.interfaces() == [address]
    assert [lease["address"] for lease in daemon.leases()] == [str(address)]


def test_fault_10_a_parent_that_is_renamed_keeps_its_leases_and_can_give_them_back(
    lan: Lan, host: Host
) -> None:
    daemon = started(host)
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface.ip
    host.netns.ip("link", "set", "host0", "down")
    host.netns.ip("link", "set", "host0", "name", "lan9")
    host.netns.ip("link", "set", "lan9", "up")
    eventually(
        lambda: [lease["parent"] for lease in daemon.leases()] == ["lan9"], what="the new name is known"
    )
    box.delete()
    lan.server.wait_for_release(address, within=10)


def rename(host: Host, old: str, new: str) -> None:
    host.netns.ip("link", "set", old, "down")
    host.netns.ip("link", "set", old, "name", new)
    host.netns.ip("link", "set", new, "up")


def test_fault_10_a_parent_that_was_renamed_while_the_daemon_was_down_is_known_by_its_index(
    lan: Lan, host: Host
) -> None:
    """Another interface has its old name by then: what leaves there would reach nobody."""
    lan.server.restart(t1=2, t2=4, lease_time=120)
    daemon = started(host)
    stays, goes = host.cni.sandbox(), host.cni.sandbox()
    address = host.cni.add(netconf(), stays).interface.ip
    gone = host.cni.add(netconf(), goes).interface.ip
    daemon.kill()
    rename(host, "host0", "lan9")
    host.netns.ip("link", "add", "host0", "up", "type", "veth", "peer", "name", "nobody0")
    goes.delete()
    daemon.start()
    lan.server.wait_for_release(gone, within=10)
    eventually(
        lambda: [lease["parent"] for lease in daemon.leases()] == ["lan9"], what="the new name is known"
    )
    seen = lan.server.acknowledged(address)
    eventually(lambda: lan.server.acknowledged(address) > seen, within=10, what="renewals go on")
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("lan9")["flags"], what="no carrier")
    parents = {row["name"]: row["carrier"] for row in daemon.status()["parents"]}
    assert parents == {"lan9": False}
    lan.replug()
    eventually(lambda: daemon.status()["parents"][0]["carrier"], what="the carrier is back")
    stays.delete()
    lan.server.wait_for_release(address, within=10)


def test_fault_10_a_parent_that_is_deleted_takes_its_attachments_along(lan: Lan, host: Host) -> None:
    daemon = started(host)
    box = host.cni.sandbox()
    host.cni.add(netconf(), box)
    host.netns.ip("link", "delete", "host0")
    eventually(lambda: daemon.leases() == [], within=10, what="the journal forgets it")
    assert daemon.alive
    host.cni.delete(netconf(), box)
