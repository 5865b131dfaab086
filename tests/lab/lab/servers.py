"""Real DHCP servers on a LAN: dnsmasq, Kea and ISC dhcpd, told apart only in this module.

A test asks a server three things: what it leases out by its *own* database (`leases`), what it has heard
(`log`), and to change its mind (`restart`). Servers whose packages would start services are run from
.cache/servers, where script/test unpacks them.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sysconfig
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lab.process import Log, Program
from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.netns import Netns

UNPACKED = Path(__file__).resolve().parents[3] / ".cache" / "servers"
INFINITE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """What a server has to give. Times are seconds; `first` and `last` number the addresses of the subnet.

    t1, t2: options 58 and 59, None for the server's own. router: whether option 3 is sent. extra: lines in
    the server's own configuration language, for what only one test needs.
    """

    network: IPv4Network
    first: int = 100
    last: int = 199
    lease_time: int = 3600
    t1: int | None = None
    t2: int | None = None
    router: bool = True
    domain: str = "lab.example"
    extra: tuple[str, ...] = ()

    @property
    def server(self) -> IPv4Address:
        """The server's own address, which it also names as router and DNS server."""
        return self.network[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLease:
    """One live lease, as the server wrote it down."""

    address: IPv4Address
    mac: str
    client_id: bytes
    hostname: str


class DhcpServer(ABC):
    """What tests may ask of any server."""

    kind: ClassVar[str]
    program: ClassVar[str]
    ready: ClassVar[str]
    releases: ClassVar[str]
    acks: ClassVar[str]

    def __init__(self, netns: Netns, ifname: str, folder: Path, offering: Offering) -> None:
        self.netns = netns
        self.ifname = ifname
        self.folder = folder
        self.offering = offering
        self.database = folder / "leases"
        self.folder.mkdir()
        command = [*netns.enter, executable(self.program), *self.arguments()]
        self.process = Program(command, folder / "log", env=self.environment())

    @abstractmethod
    def arguments(self) -> list[str]:
        """The command line after the program's name."""

    @abstractmethod
    def configuration(self) -> str:
        """The text of its configuration file, `folder/conf`."""

    @abstractmethod
    def leases(self) -> list[ServerLease]:
        """The live leases, read from the server's own database."""

    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": libraries()}

    @property
    def log(self) -> Log:
        return self.process.log

    def addresses(self) -> set[IPv4Address]:
        return {lease.address for lease in self.leases()}

    def lease_of(self, address: IPv4Address) -> ServerLease | None:
        return next((lease for lease in self.leases() if lease.address == address), None)

    def start(self) -> None:
        (self.folder / "conf").write_text(self.configuration(), encoding="utf-8")
        self.database.touch()
        if self.offering.server not in {address.ip for address in self.netns.interfaces(self.ifname)}:
            address = f"{self.offering.server}/{self.offering.network.prefixlen}"
            self.netns.ip("address", "add", address, "dev", self.ifname)
        self.log.mark()
        self.process.start()
        self.process.wait_for(self.ready, within=10)

    def stop(self) -> None:
        self.process.stop()

    def restart(self, *, forget: bool = False, **changes: Any) -> None:
        """Come back with another offering; `forget`: without the memory of any lease."""
        self.stop()
        if forget:
            self.database.unlink(missing_ok=True)
        self.offering = replace(self.offering, **changes)
        self.start()

    def acknowledged(self, address: IPv4Address) -> int:
        """How many ACKs for the address this server has sent since it was started."""
        return len(re.findall(self.acks.format(address=re.escape(str(address))), self.log.new()))

    def wait_for_release(self, address: IPv4Address, *, within: float = 5.0) -> None:
        """Wait until the server has heard a RELEASE of the address *and* has given the lease up."""
        self.log.wait_for(self.releases.format(address=re.escape(str(address))), within=within)
        eventually(lambda: address not in self.addresses(), what=f"{self.kind} gives up {address}")


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


def libraries() -> str:
    """LD_LIBRARY_PATH of the unpacked servers."""
    arch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    return f"{UNPACKED}/usr/lib/{arch}:{UNPACKED}/lib/{arch}"


def executable(name: str) -> str:
    """Where the server `name` is: unpacked for the tests, or installed on the machine."""
    places = [UNPACKED / "usr/sbin", UNPACKED / "usr/bin", Path("/usr/sbin"), Path("/usr/bin")]
    found = next((place / name for place in places if (place / name).exists()), None)
    if found is None:
        raise FileNotFoundError(f"{name} is not here: script/test unpacks it into .cache/servers")
    return str(found)


SERVERS: dict[str, type[DhcpServer]] = {server.kind: server for server in (Dnsmasq, Kea, IscDhcpd)}
