"""Which parents can carry a macvlan, and what is said about the others."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.links import (
    LinkState,
    MacInUse,
    Parent,
    create_macvlan,
    find_macvlans_of,
    require_usable,
)
from hooknet.kernel.parents import is_wireless
from hooknet.model import MacvlanMode

GOOD = Parent(name="eth0", index=2, mac="02:00:00:00:00:aa", mtu=1500, up=True, carrier=True)


def complaint(**changed):
    with pytest.raises(HooknetError) as caught:
        require_usable(replace(GOOD, **changed))
    assert caught.value.kind is Kind.PARENT
    assert caught.value.hint
    return str(caught.value)


def test_a_wired_parent_that_is_up_is_usable() -> None:
    require_usable(GOOD)


def test_a_parent_without_a_carrier_may_get_one() -> None:
    require_usable(replace(GOOD, carrier=False))


def test_a_parent_that_is_down_comes_with_the_command_to_set_it_up() -> None:
    assert "ip link set eth0 up" in complaint(up=False)


def test_a_wireless_parent_is_refused_with_the_reason_and_an_alternative() -> None:
    text = complaint(wireless=True)
    assert "access point" in text
    assert "ipvlan" in text


def test_the_port_of_a_bridge_is_refused_in_favour_of_the_bridge() -> None:
    assert "link 99999" in complaint(master=99999)


@pytest.mark.parametrize("kind", ["vlan", "bond", "bridge", "veth", "macvlan", "team"])
def test_whatever_is_ethernet_is_usable(kind) -> None:
    require_usable(replace(GOOD, kind=kind))


def test_a_cable_of_a_bond_is_refused_in_favour_of_the_bond(monkeypatch) -> None:
    monkeypatch.setattr(socket, "if_indextoname", {9: "bond0"}.__getitem__)
    text = complaint(master=9)
    assert "belongs to bond0" in text
    assert "use bond0 itself as the parent" in text


def test_a_tunnel_is_no_ethernet() -> None:
    assert "no Ethernet" in complaint(ethernet=False)


@pytest.mark.parametrize("sign", ["phy80211", "wireless"])
def test_wireless_is_told_by_sysfs(tmp_path, sign) -> None:
    (tmp_path / "wlan0" / sign).mkdir(parents=True)
    (tmp_path / "eth0").mkdir()
    assert is_wireless("wlan0", tmp_path)
    assert not is_wireless("eth0", tmp_path)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"mtu": 9000}, "above that of the parent"),
        ({"mac": "02:00:00:00:00:AA"}, "the parent eth0 itself"),
    ],
)
def test_nonsense_is_refused_before_the_kernel_is_asked(wanted, words) -> None:
    with pytest.raises(HooknetError, match=words) as caught:
        create_macvlan(
            **{"parent": GOOD, "netns_fd": -1, "ifname": "eth0", "mac": "02:00:00:00:00:01", **wanted}
        )
    assert caught.value.kind is Kind.BAD_CONFIG


def test_a_mac_in_use_can_be_told_from_other_troubles_with_the_parent() -> None:
    error = MacInUse("02:00:00:00:00:01", "eth0")
    assert error.kind is Kind.PARENT
    assert error.mac == "02:00:00:00:00:01"


def link(**changed):
    base = LinkState(
        name="eth0", index=5, mac="", mtu=1500, up=True, carrier=True, kind="macvlan", mode=MacvlanMode.BRIDGE
    )
    return replace(base, **{"parent_index": 2, "parent_elsewhere": True, **changed})


def test_the_macvlans_of_a_parent_are_found_in_another_netns() -> None:
    ours = link()
    others = [link(parent_index=3), link(parent_elsewhere=False), link(kind="veth")]
    assert find_macvlans_of(GOOD, [ours, *others], elsewhere=True) == (ours,)


def test_the_macvlans_of_a_macvlan_hang_on_the_link_below_it() -> None:
    assert find_macvlans_of(replace(GOOD, index=9, lower=2), [link()], elsewhere=True) == (link(),)
