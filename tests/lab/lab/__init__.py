"""The lab: a LAN with a real DHCP server, a host with real podman, and hooknet between them, for one test.

    def test_a_container_gets_an_address(lan, host, daemon):
        host.conflist("example", {"type": "hooknet", "master": "host0"})
        container = host.podman.start("web", network="example")
        assert container.address() in lan.server.addresses()

What there is, each in its module: `Lan` (a network namespace with a bridge, and the servers on it: dnsmasq,
Kea, ISC dhcpd), `Host` (a namespace plugged into LANs, with a podman of its own), `Daemon` (hooknet on that
host), `Cni` (a runtime without podman), `Sandbox` (a namespace that stands for a container), `eventually`
(the only wait).

All of it lives inside a world (script/world): it can touch nothing of the machine and leaves nothing
behind. A test that fails shows the logs of all parts of its lab in pytest's report. docs/testing.md is the
guide.
"""

from lab.cni import Cni, Reply, Sandbox
from lab.daemon import Daemon
from lab.host import Host
from lab.lan import Lan
from lab.place import Lab
from lab.servers import SERVERS, DhcpServer, Offering, ServerLease
from lab.wait import eventually

__all__ = [
    "SERVERS",
    "Cni",
    "Daemon",
    "DhcpServer",
    "Host",
    "Lab",
    "Lan",
    "Offering",
    "Reply",
    "Sandbox",
    "ServerLease",
    "eventually",
]
