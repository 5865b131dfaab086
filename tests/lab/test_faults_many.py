"""Fault 35: a thousand leases cost memory, and neither threads nor descriptors nor floods."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network

import pytest
from lab import Daemon, Lab, Lan, Sandbox, eventually
from lab.cni import netconf
from lab.process import run

LEASES = 1000
NETNSES = 25
AT_ONCE = 8
FEW_THREADS = 45
"""The kernel pool's 32, the journal's, podman's, the plugins' and the loop's own."""
FEW_DESCRIPTORS = 100
"""32 exchanges at once have two sockets each; then there are the loop's own."""


def acquaint(lan: Lan, daemon: Daemon) -> None:
    """The server's machine has the kernel's table of neighbours (1024) to itself outside of a lab; what is permanent
    does not count there."""
    known = (f"{row['address'].partition('/')[0]} lladdr {row['mac']}" for row in daemon.leases())
    lines = "".join(f"neigh replace {one} dev lan0 nud permanent\n" for one in known)
    run(["ip", "-n", lan.name, "-batch", "-"], stdin=lines)


@pytest.mark.long
def test_fault_35_a_thousand_leases_renew_with_as_many_threads_and_descriptors_as_one(lab: Lab) -> None:
    lan = lab.lan()
    lan.netns.ip("-4", "address", "flush", "dev", "lan0")  # Kea chooses the subnet by the first address
    lan.serve("kea", network=IPv4Network("10.77.0.0/16"), first=256, last=4000, lease_time=300, t1=30, t2=50)
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
    acquaint(lan, daemon)
    peak = [0, 0]

    def all_renewed() -> bool:
        peak[0], peak[1] = max(peak[0], daemon.threads()), max(peak[1], daemon.descriptors())
        now = {row["ifname"]: row for row in daemon.leases()}
        late = [row for name, row in now.items() if row["obtained"] <= rows[name]]
        assert not late, f"{len(late)} were not renewed: {late[0]}"
        return True

    eventually(all_renewed, within=120, what="every lease is renewed")
    assert peak[0] <= threads + FEW_THREADS, f"{peak[0]} threads"
    assert peak[1] <= descriptors + FEW_DESCRIPTORS, f"{peak[1]} descriptors"
    assert len(lan.server.addresses()) == LEASES
    daemon.crash()
    eventually(lambda: len(daemon.leases()) == LEASES, what="all of them are restored")
    assert len(lan.server.addresses()) == LEASES
