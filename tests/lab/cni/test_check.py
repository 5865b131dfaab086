"""CHECK: right when everything is there, in words when it is not, and without a trace either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.cni import netconf

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Stand
    from lab import Sandbox
    from lab.cni import Reply

CHECK_FAILED = 103


def fails(reply: Reply, *words: str) -> None:
    error = reply.error
    assert error["code"] == CHECK_FAILED, str(reply)
    said = f"{error['msg']} {error['details']}"
    assert [word for word in words if word not in said] == [], said


DAMAGE: dict[str, tuple[Callable[[Sandbox], object], tuple[str, ...]]] = {
    "interface": (lambda box: box.ip("link", "delete", "eth0"), ("eth0", "missing")),
    "MAC": (
        lambda box: box.ip("link", "set", "eth0", "address", "02:00:5e:10:00:09"),
        ("02:00:5e:10:00:09",),
    ),
    "mode": (lambda box: box.ip("link", "set", "eth0", "type", "macvlan", "mode", "private"), ("private",)),
    "link": (lambda box: box.ip("link", "set", "eth0", "down"), ("eth0", "down")),
    "address": (lambda box: box.ip("address", "flush", "dev", "eth0"), ("address",)),
    "route": (lambda box: box.ip("route", "delete", "default"), ("default route",)),
}


@pytest.mark.parametrize("missing", DAMAGE)
@pytest.mark.parametrize("plugin", ["hooknet", "macvlan"])
def test_what_is_missing_is_named(stand: Stand, plugin: str, missing: str) -> None:
    damage, words = DAMAGE[missing]
    config, sandbox = netconf(type_=plugin, ipam={"type": "dhcp"}), stand.sandbox()
    added = stand.cni.add(config, sandbox)
    assert stand.cni.check(config, sandbox, added).code == 0
    damage(sandbox)
    fails(stand.cni.check(config, sandbox, added), *words)
    stand.cni.delete(config, sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)
    assert sandbox.links() == set()


def test_all_that_is_missing_is_named_at_once(stand: Stand) -> None:
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    address = str(added.interface)
    sandbox.ip("address", "flush", "dev", "eth0")
    fails(stand.cni.check(netconf(), sandbox, added), address, "default route", "restart the container")
    stand.cni.delete(netconf(), sandbox)


def test_what_was_never_added_or_is_deleted_fails(stand: Stand) -> None:
    sandbox, other = stand.sandbox(), stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    fails(stand.cni.check(netconf(), other, added), "eth0")
    stand.cni.delete(netconf(), sandbox)
    fails(stand.cni.check(netconf(), sandbox, added), "not attached")


def test_another_network_or_interface_is_not_this_one(stand: Stand) -> None:
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    fails(stand.cni.check({**netconf(), "name": "other"}, sandbox, added))
    fails(stand.cni.check(netconf(), sandbox, added, ifname="eth7"), "eth7")
    stand.cni.delete(netconf(), sandbox)


def test_a_check_without_a_result_is_a_bad_configuration(stand: Stand) -> None:
    sandbox = stand.sandbox()
    stand.cni.add(netconf(), sandbox)
    error = stand.cni.call("CHECK", netconf(), sandbox).error
    assert error["code"] == 7
    assert "prevResult" in error["msg"]
    stand.cni.delete(netconf(), sandbox)


def test_a_netns_that_is_gone_is_named(stand: Stand) -> None:
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    sandbox.delete()
    reply = stand.cni.check(netconf(), sandbox, added)
    assert reply.error["code"] in {8, CHECK_FAILED}
    assert str(sandbox.path) in reply.error["msg"]
    stand.cni.delete(netconf(), sandbox)
    stand.lan.server.wait_for_release(added.interface.ip)


def test_what_others_added_is_theirs(stand: Stand) -> None:
    """More addresses and routes are no fault: a later plugin, or the container itself, put them there."""
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    sandbox.ip("address", "add", "198.51.100.7/32", "dev", "eth0")
    sandbox.ip("route", "add", "198.51.100.0/24", "dev", "eth0")
    assert stand.cni.check(netconf(), sandbox, added).code == 0
    stand.cni.delete(netconf(), sandbox)


def test_twenty_checks_leave_no_descriptor_no_lease_and_no_thread_more(stand: Stand) -> None:
    sandbox = stand.sandbox()
    added = stand.cni.add(netconf(), sandbox)
    eventually(lambda: stand.daemon.leases()[0]["phase"] == "REPLIED", what="the ADD is answered")
    stand.cni.check(netconf(), sandbox, added)
    packets = lambda: sandbox.run("cat", "/proc/net/packet").stdout.count("\n")  # noqa: E731
    eventually(lambda: packets() == 1, what="the exchange's socket is closed")
    before = stand.daemon.descriptors()
    sandbox.ip("address", "flush", "dev", "eth0")
    for _ in range(20):
        fails(stand.cni.check(netconf(), sandbox, added))
    eventually(lambda: stand.daemon.descriptors() <= before, what="every descriptor is closed")
    eventually(lambda: stand.lan.server.addresses() == {added.interface.ip}, what="one lease")
    stand.cni.delete(netconf(), sandbox)
