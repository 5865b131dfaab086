"""Fault 35: a thousand leases cost memory, and neither threads nor descriptors nor floods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network

import pytest
from lab import Daemon, Lab, Lan, Sandbox, eventually, hardened
from lab.cni import netconf
from lab.process import run

LEASES = 1000
NETNSES = 25
AT_ONCE = 8
LEASE_TIME = 300
"""Seconds. Who loses the REQUEST of T1 and that of T2 asks again at half of what is left: after 175 s and 237 s."""
FEW_THREADS = 45
"""The kernel pool's 32, the journal's, podman's, the plugins' and the loop's own."""
FEW_DESCRIPTORS = 100
"""32 exchanges at once have two sockets each; then there are the loop's own."""


def acquaint(lan: Lan, boxes: list[Sandbox], daemon: Daemon) -> None:
    """Server and clients know each other for good, and their entries don't count in the kernel's table of neighbours:
    it has room for 1024, and is one for this lab, its server's machine, and every other lab beside it."""
    leases = daemon.leases()
    clients = [f"{row['address'].partition('/')[0]} lladdr {row['mac']} dev lan0" for row in leases]
    know(lan.name, clients)
    mac = lan.netns.mac("lan0")
    for box in boxes:
        own = [row for row in leases if row["netns"] == str(box.path)]
        know(box.name, [f"{row['server']} lladdr {mac} dev {row['ifname']}" for row in own])


def know(netns: str, neighbours: list[str]) -> None:
    lines = "".join(f"neigh replace {one} nud permanent\n" for one in neighbours)
    run(["ip", "-n", netns, "-batch", "-"], stdin=lines)


@pytest.mark.long
def test_fault_35_a_thousand_leases_renew_with_as_many_threads_and_descriptors_as_one(lab: Lab) -> None:
    lan = lab.lan()
    lan.netns.ip("-4", "address", "flush", "dev", "lan0")  # Kea chooses the subnet by the first address
    lan.serve(
        "kea", network=IPv4Network("10.77.0.0/16"), first=256, last=4000, lease_time=LEASE_TIME, t1=30, t2=50
    )
    host = lab.host(lan)
    daemon = host.daemon('[network.lan]\nacd = "off"\n')
    daemon.start()
    boxes = [host.cni.sandbox() for _ in range(NETNSES)]
    host.cni.add(netconf(), boxes[0], ifname="one")
    eventually(lambda: daemon.leases()[0]["phase"] == "REPLIED", what="one lease")
    threads, descriptors = daemon.threads(), daemon.descriptors()

    def attach(number: int) -> None:
        box: Sandbox = boxes[number % NETNSES]
        args = f"K8S_POD_NAME=c{number}"
        host.cni.add(netconf(), box, ifname=f"e{number}", args=args)

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        list(crowd.map(attach, range(LEASES - 1)))
    rows = {row["ifname"]: row["obtained"] for row in daemon.leases()}
    assert len(rows) == LEASES
    acquaint(lan, boxes, daemon)
    peak = [0, 0]

    def all_renewed() -> bool:
        peak[0], peak[1] = max(peak[0], daemon.threads()), max(peak[1], daemon.descriptors())
        now = {row["ifname"]: row for row in daemon.leases()}
        late = [row for name, row in now.items() if row["obtained"] <= rows[name]]
        assert not late, f"{len(late)} were not renewed: {late[0]}"
        return True

    eventually(all_renewed, within=LEASE_TIME, what="every lease is renewed before it ends")
    assert peak[0] <= threads + FEW_THREADS, f"{peak[0]} threads"
    assert peak[1] <= descriptors + FEW_DESCRIPTORS, f"{peak[1]} descriptors"
    assert peak[0] <= hardened.setting("TasksMax")
    assert daemon.peak_memory() <= hardened.setting("MemoryMax"), f"{daemon.peak_memory()} bytes"
    assert len(lan.server.addresses()) == LEASES
    daemon.crash()
    eventually(lambda: len(daemon.leases()) == LEASES, what="all of them are restored")
    assert daemon.peak_memory() <= hardened.setting("MemoryMax"), f"{daemon.peak_memory()} bytes"
    assert len(lan.server.addresses()) == LEASES
