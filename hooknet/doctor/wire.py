"""The parent interface, and who answers DHCP on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hooknet.doctor.findings import Finding, from_error, note, ok, problem, skipped
from hooknet.doctor.host import Host
from hooknet.doctor.networks import Place
from hooknet.errors import HooknetError
from hooknet.kernel.links import Parent
from hooknet.kernel.parents import require_usable

SHOW_LINKS = "ip link shows the interfaces"


def check_parents(host: Host, places: Sequence[Place]) -> Iterator[Finding]:
    """Exists, Ethernet, not wireless under a macvlan, nobody's port, up, with a carrier."""
    if not places:
        yield skipped(
            "no network leases by DHCP, and there is no default route to guess from",
            todo="name the interface: hooknet doctor --parent IF",
        )
    for place in places:
        try:
            parent = examined(host, place)
        except HooknetError as error:
            yield from_error(error, SHOW_LINKS)
            continue
        if not parent.carrier:
            yield problem(
                f"{parent.name} has no carrier",
                todo="plug in the cable, and see whether the switch port is up",
                why="an ADD waits for it, and fails at its deadline",
            )
        else:
            how = "the default route's" if place.name is None else "the parent"
            yield ok(f"{parent.name} ({how}) is up, MTU {parent.mtu}, {parent.mac}")


def check_servers(host: Host, places: Sequence[Place]) -> Iterator[Finding]:
    """A DISCOVER that nobody follows up, and an INFORM: neither takes a lease."""
    for place in places:
        parent = usable(host, place)
        if parent is None:
            continue
        if "NET_RAW" in host.missing_capabilities():
            yield skipped(f"DHCP servers on {parent.name}: asking takes root", todo="sudo hooknet doctor")
            continue
        yield from ask(host, parent.name)


def ask(host: Host, parent: str) -> Iterator[Finding]:
    try:
        found = host.ask_servers(parent)
    except OSError as error:
        yield problem(f"nothing can be sent on {parent}: {error.strerror}", todo="ip -s link show " + parent)
        return
    match found.offering:
        case (one,):
            yield ok(f"{one} offers addresses on {parent}")
        case (_, *_):
            yield note(
                f"several DHCP servers answer on {parent}: {', '.join(found.offering)}",
                todo='if they are not meant to, name the right one: allow_servers = ["ADDRESS/32"] in hooknet.toml',
                why="the first answer wins, so addresses may come from either",
            )
        case _ if found.informing:
            yield problem(
                f"{', '.join(found.informing)} answers on {parent}, and offers no address",
                todo="enlarge its pool or shorten its leases (the plugin short-lease asks for shorter ones)",
                why="its pool is probably exhausted, or it knows no range for this network",
            )
        case _:
            yield problem(
                f"no DHCP server answers on {parent}",
                todo="is it the right interface and VLAN? Is the server up? Do switches filter DHCP (snooping, port "
                "security)? A server on this very host does not hear its own parent: put it elsewhere",
            )


def usable(host: Host, place: Place) -> Parent | None:
    """The parent, if it is worth asking on."""
    try:
        parent = examined(host, place)
    except HooknetError:
        return None  # `check_parents` has said why
    return parent if parent.carrier else None


def examined(host: Host, place: Place) -> Parent:
    """The parent. Raises PARENT where containers on it could not reach the LAN; Wi-Fi carries what shares its MAC."""
    parent = host.parent(place.name)
    require_usable(replace(parent, wireless=parent.wireless and not place.shares_mac))
    return parent
