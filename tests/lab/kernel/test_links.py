"""Links in real namespaces."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import links
from hooknet.kernel.links import MacInUse
from hooknet.model import MacvlanMode

pytestmark = pytest.mark.lab

MAC = "02:00:00:00:00:01"


def make(lan, space, **wanted) -> None:
    parent = lan.host.run(links.parent, wanted.pop("parent", "up0"))
    wanted = {"ifname": "eth0", "mac": MAC, **wanted}
    lan.host.run(links.create_macvlan, parent=parent, netns_fd=space.fd, **wanted)


def refusal(fn, *args, **kwargs):
    with pytest.raises(HooknetError) as caught:
        fn(*args, **kwargs)
    return caught.value


def names(space):
    return {link.name for link in space.run(links.list_links)}


def test_a_macvlan_appears_in_the_container_with_its_name_mac_and_mode_and_is_up(lan) -> None:
    space = lan.container()
    make(lan, space, mode=MacvlanMode.PRIVATE, mtu=1400, bcqueuelen=500)
    state = space.run(links.link_state, "eth0")
    assert (state.mac, state.mtu, state.up, state.kind) == (MAC, 1400, True, "macvlan")
    assert state.mode is MacvlanMode.PRIVATE
    assert state.parent_index == lan.host.run(links.parent, "up0").index
    assert state.parent_elsewhere
    assert "bcqueuelen 500" in space.ip("-d link show eth0")


def test_without_a_wish_the_mtu_is_the_parents(lan) -> None:
    lan.host.ip("link set up0 mtu 1300")
    assert lan.attach().run(links.link_state, "eth0").mtu == 1300


@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_every_mode_is_the_one_that_was_asked_for(lan, mode) -> None:
    space = lan.container()
    make(lan, space, mode=mode)
    assert space.run(links.link_state, "eth0").mode is mode


def test_a_container_may_have_the_name_of_a_host_interface(lan) -> None:
    space = lan.container()
    make(lan, space, ifname="up0")
    assert space.run(links.link_state, "up0").up


def test_on_an_old_kernel_the_name_of_a_host_interface_is_reached_by_a_passing_name(lan) -> None:
    space = lan.container()
    parent = lan.host.run(links.parent, "up0")
    new = partial(
        links.messages.new_macvlan,
        parent=parent.index,
        netns_fd=space.fd,
        mac=MAC,
        mode=4,
        mtu=None,
        bcqueuelen=None,
    )
    lan.host.run(links._create_and_rename, parent, space.fd, "up0", MAC, new)
    state = space.run(links.link_state, "up0")
    assert (state.mac, state.up, state.kind) == (MAC, True, "macvlan")
    error = refusal(lan.host.run, links._create_and_rename, parent, space.fd, "up0", MAC, new)
    assert error.kind is Kind.INTERFACE_EXISTS
    assert names(space) == {"lo", "up0"}


def test_an_interface_of_that_name_in_the_container_is_an_error_and_stays(lan) -> None:
    space = lan.attach()
    error = refusal(make, lan, space, mac="02:00:00:00:00:02")
    assert error.kind is Kind.INTERFACE_EXISTS
    assert space.run(links.link_state, "eth0").mac == MAC


def test_a_mac_that_a_living_container_has_is_in_use_and_nothing_is_left(lan) -> None:
    lan.attach()
    late = lan.container()
    error = refusal(make, lan, late)
    assert isinstance(error, MacInUse)
    assert error.mac == MAC
    assert names(late) == {"lo"}


def test_a_mac_is_free_again_when_its_holder_is_gone(lan) -> None:
    holder = lan.attach()
    assert holder.run(links.delete_link, "eth0")
    assert lan.attach().run(links.link_state, "eth0").up


def test_setting_up_a_link_whose_mac_is_taken_says_whose_mac_it_is(lan) -> None:
    lan.attach()
    lan.host.ip(f"link add link up0 name twin address {MAC} type macvlan mode bridge")
    error = refusal(lan.host.run, links.link_up, "twin")
    assert isinstance(error, MacInUse)
    assert error.mac == MAC


def test_a_parent_that_does_not_exist_is_named(lan) -> None:
    error = refusal(lan.host.run, links.parent, "eth7")
    assert error.kind is Kind.PARENT
    assert "eth7" in error.message


@pytest.mark.parametrize("name", ["", "a" * 16, "../lo"])
def test_a_parent_with_an_impossible_name_is_an_error_of_ours(lan, name) -> None:
    assert refusal(lan.host.run, links.parent, name).kind is Kind.PARENT


def test_a_parent_that_went_meanwhile_is_a_parent_error(lan) -> None:
    parent = lan.host.run(links.parent, "up0")
    lan.host.ip("link del up0")
    error = refusal(
        lan.host.run, links.create_macvlan, parent=parent, netns_fd=lan.container().fd, ifname="eth0", mac=MAC
    )
    assert error.kind is Kind.PARENT
    assert "up0" in error.message


def test_a_parent_knows_its_carrier(lan, eventually) -> None:
    assert lan.host.run(links.parent, "up0").carrier
    lan.outside.ip("link set lan0 down")
    eventually(lambda: not lan.host.run(links.parent, "up0").carrier)
    assert lan.host.run(links.parent, "up0").up


def test_loopback_is_refused(lan) -> None:
    assert "no Ethernet" in str(refusal(make, lan, lan.container(), parent="lo"))


def test_a_parent_that_is_down_is_refused(lan) -> None:
    lan.host.ip("link set up0 down")
    assert "is down" in str(refusal(make, lan, lan.container()))


def test_the_port_of_a_bridge_is_refused_and_the_bridge_is_taken(lan) -> None:
    lan.host.ip("link add br0 type bridge")
    lan.host.ip("link set br0 up")
    lan.host.ip("link set up0 master br0")
    error = refusal(make, lan, lan.container())
    assert error.kind is Kind.PARENT
    assert "belongs to" in error.message
    space = lan.container()
    make(lan, space, parent="br0")
    assert space.run(links.link_state, "eth0").up


def test_a_macvlan_as_parent_works_and_its_lower_link_is_known(lan) -> None:
    lan.host.ip("link add link up0 name mv0 up type macvlan mode bridge")
    parent = lan.host.run(links.parent, "mv0")
    assert parent.lower == lan.host.run(links.parent, "up0").index
    space = lan.container()
    make(lan, space, parent="mv0")
    assert links.find_macvlans_of(parent, space.run(links.list_links), elsewhere=True)


def test_a_parent_that_a_passthru_macvlan_has_taken_is_a_parent_error(lan) -> None:
    make(lan, lan.container(), mode=MacvlanMode.PASSTHRU)
    error = refusal(make, lan, lan.container(), mac="02:00:00:00:00:02")
    assert error.kind is Kind.PARENT


def test_the_default_parent_is_the_one_of_the_best_default_route(lan) -> None:
    lan.host.ip("addr add 10.9.0.2/24 dev up0")
    lan.host.ip("link add other0 type veth peer name other1")
    lan.host.ip("link set other0 up")
    lan.host.ip("route add default dev other0 metric 50")
    lan.host.ip("route add default via 10.9.0.1 dev up0 metric 10")
    assert lan.host.run(links.default_parent) == "up0"


def test_a_host_without_a_default_route_has_no_default_parent(space) -> None:
    error = refusal(space.run, links.default_parent)
    assert error.kind is Kind.PARENT
    assert "master" in error.hint


def test_a_link_that_is_not_there_has_no_state(space) -> None:
    assert space.run(links.link_state, "eth0") is None


def test_the_addresses_of_a_link_are_its_own(lan) -> None:
    space = lan.attach()
    space.ip("addr add 10.9.0.7/24 dev eth0")
    space.ip("addr add 10.8.0.7/32 dev lo")
    assert [str(a) for a in space.run(links.link_state, "eth0").addresses] == ["10.9.0.7/24"]


def test_the_inventory_finds_our_macvlans_on_both_sides(lan) -> None:
    space = lan.attach()
    lan.host.ip("link add link up0 name mv0 type macvlan mode bridge")
    parent = lan.host.run(links.parent, "up0")
    here = links.find_macvlans_of(parent, lan.host.run(links.list_links), elsewhere=False)
    there = links.find_macvlans_of(parent, space.run(links.list_links), elsewhere=True)
    assert [link.name for link in here] == ["mv0"]
    assert [link.name for link in there] == ["eth0"]


def test_deleting_twice_is_harmless(lan) -> None:
    space = lan.attach()
    assert space.run(links.delete_link, "eth0")
    assert not space.run(links.delete_link, "eth0")
    assert names(space) == {"lo"}


def test_a_link_with_another_mac_than_expected_is_not_deleted(lan) -> None:
    space = lan.attach()
    assert not space.run(links.delete_link, "eth0", expected_mac="02:00:00:00:00:99")
    assert not space.run(links.delete_link, "eth0", expected_kind="veth")
    assert space.run(links.delete_link, "eth0", expected_mac=MAC.upper())


def deletion(space, **expected) -> tuple[bool, object]:
    """What is seen of a deletion from a second thread in its netns, and what the deletion itself says."""
    going = links.Deletion("eth0", **({"expected_mac": None, "expected_kind": None} | expected))
    with ThreadPoolExecutor(2) as threads:
        seen = threads.submit(space.run, going.wait)
        said = threads.submit(space.run, going.run)
        said.add_done_callback(going.end)
        gone = seen.result(10)
        assert gone is ("eth0" not in names(space))
        return gone, said.result(10)


def test_a_deletion_is_over_when_nobody_can_see_the_link(lan) -> None:
    space = lan.attach()
    assert deletion(space) == (True, True)
    assert names(space) == {"lo"}


def test_name_and_mac_are_free_as_soon_as_the_link_is_gone(lan) -> None:
    space, other = lan.attach(), lan.container()
    with ThreadPoolExecutor(2) as threads:
        for again in (other, space, space):
            holder = next(one for one in (space, other) if "eth0" in names(one))
            going = links.Deletion("eth0", expected_mac=MAC, expected_kind=None)
            freed = threads.submit(holder.run, going.run)
            assert threads.submit(holder.run, going.wait).result(10)
            make(lan, again)
            assert freed.result(10)
            assert "eth0" in names(again)


def test_a_deletion_that_is_refused_is_told_by_its_result(lan) -> None:
    space = lan.attach()
    assert deletion(space, expected_mac="02:00:00:00:00:99") == (False, False)
    assert names(space) == {"lo", "eth0"}


def test_a_deletion_that_never_began_keeps_nobody_waiting(lan) -> None:
    going = links.Deletion("eth0", expected_mac=None, expected_kind=None)
    going.end()
    assert lan.attach().run(going.wait) is False


def test_a_mac_is_set_on_a_link_that_is_up(lan) -> None:
    space = lan.attach()
    space.run(links.set_mac, "eth0", "02:00:00:00:00:77")
    state = space.run(links.link_state, "eth0")
    assert (state.mac, state.up) == ("02:00:00:00:00:77", True)


def test_a_mac_that_is_taken_can_not_be_set(lan) -> None:
    lan.attach()
    second = lan.attach(mac="02:00:00:00:00:02")
    assert isinstance(refusal(second.run, links.set_mac, "eth0", MAC), MacInUse)


@pytest.mark.parametrize("fn", [links.link_up, lambda name: links.set_mac(name, MAC)])
def test_a_link_that_is_gone_is_an_error_with_words(space, fn) -> None:
    assert "eth0" in refusal(space.run, fn, "eth0").message


def test_without_the_capability_the_error_names_it(lan) -> None:
    script = (
        "from hooknet.kernel import links\n"
        "try: links.link_up('up0')\n"
        "except Exception as error: print(error)\n"
    )
    drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", sys.executable, "-c", script]
    said = lan.host.run(subprocess.run, drop, capture_output=True, text=True, check=True).stdout
    assert "Operation not permitted" in said
    assert "CAP_NET_ADMIN" in said
