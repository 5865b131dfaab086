"""GC and STATUS through the shim, on a daemon that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.chain import RunAs
from lab.cni import netconf

if TYPE_CHECKING:
    from conftest import Stand
    from lab import Sandbox
    from lab.cni import Reply

NETWORK = netconf(version="1.1.0")
OTHER = netconf(name="other", version="1.1.0")
UNAVAILABLE = 50
DEGRADED = 51


def collect(stand: Stand, *valid: Sandbox, **keys: Any) -> Reply:
    attachments = [{"containerID": box.container_id, "ifname": "eth0"} for box in valid]
    return stand.cni.call("GC", {**NETWORK, "cni.dev/valid-attachments": attachments, **keys})


def leased(stand: Stand) -> set[tuple[str, str]]:
    return {(lease["container"], lease["network"]) for lease in stand.daemon.leases()}


def test_gc_releases_all_of_its_network_but_the_valid_ones(stand: Stand) -> None:
    kept, stale, vanished, foreign = (stand.sandbox() for _ in range(4))
    for box in (kept, stale, vanished):
        stand.cni.add(NETWORK, box)
    stand.cni.add(OTHER, foreign)
    vanished.delete()
    reply = collect(stand, kept)
    assert (reply.code, reply.stdout) == (0, ""), str(reply)
    assert leased(stand) == {(kept.name, "lan"), (foreign.name, "other")}
    assert (kept.links(), stale.links(), foreign.links()) == ({"eth0"}, set(), {"eth0"})
    held = {box.interfaces()[0].ip for box in (kept, foreign)}
    eventually(lambda: stand.lan.server.addresses() == held, what="the rest is released")
    stand.cni.delete(NETWORK, stale)  # late, and harmless
    stand.cni.delete(NETWORK, kept)
    stand.cni.delete(OTHER, foreign)


def test_gc_with_an_empty_list_releases_the_whole_network(stand: Stand) -> None:
    boxes = [stand.sandbox() for _ in range(3)]
    for box in boxes:
        stand.cni.add(NETWORK, box)
    assert collect(stand).code == 0
    assert leased(stand) == set()
    assert [box.links() for box in boxes] == [set()] * 3


def test_gc_without_a_list_would_release_everything_and_is_refused(stand: Stand) -> None:
    box = stand.sandbox()
    stand.cni.add(NETWORK, box)
    error = stand.cni.call("GC", NETWORK).error
    assert error["code"] == 7
    assert "valid-attachments" in error["msg"]
    assert leased(stand) == {(box.name, "lan")}
    stand.cni.delete(NETWORK, box)


def test_gc_tells_interfaces_of_one_container_apart(stand: Stand) -> None:
    box = stand.sandbox()
    for ifname in ("eth0", "eth1"):
        stand.cni.add(NETWORK, box, ifname=ifname)
    assert collect(stand, box).code == 0
    assert box.links() == {"eth0"}
    stand.cni.delete(NETWORK, box)


def test_gc_of_a_broken_configuration_still_cleans_up(stand: Stand) -> None:
    """Somebody has since misspelt the mode: that is ADD's business."""
    box = stand.sandbox()
    stand.cni.add(NETWORK, box)
    assert collect(stand, mode="nonsense").code == 0
    assert leased(stand) == set()


@pytest.mark.parametrize(
    ("plugin", "config"),
    [
        ("hooknet", {}),
        ("macvlan", {"type": "macvlan", "ipam": {"type": "dhcp"}}),
        ("hooknet", {"ipam": {}}),
        ("hooknet", {"type": "bridge", "bridge": "host0", "ipam": {"type": "hooknet"}}),
        ("hooknet", {"master": "eth0", "linkInContainer": True}),
    ],
)
def test_status_is_silent_when_an_add_could_be_served(
    stand: Stand, plugin: str, config: dict[str, Any]
) -> None:
    reply = RunAs(stand.cni, plugin).call("STATUS", NETWORK | config)
    assert (reply.code, reply.stdout) == (0, ""), str(reply)


@pytest.mark.parametrize(
    ("plugin", "config", "name"),
    [
        ("hooknet", {"master": "enp9s9"}, "enp9s9"),
        ("macvlan", {"type": "macvlan", "master": "enp9s9", "ipam": {"type": "dhcp"}}, "enp9s9"),
        ("hooknet", {"type": "bridge", "bridge": "br9", "ipam": {"type": "hooknet"}}, "br9"),
        ("hooknet", {"master": ""}, "default route"),
    ],
)
def test_status_is_50_when_the_parent_is_missing(
    stand: Stand, plugin: str, config: dict[str, Any], name: str
) -> None:
    error = RunAs(stand.cni, plugin).call("STATUS", NETWORK | config).error
    assert error["code"] == UNAVAILABLE
    assert name in error["msg"]


def test_status_is_50_while_the_parent_is_down(stand: Stand) -> None:
    stand.host.netns.ip("link", "add", "down0", "link", "host0", "type", "macvlan", "mode", "bridge")
    config = NETWORK | {"master": "down0"}
    error = stand.cni.call("STATUS", config).error
    assert error["code"] == UNAVAILABLE
    assert "down0 is down" in error["msg"]
    stand.host.netns.ip("link", "set", "down0", "up")
    assert stand.cni.call("STATUS", config).code == 0
    stand.host.netns.ip("link", "delete", "down0")


def test_status_is_51_when_containers_are_cut_off_with_the_parent(stand: Stand) -> None:
    """For a network that has containers; another one on the same parent is just unavailable."""
    stand.host.netns.ip("link", "add", "down0", "link", "host0", "type", "macvlan", "mode", "bridge")
    stand.host.netns.ip("link", "set", "down0", "up")
    config, other = NETWORK | {"master": "down0"}, OTHER | {"master": "down0"}
    sandbox = stand.sandbox()
    stand.cni.add(config, sandbox)
    assert stand.cni.call("STATUS", config).code == 0
    stand.host.netns.ip("link", "set", "down0", "down")
    error = stand.cni.call("STATUS", config).error
    assert error["code"] == DEGRADED
    assert "down0 is down" in error["msg"]
    assert "1 attached containers can't reach the LAN" in error["details"]
    assert stand.cni.call("STATUS", other).error["code"] == UNAVAILABLE
    stand.host.netns.ip("link", "set", "down0", "up")
    assert stand.cni.call("STATUS", config).code == 0
    stand.cni.delete(config, sandbox)
    assert stand.cni.call("STATUS", config).code == 0
    stand.host.netns.ip("link", "delete", "down0")


def test_status_is_50_for_the_port_of_a_bridge_which_is_named_instead(stand: Stand) -> None:
    host = stand.host.netns
    host.ip("link", "add", "br7", "type", "bridge")
    host.ip("link", "add", "port7", "type", "veth", "peer", "name", "far7")
    host.ip("link", "set", "port7", "master", "br7", "up")
    host.ip("link", "set", "far7", "up")
    error = stand.cni.call("STATUS", NETWORK | {"master": "port7"}).error
    assert error["code"] == UNAVAILABLE
    assert "br7" in error["details"]
    assert stand.cni.call("ADD", NETWORK | {"master": "port7"}, stand.sandbox()).error["code"] == 101
    host.ip("link", "delete", "port7")
    host.ip("link", "delete", "br7")


def test_status_is_50_while_the_parent_has_no_carrier(stand: Stand) -> None:
    host = stand.host.netns
    host.ip("link", "add", "near8", "type", "veth", "peer", "name", "far8")
    host.ip("link", "set", "near8", "up")
    error = stand.cni.call("STATUS", NETWORK | {"master": "near8"}).error
    assert (error["code"], "near8 has no carrier" in error["msg"]) == (UNAVAILABLE, True)
    host.ip("link", "set", "far8", "up")
    eventually(lambda: stand.cni.call("STATUS", NETWORK | {"master": "near8"}).code == 0, what="a carrier")
    host.ip("link", "delete", "near8")


def test_status_of_a_configuration_that_no_add_takes_is_an_error(stand: Stand) -> None:
    assert stand.cni.call("STATUS", NETWORK | {"mode": "nonsense"}).error["code"] == 7


def test_status_with_a_probe_is_silent_when_a_server_answers_and_takes_no_lease(stand: Stand) -> None:
    before = stand.lan.server.leases()
    assert stand.cni.call("STATUS", NETWORK | {"probe_server": True}).code == 0
    assert stand.lan.server.leases() == before
