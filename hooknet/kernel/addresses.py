"""Addresses, routes and MTU on the container's interface: put there, changed, taken away, compared.

A change adds before it takes away, so that the interface is never without an address. In one subnet that is
a trap: the new address is then a secondary of the old one, and the kernel drops a primary's secondaries
with it unless promote_secondaries is set. So it is set first, by netlink, and where that fails through
/proc/sys (which a hardened unit sees read-only); should both fail, what went with the old address is sent
again at once.

A renewal only moves the address's end (see plan.py) and is one message. Routes are compared with what is
there only when the plan itself has changed: what the container's owner took away stays away. The kernel
can't change the broadcast address of an address that is there; a server that changes that alone is not
worth a gap.
"""

from __future__ import annotations

import errno
import math
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hooknet.kernel import messages
from hooknet.kernel.links import link_state
from hooknet.kernel.neighbours import next_hop
from hooknet.kernel.netlink import Netlink, NetlinkRefusal, Request
from hooknet.kernel.plan import Plan, plan_for
from hooknet.kernel.process import boottime
from hooknet.kernel.refusals import index_of, refused
from hooknet.kernel.routes import RouteChanges, absent, changes, read_routes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from hooknet.model import Route

__all__ = ["Plan", "apply", "flush", "missing", "plan_for", "renew"]

SWITCHES = Path("/proc/sys/net/ipv4/conf")
NOT_THERE = frozenset({errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV})


def apply(ifname: str, plan: Plan, previous: Plan | None) -> tuple[str, ...]:
    """Give `ifname` of this netns what `plan` says; `previous` is what it has from us so far, if anything.

    Returns what the kernel did not take and the container can live without (a route, the MTU), in words.
    Raises IO when the address could not be set or the interface is gone.
    """
    with Netlink() as netlink:
        return _apply(netlink, index_of(ifname), ifname, plan, previous)


def renew(
    ifname: str, plan: Plan, previous: Plan | None, server: IPv4Address
) -> tuple[tuple[str, ...], str | None]:
    """`apply` for a lease that `server` has just renewed, and the MAC that frames to it go to now (or None).

    Both in one visit to the netns: getting there costs more than what is done there. Raises as `apply`.
    """
    with Netlink() as netlink:
        index = index_of(ifname)
        notes = _apply(netlink, index, ifname, plan, previous)
        return notes, next_hop(netlink, index, server)


def flush(ifname: str, plan: Plan) -> None:
    """Take away the address of `plan` and every route of ours, the address first. Idempotent. Raises IO."""
    try:
        index = socket.if_nametoindex(ifname)
    except OSError:
        return  # the interface is gone, and the address with it
    with Netlink() as netlink:
        leaving = [messages.del_address(index, plan.address)] if plan.address else []
        refusals = netlink.attempt(leaving)
        routes = changes(index, (), None, read_routes(netlink))
        refusals += netlink.attempt(routes.remove)
    for refusal in refusals:
        if refusal is not None and refusal.errno not in NOT_THERE:
            raise refused(f"take the address away from {ifname}", refusal)


def missing(ifname: str, plan: Plan) -> list[str]:
    """What of `plan` is not there, in words; empty when all is (CNI's CHECK)."""
    state = link_state(ifname)
    if state is None:
        return [f"the interface {ifname} is gone"]
    found: list[str] = []
    if not state.up:
        found.append(f"{ifname} is down")
    if plan.address is not None and plan.address not in state.addresses:
        found.append(f"{ifname} has not the address {plan.address}")
    if plan.mtu is not None and state.mtu != plan.mtu:
        found.append(f"{ifname} has the MTU {state.mtu} and not {plan.mtu}")
    with Netlink() as netlink:
        present = read_routes(netlink)
    return found + [
        f"{_words(r)} through {ifname} is missing" for r in absent(state.index, plan.routes, present)
    ]


def _apply(netlink: Netlink, index: int, ifname: str, plan: Plan, previous: Plan | None) -> tuple[str, ...]:
    if previous is not None and replace(previous, valid_until=plan.valid_until) == plan:
        _set_address(netlink, index, ifname, plan)
        return ()
    return _change(netlink, index, ifname, plan, previous)


def _change(netlink: Netlink, index: int, ifname: str, plan: Plan, previous: Plan | None) -> tuple[str, ...]:
    routes = changes(index, plan.routes, plan.metric, read_routes(netlink))
    mtu = [messages.set_link(index, mtu=plan.mtu)] if plan.mtu else []
    address = _address_requests(index, plan)
    switched, *answers = netlink.attempt([messages.set_switches(index), *mtu, *address, *routes.add])
    notes = _judge(ifname, plan, routes, answers)
    if previous is not None and previous.address not in {None, plan.address}:
        promotes = switched is None or _promote_by_sysctl(ifname)
        netlink.attempt([messages.del_address(index, previous.address)])
        if not promotes:
            again = changes(index, plan.routes, plan.metric, read_routes(netlink))
            netlink.attempt([*address, *again.add])
    netlink.attempt(routes.remove)
    return notes


def _judge(
    ifname: str, plan: Plan, routes: RouteChanges, answers: Sequence[NetlinkRefusal | None]
) -> tuple[str, ...]:
    """Raise when the address was refused; else say what else was: the MTU, the routes."""
    rest = list(answers)
    notes: list[str] = []
    if plan.mtu and (refusal := rest.pop(0)) is not None:
        notes.append(f"the MTU {plan.mtu} was refused: {refusal.strerror}")
    if plan.address is not None and (refusal := rest.pop(0)) is not None:
        raise refused(f"set the address {plan.address} on {ifname}", refusal)
    for route, refusal in zip(routes.wanted, rest, strict=True):
        if refusal is not None:
            notes.append(f"{_words(route)} was refused: {refusal.strerror}")
    return tuple(notes)


def _set_address(netlink: Netlink, index: int, ifname: str, plan: Plan) -> None:
    for refusal in netlink.attempt(_address_requests(index, plan)):
        if refusal is not None:
            raise refused(f"set the address {plan.address} on {ifname}", refusal)


def _address_requests(index: int, plan: Plan) -> list[Request]:
    if plan.address is None:
        return []
    return [messages.new_address(index, plan.address, plan.broadcast, plan.metric, _lifetime(plan))]


def _lifetime(plan: Plan) -> int:
    """Whole seconds that the address may still be used, at least one; the kernel takes no zero."""
    if plan.valid_until is None:
        return messages.FOREVER
    return min(max(math.floor(plan.valid_until - boottime()), 1), messages.FOREVER - 1)


def _promote_by_sysctl(ifname: str) -> bool:
    try:
        (SWITCHES / ifname / "promote_secondaries").write_text("1", encoding="ascii")
    except OSError:
        return False
    return True


def _words(route: Route) -> str:
    where = "the default route" if route.destination.prefixlen == 0 else f"the route to {route.destination}"
    gateway: IPv4Address | None = route.gateway
    return where + (f" via {gateway}" if gateway else "")
