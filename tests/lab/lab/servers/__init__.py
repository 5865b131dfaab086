"""Real DHCP servers on a LAN: dnsmasq, Kea and ISC dhcpd, told apart only in this package.

A test asks a server three things: what it leases out by its *own* database (`leases`), what it has heard
(`log`), and to change its mind (`restart`). Servers whose packages would start services are run from
.cache/servers, where script/test unpacks them.
"""

from lab.servers.base import INFINITE, DhcpServer, Offering, ServerLease
from lab.servers.dnsmasq import Dnsmasq
from lab.servers.isc import IscDhcpd
from lab.servers.kea import Kea
from lab.unpacked import executable, libraries

SERVERS: dict[str, type[DhcpServer]] = {server.kind: server for server in (Dnsmasq, Kea, IscDhcpd)}

__all__ = [
    "INFINITE",
    "SERVERS",
    "DhcpServer",
    "Dnsmasq",
    "IscDhcpd",
    "Kea",
    "Offering",
    "ServerLease",
    "executable",
    "libraries",
]
