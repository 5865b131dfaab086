"""CHECK's comparison of prevResult with what hooknet holds. The kernel's side is the lifecycle's.

prevResult is the result of the whole chain, so plugins after us may have changed it: another MAC, more
addresses, more routes are theirs. A lease whose address has changed since the ADD is right, though
prevResult says otherwise. What must be there is our interface, in this container; and an address, when
somebody was to give one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.cni.netconf import Addresses

if TYPE_CHECKING:
    from hooknet.cni.result import Interface, Ip, Result, Route


def interface_in(result: Result, ifname: str) -> Interface | None:
    """The container's interface `ifname`; one on the host may have the same name."""
    for interface in result.interfaces:
        if interface.name == ifname and interface.sandbox:
            return interface
    return None


def addresses_on(result: Result, ifname: str) -> tuple[Ip, ...]:
    """The addresses that prevResult puts on `ifname`."""
    indices = {i for i, found in enumerate(result.interfaces) if found.name == ifname and found.sandbox}
    return tuple(ip for ip in result.ips if ip.interface in indices)


def routes_through(result: Result, ifname: str) -> tuple[Route, ...]:
    """The routes of prevResult that lead through `ifname`: whose gateway is its own, or can be reached by it."""
    links = [ip.address.network for ip in addresses_on(result, ifname)]
    links += [route.destination for route in result.routes if route.gateway is None]
    return tuple(
        route
        for route in result.routes
        if route.gateway is None or any(route.gateway in link for link in links)
    )


def complaints(
    previous: Result, *, ifname: str, netns: str, makes_interface: bool, addresses: Addresses
) -> tuple[str, ...]:
    """What speaks against prevResult, in words.

    makes_interface: we are the main plugin. addresses: who gave one: a lease is IPv4, others give what they like.
    """
    found = []
    interface = interface_in(previous, ifname)
    if makes_interface and interface is None:
        found.append(f"prevResult has no interface {ifname} in a container")
    if interface is not None and interface.sandbox != netns:
        found.append(f"prevResult has {ifname} in {interface.sandbox}, not in {netns}")
    if addresses is Addresses.LEASED and not any(ip.address.version == 4 for ip in previous.ips):  # noqa: PLR2004 - IPv4
        found.append("prevResult has no IPv4 address")
    if addresses is Addresses.DELEGATED and not previous.ips:
        found.append("prevResult has no address")
    return tuple(found)
