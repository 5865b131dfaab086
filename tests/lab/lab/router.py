"""A router between two LANs that relays DHCP: clients on the near one, their server on the far one.

The relay is dnsmasq's (`--dhcp-relay`): what a client broadcasts reaches the server with the router's near address as
giaddr (RFC 2131 section 4.1), and what a client sends to the server's address is routed like anything else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.netns import Netns
from lab.process import Program

if TYPE_CHECKING:
    from contextlib import ExitStack
    from ipaddress import IPv4Address
    from pathlib import Path

    from lab.lan import Lan
    from lab.servers import DhcpServer

LAST = 254
NEAR, FAR = "near0", "far0"


class Router:
    """Its address on each LAN is number 254."""

    def __init__(self, near: Lan, far: Lan, folder: Path, cleanup: ExitStack) -> None:
        self.near, self.far = near, far
        self.netns = Netns(f"router-{near.name}-{far.name}")
        cleanup.callback(self.netns.delete)
        for lan, ifname in ((near, NEAR), (far, FAR)):
            lan.plug(self.netns, ifname)
            self.netns.ip("address", "add", f"{lan.address(LAST)}/24", "dev", ifname)
        self.netns.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        far.netns.ip("route", "add", str(near.network), "via", str(far.address(LAST)))
        relay = f"--dhcp-relay={self.address},{far.address(1)}"
        words = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]
        self.relay = Program([*self.netns.enter, *words, "--log-dhcp", relay], folder / "relay.log")
        cleanup.callback(self.relay.stop)
        self.relay.start()
        self.relay.wait_for("DHCP relay")

    @property
    def address(self) -> IPv4Address:
        """Where the near LAN finds it."""
        return self.near.address(LAST)

    def mac(self) -> str:
        """The MAC that the near LAN sees."""
        return self.netns.mac(NEAR)

    def serve(self, kind: str, *, lease_time: int = 3600, **offering: Any) -> DhcpServer:
        """A server on the far LAN for clients on both: .100 to .199 on the near one, with this router."""
        extra = SPELLED[kind](self, lease_time)
        return self.far.serve(
            kind, lease_time=lease_time, extra=(*extra, *offering.pop("extra", ())), **offering
        )

    def replace_near_mac(self, mac: str) -> None:
        """Another box takes over under the same address, as with VRRP."""
        self.netns.ip("link", "set", NEAR, "address", mac)

    def announce(self) -> None:
        """Tell the near LAN by ARP which MAC the router's address has."""
        self.netns.run("busybox", "arping", "-c", "1", "-U", "-I", NEAR, str(self.address), check=False)


def _dnsmasq(router: Router, lease_time: int) -> tuple[str, ...]:
    near = router.near
    pool = f"{near.address(100)},{near.address(199)},{near.network.netmask}"
    return (
        f"dhcp-range=set:near,{pool},{lease_time}",
        f"dhcp-option=tag:near,option:router,{router.address}",
    )


def _isc(router: Router, _lease_time: int) -> tuple[str, ...]:
    near = router.near
    return (
        f"subnet {near.network.network_address} netmask {near.network.netmask} {{",
        f"  range {near.address(100)} {near.address(199)};",
        f"  option routers {router.address};",
        "}",
    )


def _kea(router: Router, _lease_time: int) -> tuple[str, ...]:
    near, far = router.near, router.far
    pools = [{"pool": f"{near.address(100)} - {near.address(199)}"}]
    routers = [{"name": "routers", "data": str(router.address)}]
    subnets = [
        {"id": 1, "subnet": str(far.network)},
        {"id": 2, "subnet": str(near.network), "pools": pools, "option-data": routers},
    ]
    return (json.dumps({"subnet4": subnets}),)


SPELLED = {"dnsmasq": _dnsmasq, "isc": _isc, "kea": _kea}
