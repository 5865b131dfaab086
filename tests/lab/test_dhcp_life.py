"""The life of a lease against real servers: renewed, refused, moved, declined, lost, and found again.

What needs hours or chance is in tests/sim; here the servers are dnsmasq, Kea and ISC dhcpd, and the wire is real.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

import pytest
from lab import SERVERS, Daemon, Host, Lab, Lan, eventually
from lab.cni import netconf
from lab.servers import INFINITE

EVERY_SERVER = pytest.mark.parametrize("kind", sorted(SERVERS))
END_OF_31_BITS = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)
SHORTEST = {"dnsmasq": 120, "isc": 6, "kea": 6}
"""Seconds: dnsmasq grants no less than two minutes."""


def place(lab: Lab, kind: str, **offering: Any) -> tuple[Lan, Host, Daemon]:
    lan = lab.lan()
    lan.serve(kind, **offering)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    return lan, host, daemon


@EVERY_SERVER
def test_a_whole_life(lab: Lab, kind: str) -> None:
    """DISCOVER to ACK, renewals, RELEASE: the server's own database agrees at each step."""
    lan, host, daemon = place(lab, kind, lease_time=max(SHORTEST[kind], 40), t1=3, t2=30)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    assert lan.server.addresses() == {reply.interface.ip}
    eventually(
        lambda: lan.server.acknowledged(reply.interface.ip) >= 4,
        within=15,
        what="three renewals, long before T2",
    )
    assert daemon.lease()["state"] in {"BOUND", "RENEWING"}
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(reply.interface.ip)
    assert daemon.leases() == []


def change_of_mind(lan: Lan, kind: str, address: str) -> None:
    """The server comes back and will not have `address` leased to us: each has its own way to say NAK."""
    match kind:
        case "dnsmasq":
            lan.server.restart(forget=True, first=10, last=19, t1=30, t2=40, extra=("dhcp-authoritative",))
        case "isc":  # which knows no such lease and stays silent, until it is asked by INIT-REBOOT
            lan.server.restart(forget=True, network=IPv4Network("10.99.0.0/24"), t1=30, t2=40)
            lan.unplug()
            lan.replug()
        case _:
            theirs = {"hw-address": "02:00:00:00:00:99", "ip-address": address}
            pools = [{"pool": f"{lan.address(100)} - {lan.address(199)}"}]
            subnet = {"id": 1, "subnet": str(lan.network), "pools": pools, "reservations": [theirs]}
            lan.server.restart(t1=30, t2=40, extra=(json.dumps({"subnet4": [subnet]}),))


@EVERY_SERVER
def test_a_server_that_changes_its_mind_says_nak_and_the_container_moves(lab: Lab, kind: str) -> None:
    """RFC 2131 section 4.4.5: a NAK drops the address at once; then a new one is on the interface."""
    lan, host, daemon = place(lab, kind, lease_time=120, t1=3, t2=5)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    change_of_mind(lan, kind, str(before.ip))
    eventually(lambda: daemon.heard("release", "NAK"), within=30, what="the NAK")
    eventually(lambda: sandbox.addresses() not in ({str(before.ip)}, set()), within=30, what="a new address")
    assert sandbox.addresses() == {daemon.lease()["address"].partition("/")[0]}
    assert sandbox.gateway() == lan.server.offering.server
    assert lan.server.lease_of(sandbox.interfaces()[0].ip) is not None


@EVERY_SERVER
def test_a_server_that_is_gone_past_t2_and_back_keeps_the_lease(lab: Lab, kind: str) -> None:
    lan, host, daemon = place(lab, kind, lease_time=max(SHORTEST[kind], 20), t1=1, t2=3)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    lan.server.stop()
    eventually(lambda: daemon.lease()["state"] == "REBINDING", within=10, what="rebinding")
    assert sandbox.addresses() == {str(before.ip)}
    lan.server.start()
    daemon.restart()  # what is overdue is asked at once, and not after RFC 2131's minute
    eventually(lambda: daemon.lease()["state"] == "BOUND", within=20, what="bound again")
    assert sandbox.addresses() == {str(before.ip)}


@EVERY_SERVER
def test_a_restored_lease_in_doubt_is_asked_for_by_init_reboot(lab: Lab, kind: str) -> None:
    """RFC 2131 sections 3.2 and 4.3.2: option 50, no server-id; every server knows the lease and says ACK."""
    lan, host, daemon = place(lab, kind)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    daemon.stop()
    sandbox.ip("address", "delete", str(before), "dev", "eth0")
    wire = lan.capture("udp port 67")
    acknowledged = lan.server.acknowledged(before.ip)
    daemon.start()
    eventually(lambda: lan.server.acknowledged(before.ip) > acknowledged, within=15, what="the ACK")
    eventually(lambda: daemon.lease()["state"] == "BOUND", within=5, what="bound again")
    asked = wire.log.text().partition("BOOTP/DHCP, Reply")[0]
    assert f"Requested-IP (50), length 4: {before.ip}" in asked
    assert "Server-ID (54)" not in asked
    assert "Discover" not in asked
    assert sandbox.interfaces() == [before]


@pytest.mark.long
def test_a_server_that_comes_back_a_minute_after_t2_is_asked_again_by_itself(lab: Lab) -> None:
    """RFC 2131 section 4.4.5: in REBINDING after half of what is left, a minute at least. All servers at once."""
    lans = [lab.lan() for _ in SERVERS]
    for lan, kind in zip(lans, sorted(SERVERS), strict=True):
        lan.serve(kind, lease_time=130, t1=1, t2=3)
    host = lab.host(*lans)
    daemon = host.daemon()
    daemon.start()
    sandboxes = [host.cni.sandbox() for _ in lans]
    nets = [netconf(f"lan{number}", master=f"host{number}") for number, _ in enumerate(lans)]
    before = [host.cni.add(net, box).interface for net, box in zip(nets, sandboxes, strict=True)]
    for lan in lans:
        lan.server.stop()
    eventually(
        lambda: {lease["state"] for lease in daemon.leases()} == {"REBINDING"}, within=15, what="rebinding"
    )
    for lan in lans:
        lan.server.start()
    eventually(lambda: {lease["state"] for lease in daemon.leases()} == {"BOUND"}, within=90, what="bound")
    assert [box.interfaces() for box in sandboxes] == [[address] for address in before]


@pytest.mark.parametrize("kind", ["isc", "kea"])
def test_a_server_that_is_gone_until_the_lease_has_run_out_and_is_back(lab: Lab, kind: str) -> None:
    """RFC 2131 section 4.4.5: the address goes at the end of the lease, and comes back with the server. (With dnsmasq
    this takes two minutes.)
    """
    lan, host, daemon = place(lab, kind, lease_time=SHORTEST[kind], t1=1, t2=3)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    lan.server.stop()
    eventually(lambda: daemon.heard("release", "EXPIRED"), within=20, what="the end of the lease")
    assert sandbox.addresses() == set()
    assert sandbox.gateway() is None
    lan.server.start()
    eventually(lambda: sandbox.interfaces() == [before], within=40, what="the address is back")
    assert daemon.heard("lease", "BOUND")


@pytest.mark.parametrize(("one", "another"), [("dnsmasq", "kea"), ("kea", "isc"), ("isc", "dnsmasq")])
def test_two_servers_at_once_and_one_lease(lab: Lab, one: str, another: str) -> None:
    """RFC 2131 section 3.1: one offer is taken and the other lapses; renewals go to the server that granted."""
    lan, host, daemon = place(lab, one, first=100, last=149, lease_time=SHORTEST[one], t1=1, t2=4)
    machine = lan.machine(lan.address(3))
    lan.serve(another, on=machine, host=3, first=150, last=199, lease_time=SHORTEST[another], t1=1, t2=4)
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(), sandbox).interface.ip
    granted, other = sorted(lan.servers, key=lambda server: server.lease_of(address) is None)
    assert granted.addresses() == {address}
    assert other.addresses() == set()
    assert daemon.lease()["server"] == str(granted.offering.server)
    eventually(lambda: granted.acknowledged(address) >= 4, within=20, what="three renewals, long before T2")
    assert other.addresses() == set()
    assert sandbox.addresses() == {str(address)}
    host.cni.delete(netconf(), sandbox)
    granted.wait_for_release(address)


def test_fault_15_at_t2_another_server_takes_over_the_same_address(lab: Lab) -> None:
    """RFC 2131 section 4.4.5: in REBINDING any server may extend the lease; the address stays on the interface."""
    lan, host, daemon = place(lab, "dnsmasq", lease_time=120, t1=3, t2=5)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    lan.server.stop()
    successor = lan.serve(
        "dnsmasq", on=lan.machine(lan.address(3)), host=3, lease_time=120, extra=("dhcp-authoritative",)
    )
    eventually(lambda: daemon.lease()["server"] == str(lan.address(3)), within=20, what="the other server")
    assert sandbox.interfaces() == [before]
    assert not daemon.heard("release", "EXPIRED")
    host.cni.delete(netconf(), sandbox)
    successor.wait_for_release(before.ip)


@pytest.mark.parametrize("acd", ["optimistic", "strict"])
def test_fault_16_an_address_that_another_host_uses_is_declined(lab: Lab, acd: str) -> None:
    """RFC 5227 section 2.1, RFC 2131 section 4.4.4: DECLINE on the wire, another address taken."""
    lan, host, daemon = place(lab, "kea", first=100, last=101)
    squatter = lan.machine(lan.address(100))
    wire = lan.capture("arp or port 67 or port 68")
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(acd=acd, timeout=20), sandbox)
    eventually(
        lambda: daemon.lease()["address"] == f"{lan.address(101)}/24", within=20, what="the free address"
    )
    wire.wait_for("Decline")
    assert sandbox.addresses() == {str(lan.address(101))}
    assert squatter.ping(lan.address(101))
    if acd == "strict":
        assert reply.interface.ip == lan.address(101)


def test_a_conflict_that_comes_later_is_heard_on_the_parent(lab: Lab) -> None:
    """RFC 5227 section 2.4: one defence, then the address is given up and another one taken."""
    lan, host, daemon = place(lab, "kea", first=100, last=110)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    eventually(lambda: daemon.status()["counts"]["exchanges"] == 0, within=10, what="the probing is over")
    squatter = lan.machine(lan.address(200))
    squatter.ip("address", "add", f"{before.ip}/24", "dev", "eth0")

    def given_up() -> bool:
        squatter.run("busybox", "arping", "-c", "1", "-A", "-I", "eth0", str(before.ip))
        return daemon.heard("release", "DECLINED")

    eventually(given_up, within=15, what="the address is given up")
    eventually(
        lambda: sandbox.addresses() not in ({str(before.ip)}, set()), within=30, what="another address"
    )


@pytest.mark.parametrize("kind", ["dnsmasq", "kea"])
def test_an_infinite_lease_is_never_renewed_and_still_given_back(lab: Lab, kind: str) -> None:
    """RFC 2131 section 3.3."""
    lan, host, daemon = place(lab, kind, lease_time=INFINITE)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(lease_time="infinite"), sandbox)
    lease = daemon.lease()
    assert (lease["lease_time"], lease["expires"], lease["t1"]) == (None, None, None)
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(reply.interface.ip)


def test_the_longest_lease_of_isc_ends_in_2038_and_is_taken_as_it_is(lab: Lab) -> None:
    """ISC dhcpd knows no infinite lease for a range: what it grants ends with its clock of 31 bits."""
    lan, host, daemon = place(lab, "isc", lease_time=INFINITE)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(lease_time="infinite"), sandbox)
    expires = datetime.fromisoformat(daemon.lease()["expires"])
    assert abs(expires - END_OF_31_BITS) < timedelta(minutes=1)
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(reply.interface.ip)


def test_rapid_commit_with_dnsmasq_is_one_round_trip(lab: Lab) -> None:
    """RFC 4039: option 80 in the DISCOVER is answered by an ACK, which is written down; no OFFER, no REQUEST."""
    lan, host, daemon = place(lab, "dnsmasq", extra=("dhcp-rapid-commit",))
    wire = lan.capture("udp port 67")
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(rapid_commit=True), sandbox).interface.ip
    wire.wait_for(r"DHCP-Message \(53\), length 1: ACK")
    assert set(re.findall(r"DHCP-Message \(53\), length 1: (\w+)", wire.log.text())) == {"Discover", "ACK"}
    assert len(re.findall(r"\(80\), length 0", wire.log.text())) == 2, "in both"
    assert lan.server.addresses() == {address}
    assert daemon.lease()["state"] == "BOUND"
    host.cni.delete(netconf(rapid_commit=True), sandbox)
    lan.server.wait_for_release(address)


@EVERY_SERVER
def test_a_server_that_does_not_commit_rapidly_offers_as_ever(lab: Lab, kind: str) -> None:
    """RFC 4039 section 3.1: an OFFER is answered by a REQUEST, whatever was asked for."""
    lan, host, daemon = place(lab, kind)
    sandbox = host.cni.sandbox()
    address = host.cni.add(netconf(rapid_commit=True), sandbox).interface.ip
    assert lan.server.addresses() == {address}
    assert daemon.lease()["state"] == "BOUND"


def test_classless_routes_and_a_search_list_from_kea(lab: Lab) -> None:
    """RFC 3442: option 121 over option 3; RFC 3397: a compressed search list. In the result and on the interface."""
    lan = lab.lan()
    gateway = lan.address(1)
    encoded = f"100A08{gateway.packed.hex()}00{gateway.packed.hex()}"
    options = {
        "option-data": [
            {"name": "domain-search", "data": "lab.example, dev.lab.example"},
            {"code": 121, "csv-format": False, "data": encoded, "always-send": True},
            {"name": "routers", "data": str(lan.address(77))},
        ],
        "option-def": [{"name": "classless", "code": 121, "type": "binary", "space": "dhcp4"}],
    }
    lan.serve("kea", extra=(json.dumps(options),))
    host = lab.host(lan)
    host.daemon().start()
    sandbox = host.cni.sandbox()
    output = host.cni.add(netconf(), sandbox).output
    assert {(route["dst"], route.get("gw")) for route in output["routes"]} == {
        ("10.8.0.0/16", str(gateway)),
        ("0.0.0.0/0", str(gateway)),
    }
    assert output["dns"]["search"][:2] == ["lab.example", "dev.lab.example"]
    assert sandbox.gateway() == gateway
    assert any(route["dst"] == "10.8.0.0/16" for route in sandbox.ip_json("route"))


def test_an_overloaded_reply_and_a_long_option_from_isc(lab: Lab) -> None:
    """RFC 2131 section 4.1, RFC 3396: an option of 1 156 bytes in five pieces; what follows is in file and sname."""
    names = [f"{chr(97 + number) * 60}.lab{number:02d}" for number in range(17)]  # nothing that is compressed
    clocks = [str(address) for address in IPv4Network("192.0.2.0/28").hosts()]
    extra = (
        "option domain-search " + ", ".join(f'"{name}"' for name in names) + ";",
        "option ntp-servers " + ", ".join(clocks) + ";",
    )
    lan, host, daemon = place(lab, "isc", extra=extra)
    wire = lan.capture("udp port 68")
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    wire.wait_for(r"\(119\), length 255[^\n]*\n[^\n]*\(119\), length 255")
    wire.wait_for(r"\(52\), length 1")
    assert lan.server.addresses() == {reply.interface.ip}
    lease = daemon.lease()
    assert lease["search"] == names
    assert lease["ntp"] == clocks


def test_the_same_name_gets_the_same_address(lab: Lab) -> None:
    """RFC 4361: the identity is the name's, whatever the MAC."""
    _lan, host, _daemon = place(lab, "dnsmasq")
    seen = set()
    for _ in range(4):
        sandbox, filler = host.cni.sandbox(), host.cni.sandbox()
        named = {"args": "IgnoreUnknown=1;K8S_POD_NAME=web"}
        reply = host.cni.add(netconf(), sandbox, **named)
        seen.add(reply.interface.ip)
        host.cni.add(netconf(), filler)
        host.cni.delete(netconf(), sandbox, **named)
    assert len(seen) == 1


def test_a_flood_of_ten_thousand_hostile_broadcasts_during_a_transaction(lab: Lab) -> None:
    """FAULTS 17: hostile replies to port 68, for us and for others, and the ADD succeeds."""
    lan, host, daemon = place(lab, "dnsmasq")
    flooder = lan.machine(lan.address(9))
    flooder.ip("route", "add", "default", "dev", "eth0")
    flood = host.program(*flooder.enter, "/usr/bin/python3", "-c", FLOOD, log="flood.log")
    flood.wait_for("flooding")
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(timeout=30), sandbox)
    assert sandbox.addresses() == {str(reply.interface.ip)}
    flood.wait_for("sent 10000", within=60)
    assert daemon.lease()["state"] == "BOUND"
    assert daemon.status()["healthy"]


FLOOD = """
import random, socket
rng = random.Random(7)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sender.bind(("", 67))
print("flooding", flush=True)
for number in range(10000):
    head = bytes([2, 1, 6, 0]) + rng.randbytes(4) + bytes(20) + b"\\x02" + rng.randbytes(5) + bytes(202)
    options = b"\\x35\\x01" + bytes([rng.choice([2, 5, 6])]) + rng.randbytes(rng.randrange(200))
    sender.sendto(head + b"\\x63\\x82\\x53\\x63" + options, ("255.255.255.255", 68))
print("sent 10000", flush=True)
"""
