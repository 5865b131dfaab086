"""The interface by which the host reaches its macvlan containers, and the routes over it.

A macvlan never exchanges frames with the interface it hangs on, only with its siblings. So the host gets a
sibling of its own for each parent, the shim, without an address: each container's address is a /32 route over
it, with the host's own address on the parent as the source. The container's answer needs nothing: its ARP
request is answered by the shim, for the kernel answers for any of its addresses on any interface.

That habit must not reach the LAN, where the same request is answered by the parent: `arp_filter` makes the shim
answer only those that the host routes to over the shim. IPv6 is off on it, or router advertisements would give
the host addresses and a default route there.

Everything here is idempotent, and is done again at every event.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

ALIAS = "hooknet host-access"
PREFIX = "hn-"
IFNAMSIZ = 15
PROTOCOL = 104
"""Of our routes (`ip route show proto 104`), and their metric: an administrator's own route is never touched."""

RTM_SETLINK, NLM_F_REQUEST, NLM_F_ACK, NLA_F_NESTED = 19, 0x1, 0x4, 0x8000
IFLA_AF_SPEC, IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE, GENERATE_NONE = 26, 1, 8, 1
ACCEPT_REDIRECTS, SEND_REDIRECTS, ARP_FILTER = 4, 6, 13
IFF_UP = 0x1


def name_for(parent: str) -> str:
    """The shim's name: the parent's behind `hn-`, shortened with a hash where it would be too long."""
    if len(PREFIX + parent) <= IFNAMSIZ:
        return PREFIX + parent
    return f"{PREFIX}{parent[:5]}-{hashlib.sha256(parent.encode()).hexdigest()[:6]}"


def mac_for(parent_mac: str) -> str:
    """The same MAC for ever, so that neither switches nor containers see another host each time."""
    digest = hashlib.sha256(f"hooknet host-access 1\0{parent_mac}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (digest[0] & 0xFE | 0x02, *digest[1:6]))


class NameTakenError(Exception):
    """There is an interface of the shim's name that is not ours."""


class Shims:
    """The shims of this host. Blocking; raises OSError and NetlinkError when the kernel refuses."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[str] = set()

    def sync(self, parent: str, addresses: set[IPv4Address]) -> None:
        """Make shim and routes what `addresses` asks for; without any, the shim goes."""
        with IPRoute() as kernel:
            below = find(kernel, parent)
            if below is None:
                return  # a parent that is gone took the shim and its routes with it
            shim = find(kernel, name_for(parent))
            if shim is not None and not is_ours(shim, below):
                raise NameTakenError(
                    f"there is an interface {name_for(parent)} that host-access did not make: rename or delete it"
                )
            if not addresses:
                if shim is not None:
                    kernel.link("del", index=shim["index"])
                return
            if shim is None:
                shim = self._make(kernel, parent, below)
            self._route(kernel, shim["index"], self._sources(kernel, parent, below["index"], addresses))

    def _make(self, kernel: Any, parent: str, below: Any) -> Any:
        name = name_for(parent)
        kernel.link(
            "add",
            ifname=name,
            kind="macvlan",
            link=below["index"],
            macvlan_mode="bridge",
            address=mac_for(below.get_attr("IFLA_ADDRESS")),
        )
        made = find(kernel, name)
        if made is None:
            raise OSError(errno.ENODEV, f"{name} was deleted while it was made")
        kernel.link("set", index=made["index"], ifalias=ALIAS)
        self._settle(name, made["index"])
        kernel.link("set", index=made["index"], state="up")
        self._log.info("made %s: the host reaches its containers on %s", name, parent)
        return made

    def _settle(self, name: str, index: int) -> None:
        """By netlink, which works where a hardened service sees /proc/sys read-only; IPv6 has no such way."""
        set_ipv4_switches(index, {ARP_FILTER: 1, ACCEPT_REDIRECTS: 0, SEND_REDIRECTS: 0})
        with contextlib.suppress(OSError):  # a kernel without IPv6
            set_no_link_local(index)
        switch = Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6"
        try:
            switch.write_text("1", encoding="ascii")
        except FileNotFoundError:
            return
        except OSError as error:
            self._tell(
                "ipv6",
                f"IPv6 can't be switched off on {name} ({error.strerror}): where routers advertise, the host may get "
                f"IPv6 addresses there; let the daemon write {switch.parent.parent}",
            )

    def _sources(
        self, kernel: Any, parent: str, index: int, addresses: set[IPv4Address]
    ) -> Mapping[IPv4Address, IPv4Address | None]:
        """For each container the host's address that it is spoken to from: on its subnet where there is one."""
        own = list(own_addresses(kernel, index))
        if not own:
            self._tell(
                parent,
                f"the host has no IPv4 address on {parent}, so its containers may not find the way back; "
                "give it one in their subnet",
            )
        fallback = own[0].ip if own else None
        return {
            address: next((one.ip for one in own if address in one.network), fallback)
            for address in addresses
        }

    @staticmethod
    def _route(kernel: Any, index: int, wanted: Mapping[IPv4Address, IPv4Address | None]) -> None:
        present = dict(our_routes(kernel, index))
        for address, source in wanted.items():
            if address not in present or present[address] != source:
                kernel.route("replace", **route(index, address, source))
        for address in present.keys() - wanted.keys():
            kernel.route("del", **route(index, address, None))

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._log.warning(text)


def find(kernel: Any, name: str) -> Any | None:
    """The link of this name."""
    try:
        found = kernel.link("get", ifname=name)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return None
        raise
    return found[0]


def is_ours(shim: Any, below: Any) -> bool:
    """A macvlan on the parent with our alias, or one that a killed daemon had just begun to make."""
    if shim.get(("linkinfo", "kind")) != "macvlan" or shim.get_attr("IFLA_LINK") != below["index"]:
        return False
    begun = not shim["flags"] & IFF_UP and shim.get_attr("IFLA_ADDRESS") == mac_for(
        below.get_attr("IFLA_ADDRESS")
    )
    return shim.get_attr("IFLA_IFALIAS") == ALIAS or begun


def own_addresses(kernel: Any, index: int) -> Iterator[IPv4Interface]:
    for one in kernel.get_addr(family=socket.AF_INET, index=index):
        yield IPv4Interface((one.get_attr("IFA_LOCAL"), one["prefixlen"]))


def our_routes(kernel: Any, index: int) -> Iterator[tuple[IPv4Address, IPv4Address | None]]:
    """Destination and source of our routes over the shim."""
    for one in kernel.get_routes(family=socket.AF_INET, oif=index):
        if one["proto"] == PROTOCOL:
            source = one.get_attr("RTA_PREFSRC")
            yield IPv4Address(one.get_attr("RTA_DST")), None if source is None else IPv4Address(source)


def route(index: int, address: IPv4Address, source: IPv4Address | None) -> dict[str, Any]:
    wanted = {
        "dst": f"{address}/32",
        "oif": index,
        "scope": "link",
        "proto": PROTOCOL,
        "priority": PROTOCOL,
    }
    return wanted if source is None else {**wanted, "prefsrc": str(source)}


def set_ipv4_switches(index: int, switches: Mapping[int, int]) -> None:
    """What /proc/sys/net/ipv4/conf has, by its number (enum in linux/ip.h). Raises OSError."""
    values = b"".join(attribute(number, struct.pack("=I", value)) for number, value in switches.items())
    set_family(index, socket.AF_INET, attribute(IFLA_INET_CONF | NLA_F_NESTED, values))


def set_no_link_local(index: int) -> None:
    """No IPv6 link-local address. Raises OSError."""
    set_family(index, socket.AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, struct.pack("=B", GENERATE_NONE)))


def set_family(index: int, family: int, inner: bytes) -> None:
    """One RTM_SETLINK with IFLA_AF_SPEC, which pyroute2 can't spell (rtnetlink(7))."""
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)
    body += attribute(IFLA_AF_SPEC | NLA_F_NESTED, attribute(family | NLA_F_NESTED, inner))
    header = struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as asking:
        asking.settimeout(5)
        asking.send(header + body)
        (code,) = struct.unpack_from("=i", asking.recv(4096), 16)
    if code:
        raise OSError(-code, f"the kernel refuses the settings of link {index}")


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)
