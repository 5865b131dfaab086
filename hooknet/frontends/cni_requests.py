"""From CNI's words to the lifecycle's, and from what was attached to CNI's result. Nothing is done here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hooknet.cni import check, compose
from hooknet.cni.netconf import Addresses, Role
from hooknet.cni.options import HOST_NAME
from hooknet.cni.result import Interface, Result
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.delegates import plan_of
from hooknet.lifecycle.requests import (
    Assign,
    Attached,
    AttachRequest,
    DetachRequest,
    LinkWanted,
    StatusRequest,
)
from hooknet.lifecycle.timing import Timing
from hooknet.model import SHORT_ID, FixedPlan

if TYPE_CHECKING:
    from hooknet.cni.envelope import Tombstone
    from hooknet.cni.netconf import NetConf
    from hooknet.cni.request import CniRequest


def attach_request(
    request: CniRequest, assign: Assign | None = None, timing: Timing | None = None
) -> AttachRequest:
    """What an ADD asks of the lifecycle. `assign`: asks another plugin for the addresses."""
    conf = request.wanted
    assert request.netns is not None, "ADD and CHECK have a netns"
    return AttachRequest(
        key=request.key,
        netns=request.netns,
        container_name=request.container_name,
        aliases=tuple(one for one in conf.aliases if one != request.container_id[:SHORT_ID]),
        parent=conf.parent,
        parent_in_netns=conf.link_in_container,
        mac=conf.mac,
        link=link_wanted(conf),
        l2_only=conf.addresses is not Addresses.LEASED,
        assign=assign,
        timing=timing or Timing(),
        own_netns=request.own_netns_allowed,
        given=conf.settings,
        parameters=conf.options.requested,
        skip_parameters=conf.options.skipped,
        options={code: value for code, value in conf.options.provided.items() if code != HOST_NAME},
        requested_address=conf.requested_address,
    )


def link_wanted(conf: NetConf) -> LinkWanted | None:
    """None as an IPAM plugin: the main plugin has made the link."""
    if conf.role is Role.IPAM:
        return None
    return LinkWanted(mode=conf.mode, mtu=conf.mtu, bcqueuelen=conf.bcqueuelen)


def check_request(request: CniRequest) -> AttachRequest:
    """What a CHECK asks: `mac` is what prevResult says, since a later plugin may have changed it rightly.

    Raises CHECK_FAILED for what prevResult alone shows to be wrong.
    """
    conf, previous = request.wanted, request.wanted.prev_result
    assert previous is not None, "CHECK has a prevResult"
    assert request.netns is not None, "CHECK has a netns"
    problems = check.complaints(
        previous,
        ifname=request.ifname,
        netns=request.netns,
        makes_interface=conf.role is Role.MAIN,
        addresses=conf.addresses,
    )
    if problems:
        raise HooknetError(
            Kind.CHECK_FAILED,
            f"{request.key} is not as it should be",
            details="; ".join(problems),
            hint="restart the container",
        )
    found = check.interface_in(previous, request.ifname)

    async def assign() -> FixedPlan:
        ours = check.addresses_on(previous, request.ifname)
        return plan_of(ours, check.routes_through(previous, request.ifname))

    asked = attach_request(request, assign if conf.addresses is Addresses.DELEGATED else None)
    return replace(asked, mac=found.mac) if found is not None and found.mac else asked


def detach_request(request: CniRequest, tombstone: Tombstone | None = None) -> DetachRequest:
    """What a DEL asks. The link is deleted only where we made it."""
    return DetachRequest(
        key=request.key,
        netns=request.netns,
        delete_link=request.network.role is Role.MAIN,
        netns_id=tombstone.netns if tombstone is not None else None,
        at=tombstone.at if tombstone is not None else None,
    )


def status_request(request: CniRequest) -> StatusRequest:
    """What a STATUS asks: as an ADD of this configuration would need it."""
    conf = request.wanted
    return StatusRequest(
        network=conf.name,
        parent=conf.parent,
        parent_in_netns=conf.link_in_container,
        makes_link=conf.role is Role.MAIN,
        leases=conf.addresses is Addresses.LEASED,
        given=conf.settings,
    )


def result_of(request: CniRequest, attached: Attached, delegated: Result | None) -> Result:
    """The result of an ADD, behind what came before us in the chain."""
    conf = request.wanted
    interface = Interface(
        name=request.ifname, mac=attached.mac, sandbox=request.netns or "", mtu=attached.mtu or None
    )
    if delegated is not None:
        ours = compose.from_delegate(delegated, interface, conf.dns)
    elif attached.lease is not None:
        ours = compose.from_lease(attached.lease, attached.settings, conf.dns, interface)
    else:
        ours = compose.without_lease(interface, conf.dns)
    if conf.role is Role.IPAM:
        return compose.for_main_plugin(ours)
    return compose.after(conf.prev_result, ours)
