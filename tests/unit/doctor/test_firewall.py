"""Which rules drop DHCP, as far as it can be told; real output of nft and iptables."""

from __future__ import annotations

import json

import pytest

from hooknet.doctor.findings import Verdict
from hooknet.doctor.host import Ran


def ruleset(*, family="inet", hook="input", expr=(), policy="accept"):
    chain = {
        "family": family,
        "table": "t",
        "name": "c",
        "type": "filter",
        "hook": hook,
        "prio": 0,
        "policy": policy,
    }
    rule = {"family": family, "table": "t", "chain": "c", "handle": 4, "expr": list(expr)}
    things = [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": family, "name": "t"}},
        {"chain": chain},
    ]
    return Ran(0, json.dumps({"nftables": [*things, *([{"rule": rule}] if expr else [])]}))


def match(right, *, field="dport", op="==", protocol="udp"):
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": field}}, "right": right}}


DROP = {"drop": None}


@pytest.mark.parametrize(
    "right", [68, {"set": [67, 68]}, {"range": [60, 70]}, {"set": [{"range": [1, 1023]}]}], ids=str
)
def test_a_rule_on_the_link_that_drops_dhcp_is_a_problem(host, findings, right):
    host.answers["nft"] = ruleset(family="bridge", hook="forward", expr=[match(right), DROP])
    [found] = findings("firewall")
    assert found.verdict is Verdict.PROBLEM
    assert "bridge t c drops UDP port" in found.what


@pytest.mark.parametrize("hook", ["input", "output"])
def test_a_rule_above_the_link_does_not_reach_us_and_is_told(host, findings, hook):
    host.answers["nft"] = ruleset(hook=hook, expr=[match(68), {"counter": {}}, {"reject": {"type": "icmp"}}])
    [found] = findings("firewall")
    assert found.verdict is Verdict.NOTE
    assert "a DHCP server runs here" in found.todo


@pytest.mark.parametrize(
    "expr",
    [
        [match(68), {"accept": None}],
        [match(53), DROP],
        [match(68, protocol="tcp"), DROP],
        [match(68, op="!="), match(67, op="!="), {"accept": None}],
        [match("@set"), DROP],
        [{"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "eth1"}}, DROP],
    ],
    ids=str,
)
def test_other_rules_are_no_matter(host, findings, expr):
    host.answers["nft"] = ruleset(family="netdev", hook="ingress", expr=expr)
    assert findings("firewall") == []


def test_a_rule_for_everything_but_some_ports_drops_dhcp_too(host, findings):
    host.answers["nft"] = ruleset(family="netdev", hook="ingress", expr=[match(53, op="!="), DROP])
    assert [found.verdict for found in findings("firewall")] == [Verdict.PROBLEM]


def bridged(host, eth0):
    host.parents["eth0"] = eth0(kind="bridge")
    host.write("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")


def test_dockers_forward_policy_breaks_dhcp_over_a_bridge(host, findings, eth0):
    bridged(host, eth0)
    host.answers["nft"] = ruleset(family="ip", hook="forward", policy="drop")
    [found] = findings("firewall")
    assert found.verdict is Verdict.PROBLEM
    assert "bridge-nf-call-iptables=0" in found.todo


def test_it_does_not_where_the_parent_is_no_bridge(host, findings):
    host.write("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
    host.answers["nft"] = ruleset(family="ip", hook="forward", policy="drop")
    assert findings("firewall") == []


SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
-A INPUT -p udp -m udp --dport 68 -j DROP
-A OUTPUT -p udp -m multiport --sports 53,67:68 -j REJECT --reject-with icmp-port-unreachable
-A INPUT -p udp -m udp --dport 53 -j DROP
-A INPUT -p udp -m udp --dport 68 -j ACCEPT
COMMIT
"""


def test_what_only_the_old_iptables_knows_is_seen(host, findings):
    host.answers["iptables-legacy-save"] = Ran(0, SAVED)
    assert [found.what for found in findings("firewall")] == [
        "a rule drops DHCP on this host: iptables INPUT drops UDP port 68",
        "a rule drops DHCP on this host: iptables OUTPUT drops UDP port 67, 68",
    ]


def test_the_old_iptables_forward_policy_counts_over_a_bridge(host, findings, eth0):
    bridged(host, eth0)
    host.answers["iptables-legacy-save"] = Ran(0, SAVED)
    assert findings("firewall")[0].verdict is Verdict.PROBLEM


@pytest.mark.parametrize("answer", [None, Ran(1, ""), Ran(0, "no json")])
def test_a_host_whose_rules_can_not_be_read_has_none_that_are_seen(host, findings, answer):
    if answer is None:
        del host.answers["nft"]
    else:
        host.answers["nft"] = answer
    assert findings("firewall") == []


def test_only_root_may_look(host, findings):
    host.missing[None] = ["NET_ADMIN"]
    assert [found.verdict for found in findings("firewall")] == [Verdict.SKIPPED]


@pytest.mark.parametrize(("family", "hook"), [("netdev", "ingress"), ("bridge", "input")])
def test_a_chain_on_the_link_that_drops_what_no_rule_accepts(host, findings, family, hook):
    host.answers["nft"] = ruleset(family=family, hook=hook, policy="drop")
    [found] = findings("firewall")
    assert found.verdict is Verdict.PROBLEM
    assert f"{family} t c drops what no rule accepts" in found.what
    host.answers["nft"] = ruleset(
        family=family, hook=hook, policy="drop", expr=[match({"set": [67, 68]}), {"accept": None}]
    )
    assert findings("firewall") == []
