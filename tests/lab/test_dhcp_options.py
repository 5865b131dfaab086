"""What is said on a real wire, both ways: what a server tells and where it ends up; what a network asks and sends."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Any

import pytest
from lab import Daemon, Host, Lab, Lan, eventually
from lab.cni import netconf

CLOCK = "192.0.2.123"
TOLD = (
    "dhcp-option=option:mtu,{mtu}",
    f"dhcp-option=option:ntp-server,{CLOCK}",
    "dhcp-option=option:domain-search,lab.example,dev.lab.example",
)


def served(lab: Lab, *extra: str, **offering: Any) -> tuple[Lan, Host, Daemon]:
    lan = lab.lan()
    lan.serve("dnsmasq", extra=extra, **offering)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    return lan, host, daemon


def told(mtu: int = 1400) -> tuple[str, ...]:
    return tuple(line.format(mtu=mtu) for line in TOLD)


def test_what_the_server_says_is_in_the_result_on_the_interface_and_in_the_lease(lab: Lab) -> None:
    lan, host, daemon = served(lab, *told())
    sandbox = host.cni.sandbox()
    output = host.cni.add(netconf(), sandbox).output
    lease = daemon.lease()
    assert output["dns"]["nameservers"] == lease["dns"] == [str(lan.address(1))]
    assert output["dns"]["search"] == lease["search"] == ["lab.example", "dev.lab.example"]
    assert output["dns"]["domain"] == lease["domain"] == "lab.example"
    assert lease["ntp"] == [CLOCK]
    assert sandbox.gateway() == lan.address(1)
    assert sandbox.link()["mtu"] == 1400
    [address] = sandbox.ip_json("-4", "address", "show", "dev", "eth0")[0]["addr_info"]
    assert address["broadcast"] == str(lan.network.broadcast_address)


def test_an_mtu_above_the_parents_is_not_taken(lab: Lab) -> None:
    _lan, host, _daemon = served(lab, *told(mtu=9000))
    sandbox = host.cni.sandbox()
    host.cni.add(netconf(), sandbox)
    assert sandbox.link()["mtu"] == host.netns.link("host0")["mtu"] == 1500


def test_an_mtu_in_the_configuration_goes_before_the_servers_for_as_long_as_the_lease_lives(lab: Lab) -> None:
    lan, host, daemon = served(lab, *told(mtu=1400), t1=2, t2=4, lease_time=120)
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(version="1.1.0", mtu=1300), sandbox)
    assert sandbox.link()["mtu"] == 1300 == added.output["interfaces"][0]["mtu"]
    address = added.interface.ip
    for change in (lambda: lan.server.restart(extra=told(mtu=1200)), daemon.restart):
        change()
        seen = lan.server.acknowledged(address)
        eventually(lambda seen=seen: lan.server.acknowledged(address) > seen, within=10, what="it is renewed")
        eventually(lambda: daemon.lease()["mtu"] == 1200, what="what the server says is known")
        assert sandbox.link()["mtu"] == 1300
    assert host.cni.check(netconf(version="1.1.0", mtu=1300), sandbox, added).code == 0


def test_what_is_suppressed_is_nowhere(lab: Lab) -> None:
    _lan, host, _daemon = served(lab, *told())
    sandbox = host.cni.sandbox()
    everything = ["gateway", "routes", "dns", "mtu", "ntp", "search", "domain", "broadcast"]
    output = host.cni.add(netconf(suppress=everything), sandbox).output
    assert not any(output.get("dns", {}).values())
    assert sandbox.gateway() is None
    assert sandbox.link()["mtu"] == 1500


def test_what_the_network_sends_and_asks_for_is_on_the_wire(lab: Lab) -> None:
    """RFC 2132 sections 9.2 and 9.13, RFC 3004; the reference's `provide` and `request`."""
    lan, host, daemon = served(lab)
    wire = lan.capture("udp port 67")
    sandbox = host.cni.sandbox()
    ipam = {
        "type": "hooknet",
        "provide": [{"option": "192", "value": "rack seven"}],
        "request": [{"option": "176"}],
    }
    keys = {"vendor_class": "lab-rack", "user_class": ["blue"], "lease_time": "10m"}
    host.cni.add(netconf(ipam=ipam, **keys), sandbox)
    wire.wait_for(r"\(53\), length 1: ACK")
    said = wire.log.text()
    assert len(re.findall(r'Vendor-Class \(60\), length 8: "lab-rack"', said)) == 2, "in DISCOVER and REQUEST"
    assert "vendor class: lab-rack" in lan.server.log.text()
    assert "user class: blue" in lan.server.log.text()
    assert re.search(r"\(192\), length 10", said)
    assert re.search(r"Parameter-Request \(55\), length 12", said)
    assert daemon.lease()["lease_time"] == 600


def test_under_a_client_id_that_is_provided_the_same_address_is_asked_for_again(lab: Lab) -> None:
    """As under hooknet's own: the reference's `provide` is no way to be forgotten."""
    lan, host, _daemon = served(lab)
    config = netconf(ipam={"type": "dhcp", "provide": [{"option": 61, "value": "kiosk-7"}]})
    first, second = host.cni.sandbox(), host.cni.sandbox()
    address = host.cni.add(config, first).interface.ip
    host.cni.delete(config, first)
    lan.server.wait_for_release(address)
    wire = lan.capture("udp dst port 67")
    assert host.cni.add(config, second).interface.ip == address
    wire.wait_for(r"\(53\), length 1: Request")
    discover = wire.log.text().partition("length 1: Request")[0]
    assert f"Requested-IP (50), length 4: {address}" in discover


@pytest.mark.parametrize("fqdn", [False, True])
def test_line_9_the_name_is_option_12_or_81_and_never_both(lab: Lab, fqdn: bool) -> None:
    """RFC 4702 section 3.1."""
    lan, host, _daemon = served(lab)
    wire = lan.capture("udp dst port 67")
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(fqdn=fqdn), sandbox, args="IgnoreUnknown=1;K8S_POD_NAME=web")
    wire.wait_for(r"\(53\), length 1: Request")
    said = wire.log.text()
    assert ("FQDN (81)" in said, bool(re.search(r"Hostname \(12\), length", said))) == (fqdn, not fqdn)
    granted = lan.server.lease_of(reply.interface.ip)
    assert granted is not None
    assert granted.hostname == "web"


@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize("how", ["allow_servers", "deny_servers"])
def test_of_two_servers_only_the_one_that_is_allowed_is_heard(lab: Lab, how: str, wanted: int) -> None:
    lan, host, daemon = served(lab, first=100, last=149)
    lan.serve("kea", on=lan.machine(lan.address(3)), host=3, first=150, last=199)
    servers: dict[int, IPv4Address] = {1: lan.address(1), 3: lan.address(3)}
    listed = servers[wanted] if how == "allow_servers" else servers[4 - wanted]
    sandbox = host.cni.sandbox()
    host.cni.add(netconf(**{how: [str(listed)]}), sandbox)
    assert daemon.lease()["server"] == str(servers[wanted])
