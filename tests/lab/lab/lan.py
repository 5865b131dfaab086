"""A LAN: a network namespace with a bridge as its switch, where DHCP servers and other machines live.

Every LAN of a run has its own subnet, 192.168.N.0/24: the servers' address is .1, hosts start at .2, and what
is leased by default lies between .100 and .199.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from lab.capture import ARP_AND_DHCP, capture
from lab.netns import Netns
from lab.servers import SERVERS, DhcpServer, Offering
from lab.wait import eventually

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from lab.process import Program

SWITCH = "lan0"
SUBNETS = 250
NO_ARP = """
table arp lost {
    chain input { type filter hook input priority 0; policy drop; }
    chain output { type filter hook output priority 0; policy drop; }
}
"""


class Lan:
    """One broadcast domain. `server` is the first DHCP server that `serve` started."""

    def __init__(self, number: int, folder: Path, cleanup: ExitStack) -> None:
        self.name = f"lan{number}"
        self.network = IPv4Network(f"192.168.{number % SUBNETS}.0/24")
        self.folder = folder / self.name
        self.folder.mkdir()
        self.cleanup = cleanup
        self.netns = Netns(self.name)
        cleanup.callback(self.netns.delete)
        self.servers: list[DhcpServer] = []
        self.ports = 0
        # A bridge without a MAC of its own changes it with every port, and servers on raw sockets don't notice.
        self.netns.ip(
            "link", "add", SWITCH, "address", f"02:00:00:00:00:{number % 256:02x}", "type", "bridge"
        )
        self.netns.ip("address", "add", f"{self.address(1)}/24", "dev", SWITCH)
        self.netns.ip("link", "set", SWITCH, "up")
        # A bridge without a port has no carrier, and Kea does not listen without one.
        self.netns.ip("link", "add", "idle0", "type", "veth", "peer", "name", "idle1")
        self.netns.ip("link", "set", "idle1", "up")
        self.netns.ip("link", "set", "idle0", "master", SWITCH, "up")
        eventually(lambda: "LOWER_UP" in self.netns.link(SWITCH)["flags"], what=f"{SWITCH} has a carrier")

    def __repr__(self) -> str:
        return f"Lan({self.name}, {self.network})"

    def address(self, host: int) -> IPv4Address:
        """The address number `host` of this LAN's subnet."""
        return self.network[host]

    @property
    def server(self) -> DhcpServer:
        assert self.servers, f"no DHCP server was started on {self.name}"
        return self.servers[0]

    def serve(self, kind: str = "dnsmasq", *, on: Netns | None = None, **offering: Any) -> DhcpServer:
        """Start a DHCP server (`dnsmasq`, `kea` or `isc`); `offering` are fields of `Offering`.

        on: another machine of this LAN (see `machine`), for a second server beside the first.
        """
        wanted = Offering(**{"network": self.network, **offering})
        folder = self.folder / f"{kind}{len(self.servers) + 1}"
        netns, ifname = (self.netns, SWITCH) if on is None else (on, "eth0")
        server = SERVERS[kind](netns, ifname, folder, wanted)
        self.servers.append(server)
        self.cleanup.callback(server.stop)
        server.start()
        return server

    def plug(self, netns: Netns, ifname: str) -> None:
        """A cable from the switch to a new interface in another namespace; both ends are up."""
        self.ports += 1
        port = f"port{self.ports}"
        self.netns.ip("link", "add", port, "type", "veth", "peer", "name", ifname, "netns", netns.name)
        self.netns.ip("link", "set", port, "master", SWITCH, "up")
        netns.ip("link", "set", ifname, "up")

    def unplug(self, *, port: int = 1) -> None:
        """Pull the cable: the host's interface loses its carrier."""
        self.netns.ip("link", "set", f"port{port}", "down")

    def replug(self, *, port: int = 1) -> None:
        self.netns.ip("link", "set", f"port{port}", "up")

    def lose_arp(self) -> None:
        """From now on no ARP reaches or leaves this LAN's own machine, where its servers are."""
        self.netns.run("nft", "-f", "-", stdin=NO_ARP)

    def hear_arp(self) -> None:
        self.netns.run("nft", "delete", "table", "arp", "lost")

    def machine(self, address: IPv4Address) -> Netns:
        """Another machine on this LAN that uses `address`, whatever the DHCP server thinks of that."""
        machine = Netns(f"{self.name}-{int(address) & 0xFF}")
        self.cleanup.callback(machine.delete)
        self.plug(machine, "eth0")
        machine.ip("address", "add", f"{address}/{self.network.prefixlen}", "dev", "eth0")
        return machine

    def capture(self, filter_: str = ARP_AND_DHCP) -> Program:
        """Watch the wire."""
        return capture(self.netns, SWITCH, self.folder / f"wire{self.ports}.log", self.cleanup, filter_)
