"""RENEW and RELEASE where ARP matters: a server behind a router, neighbours that answer late or are replaced.

A RENEW is unicast by the container's own kernel, which routes and resolves. A RELEASE is a frame to the next hop of
which the ACK told, because the link goes right after it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from lab import SERVERS, Daemon, Host, Lab, Lan, Sandbox, eventually
from lab.cni import netconf

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from lab import DhcpServer
    from lab.process import Program
    from lab.router import Router

EVERY_SERVER = pytest.mark.parametrize("kind", sorted(SERVERS))
SHORT = {"dnsmasq": 120, "isc": 40, "kea": 40}
"""Seconds: dnsmasq grants no less than two minutes."""
T1 = 3
"""Seconds: dnsmasq takes no less."""
SUCCESSOR = "02:00:00:00:fe:02"


def behind_a_router(lab: Lab, kind: str, config: str = "") -> tuple[Router, DhcpServer, Host, Daemon]:
    near, far = lab.lan(), lab.lan()
    router = lab.router(near, far)
    server = router.serve(kind, lease_time=SHORT[kind], t1=T1, t2=30)
    host = lab.host(near)
    daemon = host.daemon(config)
    daemon.start()
    return router, server, host, daemon


def unicast(source: IPv4Address, server: DhcpServer, *, to: str, sender: str = "[0-9a-f:]+") -> str:
    """What tcpdump says of a datagram from the container's address to the server's, in a frame to that MAC."""
    frame = rf"{sender} > {to}, ethertype IPv4[^\n]*\n\s+"
    return frame + rf"{re.escape(f'{source}.68 > {server.offering.server}.67')}: BOOTP/DHCP, Request"


def renewed(server: DhcpServer, address: IPv4Address, *, times: int = 1) -> None:
    before = server.acknowledged(address)
    eventually(lambda: server.acknowledged(address) >= before + times, within=15, what="a renewal")


@EVERY_SERVER
def test_a_whole_life_behind_a_router(lab: Lab, kind: str) -> None:
    """RFC 2131 sections 4.1 and 4.4.5: DISCOVER by the relay, RENEW routed, RELEASE in a frame to the router."""
    router, server, host, daemon = behind_a_router(lab, kind)
    wire = router.near.capture("udp port 67")
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    mac = sandbox.mac()
    assert address in router.near.network
    assert sandbox.gateway() == router.address
    assert server.addresses() == {address}
    assert daemon.lease()["server"] == str(server.offering.server)
    renewed(server, address, times=2)
    wire.wait_for(unicast(address, server, to=router.mac(), sender=mac))
    assert daemon.lease()["state"] in {"BOUND", "RENEWING"}
    wire.log.mark()
    host.cni.delete(netconf(), sandbox)
    server.wait_for_release(address)
    wire.wait_for(unicast(address, server, to=router.mac(), sender=mac) + r"(.*\n)+?.*Release")
    assert daemon.leases() == []


@EVERY_SERVER
def test_behind_a_router_a_netns_that_is_gone_gives_its_lease_back_from_the_parent(
    lab: Lab, kind: str
) -> None:
    router, server, host, daemon = behind_a_router(lab, kind, '[daemon]\nreconcile_interval = "1s"\n')
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    mac = sandbox.mac()
    wire = router.near.capture("udp port 67")
    sandbox.delete()
    server.wait_for_release(address, within=15)
    wire.wait_for(unicast(address, server, to=router.mac(), sender=mac) + r"(.*\n)+?.*Release")
    eventually(lambda: daemon.leases() == [], what="the journal forgets it")


def test_a_router_that_is_replaced_gets_the_release_from_the_next_renewal_on(lab: Lab) -> None:
    """The next hop is learned again with each renewal: from the kernel, which has just used it."""
    router, server, host, _daemon = behind_a_router(lab, "dnsmasq")
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    wire = router.near.capture("udp port 67")
    router.replace_near_mac(SUCCESSOR)

    def goes_to_the_successor() -> bool:
        router.announce()
        return bool(re.search(unicast(address, server, to=SUCCESSOR), wire.log.new()))

    eventually(goes_to_the_successor, within=15, what="a RENEW to the router's new MAC")
    renewed(server, address)
    wire.log.mark()
    host.cni.delete(netconf(), sandbox)
    server.wait_for_release(address)
    assert re.search(unicast(address, server, to=SUCCESSOR) + r"(.*\n)+?.*Release", wire.log.new())


def served(lab: Lab, kind: str) -> tuple[Lan, Host, Sandbox, IPv4Address]:
    lan = lab.lan()
    lan.serve(kind, lease_time=SHORT[kind], t1=T1, t2=30)
    host = lab.host(lan)
    host.daemon().start()
    sandbox = host.cni.sandbox()
    return lan, host, sandbox, host.cni.add(netconf(), sandbox).interface.ip


def questions(wire: Program, lan: Lan, address: IPv4Address) -> int:
    """How often the container has asked for the server's MAC."""
    return len(re.findall(rf"Request who-has {lan.server.offering.server} tell {address}", wire.log.new()))


@EVERY_SERVER
def test_a_renewal_goes_out_when_the_arp_answer_comes_late(lab: Lab, kind: str) -> None:
    """The kernel keeps the datagram and asks again, once a second; the answer comes after more than one."""
    lan, _host, sandbox, address = served(lab, kind)
    wire = lan.capture("arp or udp port 67")
    lan.lose_arp()
    sandbox.ip("neighbour", "flush", "all")
    eventually(lambda: questions(wire, lan, address) >= 2, within=10, what="a second ARP question")
    before = lan.server.acknowledged(address)
    lan.hear_arp()
    eventually(lambda: lan.server.acknowledged(address) > before, within=5, what="the RENEW was sent late")
    assert sandbox.addresses() == {str(address)}


@EVERY_SERVER
def test_a_release_arrives_though_nobody_answers_arp(lab: Lab, kind: str) -> None:
    """RFC 2131 section 4.4.6: it can't be repeated, and an ARP question would go with the link."""
    lan, host, sandbox, address = served(lab, kind)
    lan.lose_arp()
    sandbox.ip("neighbour", "flush", "all")
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(address)


@pytest.mark.parametrize(
    ("chain", "match", "asked"), [("output", "dport", "the server"), ("input", "sport", "everybody")]
)
def test_line_13_the_containers_firewall_costs_it_no_lease(
    lab: Lab, chain: str, match: str, asked: str
) -> None:
    """What may not leave leaves as a frame; what may not come in is made up for at T2. Frames pass no firewall."""
    lan = lab.lan()
    lan.serve("kea", lease_time=60, t1=2, t2=4)
    host = lab.host(lan)
    host.daemon().start()
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    sandbox.run("nft", "-f", "-", stdin=FIREWALL.format(chain=chain, match=match))
    wire = lan.capture("udp port 67")
    renewed(lan.server, address, times=3)
    to = {"the server": lan.server.offering.server, "everybody": "255.255.255.255"}[asked]
    assert f"{address}.68 > {to}.67" in wire.log.text()
    assert sandbox.addresses() == {str(address)}


def test_line_13_where_the_container_has_port_68_a_renewal_is_a_frame(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("kea", lease_time=60, t1=2, t2=30)
    host = lab.host(lan)
    host.daemon().start()
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    own = host.program(*sandbox.enter, "/usr/bin/python3", "-c", OWN_CLIENT, log="own.log")
    own.wait_for("bound")
    wire = lan.capture("udp port 67")
    renewed(lan.server, address, times=2)
    assert f"{address}.68 > {lan.server.offering.server}.67" in wire.log.text()
    assert own.alive


FIREWALL = """
table ip firewall {{
    chain dhcp {{ type filter hook {chain} priority 0; policy accept; udp {match} 67 drop; }}
}}
"""
OWN_CLIENT = """
import signal, socket
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("0.0.0.0", 68))
print("bound", flush=True)
signal.pause()
"""
