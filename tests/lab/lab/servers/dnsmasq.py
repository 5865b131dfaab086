"""dnsmasq, as most small LANs have it."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab.servers.base import INFINITE, DhcpServer, ServerLease


class Dnsmasq(DhcpServer):
    """dnsmasq, without its ping check, which would delay every OFFER by three seconds."""

    kind = "dnsmasq"
    program = "dnsmasq"
    ready = r"DHCP, IP range"
    releases = r"DHCPRELEASE\(\w+\) {address} "
    acks = r"DHCPACK\(\w+\) {address} "

    def arguments(self) -> list[str]:
        return ["--no-daemon", f"--conf-file={self.folder}/conf", "--user=root"]

    def configuration(self) -> str:
        offer = self.offering
        lines = [
            "port=0",
            "no-ping",
            "log-dhcp",
            "bind-interfaces",
            f"interface={self.ifname}",
            f"dhcp-leasefile={self.database}",
            "pid-file=",
            f"dhcp-range={offer.network[offer.first]},{offer.network[offer.last]},{offer.network.netmask},"
            + ("infinite" if offer.lease_time == INFINITE else f"{offer.lease_time}"),
            f"dhcp-option=option:domain-name,{offer.domain}",
            f"dhcp-option=option:dns-server,{offer.server}",
            f"dhcp-option=option:router,{offer.server}" if offer.router else "dhcp-option=option:router",
        ]
        lines += [f"dhcp-option=option:T1,{offer.t1}"] if offer.t1 is not None else []
        lines += [f"dhcp-option=option:T2,{offer.t2}"] if offer.t2 is not None else []
        return "\n".join([*lines, *offer.extra, ""])

    def leases(self) -> list[ServerLease]:
        rows = (line.split() for line in self.database.read_text(encoding="utf-8").splitlines())
        return [
            ServerLease(
                address=IPv4Address(address),
                mac=mac,
                client_id=b"" if client_id == "*" else bytes.fromhex(client_id.replace(":", "")),
                hostname="" if hostname == "*" else hostname,
            )
            for _expires, mac, address, hostname, client_id in rows
        ]
