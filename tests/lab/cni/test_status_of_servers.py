"""STATUS when it is not the host that is at fault: no daemon, no server, no address left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cni import netconf

if TYPE_CHECKING:
    from lab import Daemon, Host, Lab, Lan

NETWORK = netconf(version="1.1.0")
UNAVAILABLE = 50


def started(host: Host, config: str) -> Daemon:
    daemon = host.daemon(config=config)
    daemon.start()
    return daemon


def test_without_a_daemon_status_is_50_and_says_how_to_start_it(lan: Lan, host: Host) -> None:
    error = host.cni.call("STATUS", NETWORK).error
    assert error["code"] == UNAVAILABLE
    assert error["cniVersion"] == "1.1.0"
    assert "start" in error["details"]


def test_without_a_daemon_gc_is_tried_again_later(lan: Lan, host: Host) -> None:
    error = host.cni.call("GC", {**NETWORK, "cni.dev/valid-attachments": []}).error
    assert error["code"] == 11


def test_a_probe_that_nobody_answers_is_50_and_without_one_it_is_not(lab: Lab) -> None:
    """`probe_server` may stand in hooknet.toml: the conflist is unchanged."""
    lan = lab.lan()
    host = lab.host(lan)
    started(host, "[network.probed]\nprobe_server = true\n")
    assert host.cni.call("STATUS", NETWORK).code == 0
    probed = netconf(name="probed", version="1.1.0")
    error = host.cni.call("STATUS", probed).error
    assert error["code"] == UNAVAILABLE
    assert "host0" in error["msg"]
    lan.serve("dnsmasq")
    assert host.cni.call("STATUS", probed).code == 0
    assert lan.server.leases() == []


def test_an_exhausted_pool_is_50_while_it_lasts(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("dnsmasq", first=100, last=100)
    host = lab.host(lan)
    started(host, "[network.lan]\ntimeout = 2\n")
    only, late = host.cni.sandbox(), host.cni.sandbox()
    host.cni.add(NETWORK, only)
    assert host.cni.call("STATUS", NETWORK).code == 0
    refused = host.cni.call("ADD", NETWORK, late).error
    assert refused["code"] == 11
    assert "exhausted" in refused["msg"]
    error = host.cni.call("STATUS", NETWORK).error
    assert error["code"] == UNAVAILABLE
    assert "exhausted" in error["msg"]
    for ipam in ({}, {"type": "static", "addresses": [{"address": "192.0.2.10/24"}]}):
        reply = host.cni.call("STATUS", {**NETWORK, "ipam": ipam, "probe_server": True})
        assert reply.code == 0 or reply.error["code"] != UNAVAILABLE, f"{ipam} needs no pool: {reply}"
    host.cni.delete(NETWORK, only)
    lan.server.wait_for_release(lan.address(100))
    assert host.cni.call("STATUS", NETWORK).code == 0, "an address is free again"
    host.cni.add(NETWORK, late)
