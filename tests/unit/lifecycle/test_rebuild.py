"""What can be known again when the journal is lost: each sentence of the rule, as a scene and what follows."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Interface
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hooknet.kernel.links import LinkState, Parent
from hooknet.lifecycle.entries import Registry
from hooknet.lifecycle.rebuild import UNKNOWN_END, Leave, Rebuild, Scene, Trace, binding_in_doubt, judge
from hooknet.lifecycle.rebuilding import Rebuilder
from hooknet.lifecycle.requests import AttachRequest, LinkWanted
from hooknet.model import AttachmentKey, MacvlanMode

KEY = AttachmentKey("c1", "eth0", "lan")
NETNS = (4, 4711)
ADDRESS = IPv4Interface("192.168.7.50/24")
OTHER = IPv4Interface("192.168.7.99/24")
PARENT = Parent(name="eth7", index=2, mac="02:00:00:00:00:07", mtu=1500, up=True, carrier=True)
LINK = LinkState(
    name="eth0",
    index=9,
    mac="02:00:00:00:00:01",
    mtu=1500,
    up=True,
    carrier=True,
    kind="macvlan",
    mode=MacvlanMode.BRIDGE,
    parent_index=2,
    parent_elsewhere=True,
    addresses=(ADDRESS,),
    seconds_left={ADDRESS: 77},
)
FOR_EVER = replace(LINK, seconds_left={})
TRACE = Trace(
    request=AttachRequest(key=KEY, netns="/run/netns/x", link=LinkWanted()), attached=1.0, address=ADDRESS
)
SCENE = Scene(netns=NETNS, link=LINK, parent=PARENT)
NOT_BY_NAME = replace(TRACE, by_name=False)
UNDER_ANOTHER = replace(TRACE, request=replace(TRACE.request, link=None))


def test_fault_6_an_interface_with_its_address_is_rebuilt_with_the_seconds_that_the_kernel_gives_it() -> None:
    assert judge(TRACE, SCENE, set()) == Rebuild(TRACE, ADDRESS, 77)


@pytest.mark.parametrize("scene", [Scene(), replace(SCENE, netns=None), replace(SCENE, link=None)])
def test_a_netns_or_interface_that_is_gone_is_nothing_to_rebuild(scene: Scene) -> None:
    assert judge(TRACE, scene, set()) is None


def test_what_was_attached_again_meanwhile_is_not_rebuilt() -> None:
    assert judge(TRACE, SCENE, {KEY}) is None


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        (replace(SCENE, link=replace(LINK, kind="veth")), "no macvlan"),
        (replace(SCENE, link=replace(LINK, parent_index=3)), "does not hang on eth7"),
        (replace(SCENE, link=replace(LINK, parent_elsewhere=False)), "does not hang on eth7"),
        (replace(SCENE, parent=None), "is not there"),
    ],
)
def test_an_interface_that_is_not_as_we_make_them_is_left_and_said(scene: Scene, why: str) -> None:
    outcome = judge(TRACE, scene, set())
    assert isinstance(outcome, Leave)
    assert why in outcome.why


def test_under_another_main_plugin_the_interface_is_whatever_that_made() -> None:
    scene = replace(SCENE, link=replace(LINK, kind="veth", parent_index=None))
    assert judge(UNDER_ANOTHER, scene, set()) == Rebuild(UNDER_ANOTHER, ADDRESS, 77)


def test_a_parent_inside_the_container_is_looked_for_there() -> None:
    trace = replace(TRACE, request=replace(TRACE.request, parent_in_netns=True))
    inside = replace(SCENE, link=replace(LINK, parent_elsewhere=False))
    assert judge(trace, inside, set()) == Rebuild(trace, ADDRESS, 77)
    assert isinstance(judge(trace, SCENE, set()), Leave)


def test_an_address_that_changed_since_the_add_is_the_one_that_the_kernel_has() -> None:
    assert judge(replace(TRACE, address=OTHER), SCENE, set()) == Rebuild(
        replace(TRACE, address=OTHER), ADDRESS, 77
    )


def test_an_address_without_an_end_is_the_one_that_the_runtime_was_told() -> None:
    scene = replace(SCENE, link=replace(FOR_EVER, addresses=(OTHER, ADDRESS)))
    assert judge(TRACE, scene, set()) == Rebuild(TRACE, ADDRESS, None)


def test_without_any_address_of_ours_it_is_rebuilt_without_a_lease() -> None:
    assert judge(TRACE, replace(SCENE, link=replace(FOR_EVER, addresses=(OTHER,))), set()) == Rebuild(TRACE)


def test_what_may_be_the_references_lease_is_ours_only_where_the_address_ends_by_itself() -> None:
    assert judge(NOT_BY_NAME, SCENE, set()) == Rebuild(NOT_BY_NAME, ADDRESS, 77)
    assert isinstance(judge(NOT_BY_NAME, replace(SCENE, link=FOR_EVER), set()), Leave)


def test_an_l2_only_attachment_is_rebuilt_without_a_lease_when_it_is_ours_by_name() -> None:
    l2 = replace(TRACE, request=replace(TRACE.request, l2_only=True))
    assert judge(l2, SCENE, set()) == Rebuild(l2)
    assert isinstance(judge(replace(l2, by_name=False), SCENE, set()), Leave)


@pytest.mark.parametrize(("seconds", "ends_after"), [(77, 77), (0, 1), (None, UNKNOWN_END)])
def test_a_lease_in_doubt_is_asked_of_everybody_and_ends_when_the_kernel_says(
    seconds: int | None, ends_after: int
) -> None:
    binding = binding_in_doubt(
        ADDRESS,
        seconds,
        mac=LINK.mac,
        client_id=b"\xff",
        now=1000.0,
        obtained=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert binding.is_in_doubt
    assert (binding.t1_at, binding.t2_at, binding.expires_at) == (1000.0, 1000.0, 1000.0 + ends_after)
    assert not math.isinf(binding.expires_at)


def test_one_trace_that_goes_wrong_keeps_no_other_from_being_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A daemon that fell over it would fall over it again at each start."""
    looked = []

    def identify(path: str) -> None:
        looked.append(path)
        if path == "/run/netns/bad":
            raise ZeroDivisionError("a fault of ours")

    machine = SimpleNamespace(identify=identify)
    services = SimpleNamespace(registry=Registry(), machine=machine)
    bad = replace(TRACE, attached=0.5, request=replace(TRACE.request, netns="/run/netns/bad"))
    rebuilder = Rebuilder(cast("Any", services), cast("Any", None))
    rebuilt = asyncio.run(rebuilder.rebuild([TRACE, bad]))
    assert looked == ["/run/netns/bad", "/run/netns/x"]
    assert rebuilt.kept == 0
    [left] = rebuilt.left
    assert "a fault of ours" in left.why
    assert "ZeroDivisionError" in caplog.text
