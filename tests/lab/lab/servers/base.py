"""What every DHCP server of the lab can be told and asked."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lab.process import Log, Program
from lab.unpacked import executable, libraries
from lab.wait import eventually

if TYPE_CHECKING:
    from lab.netns import Netns

INFINITE = 0xFFFFFFFF
"""Seconds: the lease time of a lease that never ends (RFC 2131 section 3.3)."""


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
    host: int = 1
    extra: tuple[str, ...] = ()

    @property
    def server(self) -> IPv4Address:
        """The server's own address (number `host`), which it also names as router and DNS server."""
        return self.network[self.host]


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
