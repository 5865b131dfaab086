"""Kea, the server with a database of rows."""

from __future__ import annotations

import csv
import json
import time
from ipaddress import IPv4Address
from typing import Any

from lab.servers.base import INFINITE, DhcpServer, ServerLease


class Kea(DhcpServer):
    """Kea on raw sockets. Its leases are a CSV file that only grows: an address's last row is the truth."""

    kind = "kea"
    program = "kea-dhcp4"
    ready = r"DHCP4_STARTED"
    acks = r"DHCP4_LEASE_ALLOC .*lease {address} has been allocated"
    releases = r"DHCP4_RELEASE .*address {address} was released properly"

    def arguments(self) -> list[str]:
        return ["-c", f"{self.folder}/conf"]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "KEA_PIDFILE_DIR": str(self.folder),
            "KEA_LOCKFILE_DIR": str(self.folder),
        }

    def configuration(self) -> str:
        offer = self.offering
        options = [
            {"name": "domain-name-servers", "data": str(offer.server)},
            {"name": "domain-name", "data": offer.domain},
        ]
        options += [{"name": "routers", "data": str(offer.server)}] if offer.router else []
        timers = {"renew-timer": offer.t1, "rebind-timer": offer.t2}
        settings: dict[str, Any] = {
            "interfaces-config": {"interfaces": [self.ifname], "dhcp-socket-type": "raw"},
            "lease-database": {
                "type": "memfile",
                "persist": True,
                "name": str(self.database),
                "lfc-interval": 0,
            },
            "valid-lifetime": offer.lease_time,
            "min-valid-lifetime": 1,
            "max-valid-lifetime": INFINITE,
            **{name: value for name, value in timers.items() if value is not None},
            "option-data": options,
            "subnet4": [
                {
                    "id": 1,
                    "subnet": str(offer.network),
                    "pools": [{"pool": f"{offer.network[offer.first]} - {offer.network[offer.last]}"}],
                }
            ],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
        }
        for fragment in offer.extra:
            settings.update(json.loads(fragment))
        return json.dumps({"Dhcp4": settings}, indent=1)

    def rows(self) -> list[dict[str, str]]:
        """Every row that Kea ever wrote, oldest first."""
        with self.database.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def leases(self) -> list[ServerLease]:
        latest = {row["address"]: row for row in self.rows()}
        return [
            ServerLease(
                address=IPv4Address(row["address"]),
                mac=row["hwaddr"],
                client_id=bytes.fromhex(row["client_id"].replace(":", "")),
                hostname=row["hostname"],
            )
            for row in latest.values()
            if int(row["valid_lifetime"]) > 0 and row["state"] == "0" and int(row["expire"]) > time.time()
        ]
