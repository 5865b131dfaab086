"""ISC dhcpd, the server that the others learned from."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from lab.servers.base import DhcpServer, ServerLease

if TYPE_CHECKING:
    from collections.abc import Iterator


class IscDhcpd(DhcpServer):
    """ISC dhcpd, without its ping check. Its leases are blocks in a file: an address's last is the truth."""

    kind = "isc"
    program = "dhcpd"
    ready = r"Server starting service"
    acks = r"DHCPACK on {address} "
    releases = r"DHCPRELEASE of {address} .*\(found\)"

    def arguments(self) -> list[str]:
        files = ["-cf", f"{self.folder}/conf", "-lf", str(self.database), "-pf", f"{self.folder}/pid"]
        return ["-4", "-f", "-d", "--no-pid", *files, self.ifname]

    def configuration(self) -> str:
        offer = self.offering
        options = [
            f"option domain-name-servers {offer.server};",
            f'option domain-name "{offer.domain}";',
        ]
        options += [f"option routers {offer.server};"] if offer.router else []
        options += [f"option dhcp-renewal-time {offer.t1};"] if offer.t1 is not None else []
        options += [f"option dhcp-rebinding-time {offer.t2};"] if offer.t2 is not None else []
        return "\n".join(
            [
                "authoritative;",
                "ping-check false;",
                f"default-lease-time {offer.lease_time};",
                "min-lease-time 1;",
                f"max-lease-time {max(offer.lease_time, 86400)};",
                *options,
                *offer.extra,
                f"subnet {offer.network.network_address} netmask {offer.network.netmask} {{",
                f"  range {offer.network[offer.first]} {offer.network[offer.last]};",
                "}",
                "",
            ]
        )

    def leases(self) -> list[ServerLease]:
        text = self.database.read_text(encoding="utf-8", errors="replace")
        latest = {
            found[1]: found[2]
            for found in re.finditer(r"^lease (\S+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
        }
        return [
            ServerLease(
                address=IPv4Address(address),
                mac=first(r"hardware ethernet (\S+);", block),
                client_id=isc_string(first(r'uid "(.*)";', block)),
                hostname=first(r'client-hostname "(.*)";', block),
            )
            for address, block in latest.items()
            if "\n  binding state active;" in block and not isc_expired(block)
        ]


def first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def isc_string(text: str) -> bytes:
    """A string of ISC's lease file: what is not printable is a backslash and three octal digits."""

    def values() -> Iterator[int]:
        for found in re.finditer(r"\\([0-7]{3})|\\?(.)", text, re.DOTALL):
            yield int(found[1], 8) if found[1] else ord(found[2])

    return bytes(values())


def isc_expired(block: str) -> bool:
    ends = first(r"ends \d (\S+ \S+);", block)  # absent or "never" for a lease without end
    return bool(ends) and datetime.strptime(ends, "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC) < datetime.now(UTC)
