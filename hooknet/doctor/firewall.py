"""Rules that drop DHCP: UDP ports 67 and 68.

hooknet sends and receives on packet sockets, and a macvlan's frames go past the host's IP layer. So rules in
`input` and `output` of the host don't reach it, whatever they say. What does: the tables of family `bridge` and
`netdev`, and, where the parent is a bridge and br_netfilter is loaded, `forward` (that is what docker's `policy
drop` breaks). The others are told of all the same, for they stop a server that runs on this host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hooknet.doctor.findings import Finding, note, ok, problem, skipped
from hooknet.doctor.host import Host
from hooknet.doctor.networks import Place
from hooknet.errors import HooknetError

PORTS = {67, 68}
NAMES = {"bootps": 67, "bootpc": 68}
BRIDGE_CALLS_IPTABLES = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
LINK_FAMILIES = {"bridge", "netdev"}
LEGACY = re.compile(
    r"-A (?P<chain>\S+) .*-p udp.*--(?P<side>[ds])ports? (?P<ports>\S+).*-j (?P<target>DROP|REJECT)"
)
POLICY = re.compile(r"^:(?P<chain>FORWARD) DROP", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that drops DHCP, or a chain that drops whatever no rule accepts."""

    where: str
    hook: str
    family: str
    text: str

    def __str__(self) -> str:
        return f"{self.where} {self.text}"


def check_firewall(host: Host, places: Sequence[Place]) -> Iterator[Finding]:
    """Rules that can be told to drop DHCP."""
    if "NET_ADMIN" in host.missing_capabilities():
        yield skipped("the firewall: only root may look", todo="sudo hooknet doctor")
        return
    rules = [*nft_rules(host), *legacy_rules(host)]
    bridged = bridges_call_iptables(host) and any(is_bridge(host, place) for place in places)
    fatal = [rule for rule in rules if reaches_us(rule, bridged=bridged)]
    for rule in fatal:
        yield problem(
            f"the firewall drops DHCP: {rule}",
            todo="accept UDP ports 67 and 68 before it"
            + (", or: sysctl net.bridge.bridge-nf-call-iptables=0" if rule.hook == "forward" else ""),
        )
    others = [rule for rule in rules if rule not in fatal and rule.hook != "forward"]
    for rule in others:
        yield note(
            f"a rule drops DHCP on this host: {rule}",
            todo="nothing, unless a DHCP server runs here: then accept UDP ports 67 and 68",
            why="it does not reach hooknet, whose frames go past the host's IP layer",
        )
    if not (fatal or others):
        yield ok("no rule is seen that drops DHCP")


def reaches_us(rule: Rule, *, bridged: bool) -> bool:
    return rule.family in LINK_FAMILIES or (bridged and rule.hook == "forward")


def bridges_call_iptables(host: Host) -> bool:
    """Whether frames on a bridge go through the IP rules (br_netfilter)."""
    return (host.root.text(BRIDGE_CALLS_IPTABLES) or "").strip() == "1"


def is_bridge(host: Host, place: Place) -> bool:
    try:
        return host.parent(place.name).kind == "bridge"
    except HooknetError:
        return False


# nftables


def nft_rules(host: Host) -> Iterator[Rule]:
    """From `nft -j list ruleset`, which also shows what iptables-nft wrote."""
    ran = host.run("nft", "-j", "list", "ruleset")
    try:
        objects = json.loads(ran.stdout)["nftables"] if ran is not None and ran.code == 0 else []
    except (ValueError, KeyError, TypeError):
        return
    chains = {key_of(one["chain"], "name"): one["chain"] for one in objects if "chain" in one}
    rules = [one["rule"] for one in objects if "rule" in one]
    accepting = {key_of(rule, "chain") for rule in rules if "accept" in verdicts(rule) and dhcp_ports(rule)}
    for key, chain in chains.items():
        if drops_the_rest(chain) and key not in accepting:
            yield Rule(
                words(chain, chain["name"]), chain["hook"], chain["family"], "drops what no rule accepts"
            )
    for rule in rules:
        chain = chains.get(key_of(rule, "chain"), {})
        if verdicts(rule) & {"drop", "reject"} and (ports := dhcp_ports(rule)):
            text = f"drops UDP port {', '.join(map(str, sorted(ports)))}"
            yield Rule(words(rule, rule["chain"]), chain.get("hook", ""), rule["family"], text)


def key_of(thing: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    return thing["family"], thing["table"], thing[name]


def words(thing: Mapping[str, Any], chain: str) -> str:
    return f"{thing['family']} {thing['table']} {chain}"


def drops_the_rest(chain: Mapping[str, Any]) -> bool:
    """Whether a policy of this chain can meet a container's frames; those of the host's own IP layer can't."""
    reached = chain.get("hook") == "forward" or chain["family"] in LINK_FAMILIES
    return reached and "hook" in chain and chain.get("policy") == "drop"


def verdicts(rule: Mapping[str, Any]) -> set[str]:
    return {key for one in rule.get("expr", []) for key in one} & {"accept", "drop", "reject"}


def dhcp_ports(rule: Mapping[str, Any]) -> set[int]:
    """The DHCP ports that a rule asks for."""
    ports: set[int] = set()
    for match in (one["match"] for one in rule.get("expr", []) if "match" in one):
        left = match.get("left", {})
        payload = left.get("payload", {}) if isinstance(left, dict) else {}
        if payload.get("protocol") in {"udp", "th"} and payload.get("field") in {"dport", "sport"}:
            ports |= {port for port in PORTS if covers(match.get("right"), port) == (match.get("op") != "!=")}
    return ports


def covers(right: Any, port: int) -> bool:
    """Whether the right side of a match holds the port: a number, a range, or a set of those."""
    match right:
        case int():
            return right == port
        case {"range": [low, high]}:
            return bool(low <= port <= high)
        case {"set": members} if isinstance(members, list):
            return any(covers(member, port) for member in members)
        case _:
            return False


# iptables, the old one


def legacy_rules(host: Host) -> Iterator[Rule]:
    """From `iptables-legacy-save`: what nft does not see."""
    ran = host.run("iptables-legacy-save")
    if ran is None or ran.code:
        return
    for found in POLICY.finditer(ran.stdout):
        yield Rule("iptables FORWARD", found["chain"].lower(), "ip", "drops what no rule accepts")
    for found in LEGACY.finditer(ran.stdout):
        ports = {port for port in PORTS if any(holds(text, port) for text in found["ports"].split(","))}
        if ports:
            text = f"drops UDP port {', '.join(map(str, sorted(ports)))}"
            yield Rule(f"iptables {found['chain']}", found["chain"].lower(), "ip", text)


def holds(text: str, port: int) -> bool:
    """Whether iptables' `68`, `67:68` or `bootpc` holds the port."""
    low, _, high = text.partition(":")
    numbers = [NAMES.get(one, int(one) if one.isdigit() else -1) for one in (low, high or low)]
    return numbers[0] <= port <= numbers[1]
