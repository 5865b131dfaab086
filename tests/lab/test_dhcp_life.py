"""The life of a lease against real servers: renewed, refused, moved, declined, lost, and found again.

What needs hours or chance is in tests/sim; here the servers are dnsmasq, Kea and ISC dhcpd, and the wire is real.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import pytest
from lab import SERVERS, Daemon, Host, Lab, Lan, eventually
from lab.cni import netconf
from lab.servers import INFINITE

if TYPE_CHECKING:
    from lab.cni import Sandbox

EVERY_SERVER = pytest.mark.parametrize("kind", sorted(SERVERS))
SHORTEST = {"dnsmasq": 120, "isc": 6, "kea": 6}
"""Seconds: dnsmasq grants no less than two minutes."""


def place(lab: Lab, kind: str, **offering: Any) -> tuple[Lan, Host, Daemon]:
    lan = lab.lan()
    lan.serve(kind, **offering)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    return lan, host, daemon


def lease_of(daemon: Daemon) -> dict[str, Any]:
    [lease] = daemon.leases()
    return lease


def heard(daemon: Daemon, kind: str, reason: str) -> bool:
    """Whether hooknet has published such an event."""
    said = daemon.hooknet("events", "--format", "json").stdout.splitlines()
    return any(
        e.get("kind") == kind and e.get("reason") == reason for e in map(json.loads, filter(None, said))
    )


def addresses(sandbox: Sandbox) -> set[str]:
    return {str(interface.ip) for interface in sandbox.interfaces()}


@EVERY_SERVER
def test_a_whole_life(lab: Lab, kind: str) -> None:
    """DISCOVER to ACK, renewals, RELEASE: the server's own database agrees at each step."""
    lan, host, daemon = place(lab, kind, lease_time=SHORTEST[kind], t1=1, t2=4)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    assert lan.server.addresses() == {reply.interface.ip}
    eventually(lambda: lan.server.acknowledged(reply.interface.ip) >= 4, within=15, what="three renewals")
    assert lease_of(daemon)["state"] in {"BOUND", "RENEWING"}
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
    eventually(lambda: heard(daemon, "release", "NAK"), within=30, what="the NAK")
    eventually(lambda: addresses(sandbox) not in ({str(before.ip)}, set()), within=30, what="a new address")
    assert addresses(sandbox) == {lease_of(daemon)["address"].partition("/")[0]}
    assert sandbox.gateway() == lan.server.offering.server
    assert lan.server.lease_of(sandbox.interfaces()[0].ip) is not None


@EVERY_SERVER
def test_a_server_that_is_gone_past_t2_and_back_keeps_the_lease(lab: Lab, kind: str) -> None:
    lan, host, daemon = place(lab, kind, lease_time=max(SHORTEST[kind], 20), t1=1, t2=3)
    sandbox = host.cni.sandbox()
    before = host.cni.add(netconf(), sandbox).interface
    lan.server.stop()
    eventually(lambda: lease_of(daemon)["state"] == "REBINDING", within=10, what="rebinding")
    assert addresses(sandbox) == {str(before.ip)}
    lan.server.start()
    daemon.restart()  # what is overdue is asked at once, and not after RFC 2131's minute
    eventually(lambda: lease_of(daemon)["state"] == "BOUND", within=20, what="bound again")
    assert addresses(sandbox) == {str(before.ip)}


def test_two_servers_at_once_and_one_lease(lab: Lab) -> None:
    lan, host, daemon = place(lab, "dnsmasq", first=100, last=149)
    other = lan.machine(lan.address(3))
    assert other is not None
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    assert len(lan.server.leases()) == 1
    assert addresses(sandbox) == {str(reply.interface.ip)}
    assert lease_of(daemon)["server"] == str(lan.server.offering.server)


@pytest.mark.parametrize("acd", ["optimistic", "strict"])
def test_fault_16_an_address_that_another_host_uses_is_declined(lab: Lab, acd: str) -> None:
    """RFC 5227 section 2.1, RFC 2131 section 4.4.4: DECLINE on the wire, another address taken."""
    lan, host, daemon = place(lab, "kea", first=100, last=101)
    squatter = lan.machine(lan.address(100))
    wire = lan.capture("arp or port 67 or port 68")
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(acd=acd, timeout=20), sandbox)
    eventually(
        lambda: lease_of(daemon)["address"] == f"{lan.address(101)}/24", within=20, what="the free address"
    )
    wire.wait_for("Decline")
    assert addresses(sandbox) == {str(lan.address(101))}
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
        return heard(daemon, "release", "DECLINED")

    eventually(given_up, within=15, what="the address is given up")
    eventually(lambda: addresses(sandbox) not in ({str(before.ip)}, set()), within=30, what="another address")


@pytest.mark.parametrize("kind", ["dnsmasq", "kea"])
def test_an_infinite_lease_is_never_renewed_and_still_given_back(lab: Lab, kind: str) -> None:
    """RFC 2131 section 3.3. (ISC dhcpd ends every lease in 2038.)"""
    lan, host, daemon = place(lab, kind, lease_time=INFINITE)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    lease = lease_of(daemon)
    assert (lease["lease_time"], lease["expires"], lease["t1"]) == (None, None, None)
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(reply.interface.ip)


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
    """RFC 2131 section 4.1 and RFC 3396: sname and file carry options, and 300 bytes of one come in two pieces."""
    names = [f"part{number:02d}.of.a.very.long.search.list.lab.example" for number in range(12)]
    extra = (
        "option domain-search " + ", ".join(f'"{name}"' for name in names) + ";",
        "option dhcp-option-overload 3;",
    )
    lan, host, daemon = place(lab, "isc", extra=extra)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    assert lan.server.addresses() == {reply.interface.ip}
    found = lease_of(daemon)["search"]
    assert found == names[: len(found)]
    assert len(found) >= 6


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
    assert addresses(sandbox) == {str(reply.interface.ip)}
    flood.wait_for("sent 10000", within=60)
    assert lease_of(daemon)["state"] == "BOUND"
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
