"""The doctor on real hosts: all is well, and then one thing after another is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lab.daemon import HOOKNET
from lab.servers import Dnsmasq, Offering

if TYPE_CHECKING:
    import subprocess

    from lab import Host, Lab, Lan
    from lab.machine import Machine

PARENT = "--parent=host0"


def doctor(host: Host, *words: str) -> dict[str, list[dict[str, Any]]]:
    """The findings on a host of the lab that are not fine, by check."""
    done = host.netns.run(HOOKNET, "doctor", "--format=json", *(words or (PARENT,)), check=False)
    return by_check(done)


def by_check(done: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, Any]]]:
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in report["findings"]:
        if one["verdict"] != "ok":
            found.setdefault(one["check"], []).append(one)
    return found


def test_an_installed_host_is_well_and_nothing_was_started_leased_or_changed(
    lan: Lan, machine: Machine
) -> None:
    machine.install("--drop-in", "--network=lan", "--parent=host0")
    machine.systemctl("enable", "--now", "podman.socket")
    done = machine.hooknet("doctor")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("\nno problems\n")
    assert f"{lan.address(1)} offers addresses on host0" in done.stdout
    assert "the first call starts it" in done.stdout
    assert not machine.is_active("hooknet.service")
    assert lan.server.leases() == []


def test_what_is_broken_on_an_installed_host_is_told_with_its_remedy(lan: Lan, machine: Machine) -> None:
    machine.install("--drop-in", "--network=lan", "--parent=host0")
    machine.systemctl("disable", "--now", "hooknet.socket")
    machine.path("/etc/hooknet/hooknet.toml").write_text("[daemon]\nlog_level = 3\n")
    machine("rm", "/etc/containers/containers.conf.d/zz-hooknet.conf")
    machine("chmod", "o+w", "/opt/hooknet/bin/hooknet")
    found = by_check(machine.hooknet("doctor", "--format=json", check=False))
    assert "systemctl start hooknet.socket" in found["units"][0]["todo"]
    assert {"shims", "units", "program", "daemon", "config"} <= set(found)
    assert all(one["todo"] for findings in found.values() for one in findings if one["verdict"] == "problem")


def test_a_running_daemon_is_asked_and_its_capabilities_are_seen(lan: Lan, machine: Machine) -> None:
    machine.install("--network=lan", "--parent=host0")
    machine.start("web", network="lan")
    said = machine.hooknet("doctor", check=False).stdout
    assert "is healthy and holds 1 lease" in said


def test_no_server_one_and_several_are_told_apart(lab: Lab) -> None:
    lan = lab.lan()
    host = lab.host(lan)
    assert "no DHCP server answers on host0" in doctor(host)["servers"][0]["what"]
    first = lan.serve("dnsmasq")
    assert "servers" not in doctor(host)
    assert first.leases() == []
    rogue = Dnsmasq(lan.machine(lan.address(9)), "eth0", lan.folder / "rogue", Offering(network=lan.network))
    host.cleanup.callback(rogue.stop)
    rogue.start()
    [several] = doctor(host)["servers"]
    assert several["verdict"] == "note"
    assert {str(lan.address(1)), str(lan.address(9))} <= set(several["what"].replace(",", "").split())


def test_a_pool_that_is_exhausted_is_told_from_no_server(lab: Lab) -> None:
    lan = lab.lan()
    lan.serve("dnsmasq", first=100, last=100)
    host = lab.host(lan)
    daemon = host.daemon()
    daemon.start()
    host.cni.add(
        {"cniVersion": "1.0.0", "name": "lan", "type": "hooknet", "master": "host0"}, host.cni.sandbox()
    )
    [found] = doctor(host)["servers"]
    assert "offers no address" in found["what"]
    assert "pool" in found["why"]


def test_a_parent_without_carrier_down_or_not_there(lan: Lan, host: Host) -> None:
    lan.unplug()
    [found] = doctor(host)["parent"]
    assert "has no carrier" in found["what"]
    host.netns.ip("link", "set", "host0", "down")
    [found] = doctor(host)["parent"]
    assert "ip link set host0 up" in found["todo"]
    [found] = doctor(host, "--parent=eth9")["parent"]
    assert "no interface eth9" in found["what"]


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        ("netdev", "problem"),
        ("inet", "note"),
    ],
)
def test_rules_that_drop_dhcp_are_seen(lan: Lan, host: Host, table: str, verdict: str) -> None:
    hook = "ingress device host0" if table == "netdev" else "input"
    host.netns.run("nft", "add", "table", table, "lab")
    host.netns.run(
        "nft",
        "add",
        "chain",
        table,
        "lab",
        "drops",
        "{",
        "type",
        "filter",
        "hook",
        *hook.split(),
        "priority",
        "0",
        ";",
        "}",
    )
    host.netns.run("nft", "add", "rule", table, "lab", "drops", "udp", "dport", "{", "67,", "68", "}", "drop")
    [found] = doctor(host)["firewall"]
    assert found["verdict"] == verdict
    assert "drops UDP port 67, 68" in found["what"]


def test_a_rule_of_iptables_is_seen(lan: Lan, host: Host) -> None:
    host.netns.run("iptables", "-A", "INPUT", "-p", "udp", "--dport", "68", "-j", "DROP")
    [found] = doctor(host)["firewall"]
    assert "UDP port 68" in found["what"]


def test_without_root_it_says_what_it_can_not_see(lan: Lan, host: Host) -> None:
    done = host.netns.run(
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        HOOKNET,
        "doctor",
        "--format=json",
        PARENT,
        check=False,
    )
    found = by_check(done)
    assert "rootless podman" in found["rootless"][0]["what"]
    assert {"backend", "firewall", "servers"} <= {
        check for check, all_of in found.items() if all_of[0]["verdict"] == "skipped"
    }
