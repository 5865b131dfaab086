"""Routes: which there are, and what must change so that ours are there and nobody else's is touched.

A second network must not hijack the first one's routes. The kernel tells routes to one destination apart by
their metric, and replacing one means "the one with this destination and this metric", whoever's it is. So
where another interface has a route to the same destination, ours gets a metric of its own: above theirs
when the administrator set none, and the next free one from his when he did. A metric that we have already
stays, or two networks would push each other up for ever.

Ours are those through our interface with protocol `dhcp` (rtnetlink(7), RTPROT_DHCP): what somebody else
added to the interface is his.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from hooknet.kernel import messages
from hooknet.kernel.netlink import Netlink, NetlinkRefusal, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hooknet.model import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRoute:
    """A unicast route of the main table. `index`: of its interface, None when it has several next hops."""

    destination: IPv4Network
    gateway: IPv4Address | None
    metric: int
    index: int | None
    protocol: int

    def is_ours(self, index: int) -> bool:
        return self.index == index and self.protocol == messages.PROTO_DHCP


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """What to send: `add` in this order, one for each of `wanted`; `remove` after that."""

    wanted: tuple[Route, ...]
    add: tuple[Request, ...]
    remove: tuple[Request, ...]


def read_routes(netlink: Netlink) -> list[KernelRoute]:
    """The IPv4 unicast routes of the main table in the netns of `netlink`."""
    try:
        found = netlink.dump(messages.get_routes())
    except NetlinkRefusal as error:
        if error.errno == errno.ENOENT:  # a fresh netns has no main table before its first route
            return []
        raise
    return [
        _route(m)
        for m in found
        if m["family"] == socket.AF_INET
        and m["type"] == messages.UNICAST
        and m["tos"] == 0
        and m.get_attr("RTA_TABLE") == messages.MAIN_TABLE
    ]


def changes(
    index: int, wanted: Sequence[Route], metric: int | None, present: Sequence[KernelRoute]
) -> RouteChanges:
    """From `present` to `wanted` through interface `index`. `metric` is the administrator's, None for none."""
    ours = {(r.destination, r.metric): r for r in present if r.is_ours(index)}
    missing: list[Route] = []
    add: list[Request] = []
    for route in wanted:
        chosen = choose_metric(index, route.destination, metric, present)
        there = ours.pop((route.destination, chosen), None)
        if there is None or there.gateway != route.gateway:
            missing.append(route)
            add.append(
                messages.new_route(index, route.destination, route.gateway, chosen, replace=there is not None)
            )
    remove = [messages.del_route(index, r.destination, r.gateway, r.metric) for r in reversed(ours.values())]
    return RouteChanges(tuple(missing), tuple(add), tuple(remove))


def choose_metric(
    index: int, destination: IPv4Network, metric: int | None, present: Iterable[KernelRoute]
) -> int:
    """The metric for our route to `destination`: nobody else's, and not above anybody by accident."""
    same = [r for r in present if r.destination == destination]
    taken = {r.metric for r in same if r.index != index}
    held = [r.metric for r in same if r.is_ours(index) and r.metric not in taken]
    if metric is None and held:
        return held[0]
    chosen = metric if metric is not None else max(taken, default=-1) + 1
    while chosen in taken:
        chosen += 1
    return chosen


def absent(index: int, wanted: Iterable[Route], present: Iterable[KernelRoute]) -> list[Route]:
    """Those of `wanted` that are not there, whatever their metric."""
    there = {(r.destination, r.gateway) for r in present if r.index == index}
    return [route for route in wanted if (route.destination, route.gateway) not in there]


def _route(message: Any) -> KernelRoute:
    gateway = message.get_attr("RTA_GATEWAY")
    return KernelRoute(
        destination=IPv4Network((message.get_attr("RTA_DST") or "0.0.0.0", message["dst_len"])),  # noqa: S104
        gateway=IPv4Address(gateway) if gateway else None,
        metric=message.get_attr("RTA_PRIORITY") or 0,
        index=message.get_attr("RTA_OIF"),
        protocol=message["proto"],
    )
