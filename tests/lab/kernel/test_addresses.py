"""Addresses and routes in real namespaces: never a gap, never somebody else's route."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import addresses, links
from hooknet.kernel.addresses import Plan
from hooknet.kernel.process import boottime
from hooknet.model import Route

pytestmark = pytest.mark.lab

DEFAULT = IPv4Network("0.0.0.0/0")
SWITCHES = Path("/proc/sys/net/ipv4/conf/eth0")
GATEWAY = IPv4Address("10.9.0.1")
PLAN = Plan(
    address=IPv4Interface("10.9.0.5/24"),
    broadcast=IPv4Address("10.9.0.255"),
    routes=(Route(DEFAULT, GATEWAY),),
)


def default_routes(space):
    return json.loads(space.ip("-j route show default"))


def held(space, ifname="eth0"):
    return [str(a) for a in space.run(links.link_state, ifname).addresses]


def details(space, ifname="eth0"):
    (found,) = json.loads(space.ip(f"-j addr show {ifname}"))
    return next(a for a in found["addr_info"] if a["family"] == "inet")


@pytest.fixture
def box(lan):
    return lan.attach()


def apply(space, plan, previous=None, ifname="eth0"):
    return space.run(addresses.apply, ifname, plan, previous)


def test_a_plan_is_there_after_apply_and_nothing_is_missing(box) -> None:
    assert apply(box, replace(PLAN, mtu=1400)) == ()
    assert held(box) == ["10.9.0.5/24"]
    assert details(box)["broadcast"] == "10.9.0.255"
    (route,) = default_routes(box)
    assert (route["gateway"], route["dev"], route["protocol"]) == ("10.9.0.1", "eth0", "dhcp")
    assert box.run(addresses.missing, "eth0", replace(PLAN, mtu=1400)) == []


def test_the_container_reaches_the_lan(box) -> None:
    apply(box, PLAN)
    with pytest.raises(ConnectionRefusedError):  # it answers that nobody listens
        box.run(socket.create_connection, ("10.9.0.1", 9), 5)


def test_applying_twice_changes_nothing(box) -> None:
    apply(box, PLAN)
    before = box.ip("-j route")
    assert apply(box, PLAN) == ()
    assert box.ip("-j route") == before
    assert held(box) == ["10.9.0.5/24"]


def test_an_address_without_an_end_lasts_for_ever(box) -> None:
    apply(box, PLAN)
    assert details(box)["valid_life_time"] == 0xFFFFFFFF


def test_an_address_ends_with_its_lease_and_a_renewal_moves_the_end(box) -> None:
    first = replace(PLAN, valid_until=boottime() + 100)
    apply(box, first)
    assert 90 <= details(box)["valid_life_time"] <= 100
    apply(box, replace(PLAN, valid_until=boottime() + 5000), first)
    assert 4990 <= details(box)["valid_life_time"] <= 5000
    assert default_routes(box)


def test_the_kernel_drops_an_expired_address_and_its_routes_without_a_daemon(box, eventually) -> None:
    apply(box, replace(PLAN, valid_until=boottime() + 1))
    eventually(lambda: not held(box))
    assert default_routes(box) == []


def test_switches_are_set_so_that_an_address_can_follow_another(box) -> None:
    apply(box, PLAN)
    assert box.run((SWITCHES / "promote_secondaries").read_text) == "1\n"
    assert box.run((SWITCHES / "arp_notify").read_text) == "1\n"


def test_arp_about_an_address_stays_on_its_own_interface(box) -> None:
    apply(box, PLAN)
    assert box.run((SWITCHES / "arp_ignore").read_text) == "1\n"
    assert box.run((SWITCHES / "arp_announce").read_text) == "2\n"


def change(box, new, old=PLAN):
    apply(box, old)
    notes = apply(box, new, old)
    assert notes == ()
    assert box.run(addresses.missing, "eth0", new) == []
    return held(box)


def test_another_address_in_the_same_subnet_keeps_the_default_route(box) -> None:
    new = replace(PLAN, address=IPv4Interface("10.9.0.6/24"))
    assert change(box, new) == ["10.9.0.6/24"]
    assert len(default_routes(box)) == 1


def test_a_change_adds_before_it_takes_away(box, eventually) -> None:
    apply(box, PLAN)
    command = ["ip", "-o", "monitor", "address"]
    monitor = box.run(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(monitor.stdout.readline, "")))
    reader.start()

    def listening():
        box.ip("addr add 127.0.0.9/8 dev lo")
        box.ip("addr del 127.0.0.9/8 dev lo")
        return lines

    try:
        eventually(listening)
        apply(box, replace(PLAN, address=IPv4Interface("10.9.0.6/24")), PLAN)
        eventually(lambda: any("10.9.0.5" in line for line in lines))
    finally:
        monitor.kill()
        monitor.wait()
        reader.join()
        monitor.stdout.close()
    of_ours = [line for line in lines if "10.9.0." in line]
    assert "10.9.0.6/24" in of_ours[0]
    assert not of_ours[0].startswith("Deleted")
    assert [line for line in of_ours if line.startswith("Deleted") and "10.9.0.6" in line] == []


def test_another_subnet_and_gateway(box) -> None:
    new = Plan(
        address=IPv4Interface("10.8.0.5/16"),
        broadcast=IPv4Address("10.8.255.255"),
        routes=(Route(DEFAULT, IPv4Address("10.8.0.1")),),
    )
    assert change(box, new) == ["10.8.0.5/16"]
    assert [r["gateway"] for r in default_routes(box)] == ["10.8.0.1"]


def test_another_mask_on_the_same_address(box) -> None:
    new = replace(PLAN, address=IPv4Interface("10.9.0.5/25"), broadcast=IPv4Address("10.9.0.127"))
    assert change(box, new) == ["10.9.0.5/25"]


def test_another_gateway_replaces_the_old_one(box) -> None:
    change(box, replace(PLAN, routes=(Route(DEFAULT, IPv4Address("10.9.0.2")),)))
    assert [r["gateway"] for r in default_routes(box)] == ["10.9.0.2"]


def test_routes_that_the_server_no_longer_names_go(box) -> None:
    extra = replace(PLAN, routes=(*PLAN.routes, Route(IPv4Network("10.20.0.0/16"), GATEWAY)))
    change(box, PLAN, extra)
    assert "10.20" not in box.ip("route")


def test_another_metric_moves_the_routes(box) -> None:
    change(box, replace(PLAN, metric=77))
    assert [r["metric"] for r in default_routes(box)] == [77]
    assert "10.9.0.0/24 dev eth0 proto kernel scope link src 10.9.0.5 metric 77" in box.ip("route")


def test_without_promotion_the_new_address_comes_back_with_its_routes(box, monkeypatch) -> None:
    monkeypatch.setattr(
        addresses.messages, "set_switches", lambda index: addresses.messages.set_link(index, mtu=1)
    )
    monkeypatch.setattr(addresses, "_promote_by_sysctl", lambda ifname: False)
    box.run((SWITCHES / "promote_secondaries").write_text, "0")
    assert change(box, replace(PLAN, address=IPv4Interface("10.9.0.6/24"))) == ["10.9.0.6/24"]
    assert len(default_routes(box)) == 1


def test_where_netlink_can_not_promote_the_sysctl_does(box, monkeypatch) -> None:
    monkeypatch.setattr(
        addresses.messages, "set_switches", lambda index: addresses.messages.set_link(index, mtu=1)
    )
    box.run((SWITCHES / "promote_secondaries").write_text, "0")
    assert change(box, replace(PLAN, address=IPv4Interface("10.9.0.6/24"))) == ["10.9.0.6/24"]


def test_a_host_lease_reaches_its_gateway_through_a_route_of_its_own(box) -> None:
    plan = Plan(
        address=IPv4Interface("172.16.0.5/32"),
        routes=(Route(IPv4Network("10.9.0.1/32")), Route(DEFAULT, GATEWAY)),
    )
    assert apply(box, plan) == ()
    assert box.run(addresses.missing, "eth0", plan) == []


def second_network(lan, box):
    """eth1, on the same parent, beside eth0."""
    parent = lan.host.run(links.parent, "up0")
    lan.host.run(links.create_macvlan, parent=parent, netns_fd=box.fd, ifname="eth1", mac="02:00:00:00:00:02")
    return Plan(
        address=IPv4Interface("10.8.0.5/24"),
        broadcast=IPv4Address("10.8.0.255"),
        routes=(Route(DEFAULT, IPv4Address("10.8.0.1")),),
    )


def test_a_second_network_does_not_hijack_the_default_route(lan, box) -> None:
    apply(box, PLAN)
    apply(box, second_network(lan, box), ifname="eth1")
    assert [(r["dev"], r.get("metric", 0)) for r in default_routes(box)] == [("eth0", 0), ("eth1", 1)]


def test_two_networks_that_are_set_again_do_not_push_each_other_up(lan, box) -> None:
    second = second_network(lan, box)
    for _ in range(3):
        apply(box, PLAN)
        apply(box, second, ifname="eth1")
    assert [(r["dev"], r.get("metric", 0)) for r in default_routes(box)] == [("eth0", 0), ("eth1", 1)]


def test_a_default_route_of_another_network_survives_the_end_of_ours(lan, box) -> None:
    apply(box, PLAN)
    second = second_network(lan, box)
    apply(box, second, ifname="eth1")
    box.run(addresses.flush, "eth1", second)
    assert [r["dev"] for r in default_routes(box)] == ["eth0"]


def test_an_explicit_metric_that_is_taken_goes_to_the_next_free_one(lan, box) -> None:
    apply(box, replace(PLAN, metric=50))
    apply(box, replace(second_network(lan, box), metric=50), ifname="eth1")
    assert [(r["dev"], r["metric"]) for r in default_routes(box)] == [("eth0", 50), ("eth1", 51)]


def test_flush_leaves_neither_address_nor_route_and_may_come_twice(box) -> None:
    apply(box, PLAN)
    box.run(addresses.flush, "eth0", PLAN)
    assert held(box) == []
    assert "dhcp" not in box.ip("route")
    box.run(addresses.flush, "eth0", PLAN)


def test_flush_takes_our_routes_and_leaves_what_somebody_added(box) -> None:
    apply(box, PLAN)
    box.ip("addr add 10.7.0.5/24 dev eth0")
    box.ip("route add 10.30.0.0/16 via 10.7.0.1 dev eth0")
    box.run(addresses.flush, "eth0", PLAN)
    assert held(box) == ["10.7.0.5/24"]
    assert default_routes(box) == []
    assert "10.30.0.0/16" in box.ip("route")


def test_flush_of_an_interface_that_is_gone_is_done(space) -> None:
    space.run(addresses.flush, "eth0", PLAN)


def test_apply_to_an_interface_that_is_gone_is_an_error_with_words(space) -> None:
    with pytest.raises(HooknetError, match="eth0") as caught:
        apply(space, PLAN)
    assert caught.value.kind is Kind.IO


def test_what_is_missing_is_told_in_words(box) -> None:
    apply(box, PLAN)
    box.ip("route del default")
    assert box.run(addresses.missing, "eth0", PLAN) == [
        "the default route via 10.9.0.1 through eth0 is missing"
    ]
    box.ip("addr del 10.9.0.5/24 dev eth0")
    box.ip("link set eth0 down")
    said = box.run(addresses.missing, "eth0", replace(PLAN, mtu=1400))
    assert said[:3] == [
        "eth0 is down",
        "eth0 has not the address 10.9.0.5/24",
        "eth0 has the MTU 1500 and not 1400",
    ]


def test_of_an_interface_that_is_gone_only_that_is_told(space) -> None:
    assert space.run(addresses.missing, "eth0", PLAN) == ["the interface eth0 is gone"]


def test_a_route_that_the_kernel_refuses_is_told_and_costs_nothing_else(box) -> None:
    bad = Route(IPv4Network("10.20.0.0/16"), IPv4Address("10.77.0.1"))
    notes = apply(box, replace(PLAN, routes=(bad, *PLAN.routes)))
    assert len(notes) == 1
    assert "10.20.0.0/16" in notes[0]
    assert len(default_routes(box)) == 1


def test_an_mtu_that_the_kernel_refuses_is_told_and_costs_nothing_else(box) -> None:
    (note,) = apply(box, replace(PLAN, mtu=9000))
    assert "9000" in note
    assert held(box) == ["10.9.0.5/24"]
