"""Real DNS servers on a LAN that take dynamic updates: BIND and Knot, told apart only in this module.

Each is primary for a forward zone and for the LAN's reverse zone, takes updates of A, PTR and DHCID records that
are signed with one TSIG key (and of anything with the administrator's), and is asked as any client would ask, over
the wire, from inside the LAN. Like the DHCP servers whose packages would start services they run from
.cache/servers.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import ClassVar

from lab.netns import Netns
from lab.process import Log, Program
from lab.servers import executable, libraries
from lab.wait import eventually

ZONE = "lan.example"
KEY = "hooknet-lab"
ALGORITHM = "hmac-sha256"
CLONE_NEWNET = 0x40000000
RECORDS = """\
$TTL 60
@ SOA ns.{zone}. hostmaster.{zone}. 1 60 60 60 60
@ NS ns.{zone}.
{more}
"""
ADMIN = "admin"
ASK = """\
import json, sys
import dns.message, dns.query
server, port, name, kind = sys.argv[1:]
answer = dns.query.tcp(dns.message.make_query(name, kind), server, timeout=5, port=int(port))
print(json.dumps([[item.to_text(), rrset.ttl] for rrset in answer.answer for item in rrset]))
"""

UPDATE = f"""\
import sys
import dns.query, dns.rcode, dns.tsig, dns.update
server, port, secret, *lines = sys.argv[1:]
for line in lines:
    verb, name, *words = line.split(maxsplit=4)
    zone = name.partition(".")[2] if name.endswith("arpa.") else "{ZONE}."
    update = dns.update.UpdateMessage(zone)
    getattr(update, verb)(name, *words)
    update.use_tsig(dns.tsig.Key("{ADMIN}", secret, "{ALGORITHM}"))
    answer = dns.query.tcp(update, server, timeout=5, port=int(port))
    assert answer.rcode() == dns.rcode.NOERROR, answer
"""


def lines_of(output: str) -> list[tuple[str, int]]:
    """What `ASK` printed: data and ttl of each record."""
    return [(data, ttl) for data, ttl in json.loads(output)]


@contextmanager
def inside(netns: Netns) -> Iterator[None]:
    """This thread, and no other, is in the namespace: a plugin under test speaks from where its daemon would."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(netns.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(there)
        yield
    finally:
        enter(home)
        os.close(there)
        os.close(home)


def enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


class NameServer(ABC):
    """A primary on `address` of a namespace, on a port of its own, so that several fit on one LAN."""

    kind: ClassVar[str]
    program: ClassVar[str]
    ready: ClassVar[str]

    def __init__(
        self, netns: Netns, address: IPv4Address, network: IPv4Network, folder: Path, *, port: int = 53
    ) -> None:
        self.netns = netns
        self.address = address
        self.port = port
        self.network = network
        self.zone = ZONE
        self.reverse_zone = ".".join([*reversed(str(network.network_address).split(".")[:3]), "in-addr.arpa"])
        self.folder = folder
        self.secret, self.admin_secret = new_secret(), new_secret()
        self.folder.mkdir()
        self.zones()
        command = [*netns.enter, executable(self.program), *self.arguments()]
        self.process = Program(command, folder / "log", env={"LD_LIBRARY_PATH": libraries()})

    @abstractmethod
    def arguments(self) -> list[str]:
        """The command line after the program's name."""

    @abstractmethod
    def configuration(self) -> str:
        """The text of its configuration file, `folder/conf`."""

    @property
    def log(self) -> Log:
        return self.process.log

    @property
    def where(self) -> str:
        """As `servers` of [plugins.dns] names it."""
        return f"{self.address}:{self.port}"

    def zones(self) -> None:
        """Write the zones as they are before anybody updates them."""
        more = f"ns A {self.address}\nprinter A 192.0.2.9\n"
        (self.folder / "forward").write_text(RECORDS.format(zone=self.zone, more=more), encoding="utf-8")
        (self.folder / "reverse").write_text(RECORDS.format(zone=self.zone, more=""), encoding="utf-8")

    def key_file(self, path: Path | None = None, *, secret: str | None = None) -> Path:
        """Write the key as tsig-keygen does, for root alone."""
        path = path or self.folder / "key"
        text = f'key "{KEY}" {{\n\talgorithm {ALGORITHM};\n\tsecret "{secret or self.secret}";\n}};\n'
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self) -> None:
        (self.folder / "conf").write_text(self.configuration(), encoding="utf-8")
        self.log.mark()
        self.process.start()
        self.process.wait_for(self.ready, within=20)
        eventually(lambda: self.ask(self.zone, "SOA", check=False), within=10, what=f"{self.kind} answers")

    def stop(self) -> None:
        self.process.stop()

    def update(self, *lines: str) -> None:
        """What an administrator does: lines of `add NAME TTL TYPE DATA` or `delete NAME [TYPE]`."""
        words = [str(self.address), str(self.port), self.admin_secret, *lines]
        self.netns.run(sys.executable, "-c", UPDATE, *words)

    def ask(self, name: str, kind: str = "A", *, check: bool = True) -> list[str]:
        """The data of the records, by a query from inside the LAN; [] for none."""
        return [data for data, _ in self.ask_with_ttl(name, kind, check=check)]

    def ask_with_ttl(self, name: str, kind: str = "A", *, check: bool = True) -> list[tuple[str, int]]:
        done = self.netns.run(
            sys.executable, "-c", ASK, str(self.address), str(self.port), name, kind, check=check
        )
        return lines_of(done.stdout) if done.returncode == 0 else []

    def addresses(self, name: str) -> set[str]:
        return set(self.ask(name, "A"))

    def names(self, address: IPv4Address | str) -> list[str]:
        """What the address is called, by its PTR records."""
        return [name.rstrip(".") for name in self.ask(IPv4Address(address).reverse_pointer, "PTR")]


class Bind(NameServer):
    """BIND's named, with nothing of its own: no rndc, no recursion, no built-in zones."""

    kind = "bind"
    program = "named"
    ready = r"running$"

    def arguments(self) -> list[str]:
        return ["-g", "-4", "-n", "1", "-c", f"{self.folder}/conf"]

    def configuration(self) -> str:
        folder = self.folder
        zones = "".join(
            f'zone "{name}" {{ type primary; file "{folder}/{file}"; update-policy {{\n'
            f"  grant {KEY} zonesub {types} DHCID; grant {ADMIN} zonesub ANY;\n}}; }};\n"
            for name, file, types in ((self.zone, "forward", "A"), (self.reverse_zone, "reverse", "PTR"))
        )
        return f"""\
key "{KEY}" {{ algorithm {ALGORITHM}; secret "{self.secret}"; }};
key "{ADMIN}" {{ algorithm {ALGORITHM}; secret "{self.admin_secret}"; }};
controls {{ }};
options {{
  directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key";
  managed-keys-directory "{folder}"; lock-file none;
  listen-on port {self.port} {{ {self.address}; }};
  recursion no; empty-zones-enable no; notify no; dnssec-validation no;
}};
{zones}"""


class Knot(NameServer):
    """Knot's knotd, its zones kept in its journal."""

    kind = "knot"
    program = "knotd"
    ready = r"server started"

    def arguments(self) -> list[str]:
        return ["-c", f"{self.folder}/conf"]

    def configuration(self) -> str:
        folder = self.folder
        zones = "".join(
            f"  - domain: {name}\n    file: {folder}/{file}\n    acl: [updates, everything]\n    zonefile-sync: -1\n"
            f"    zonefile-load: difference\n    journal-content: all\n"
            for name, file in ((self.zone, "forward"), (self.reverse_zone, "reverse"))
        )
        return f"""\
server:
  rundir: {folder}
  listen: {self.address}@{self.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: {folder}
key:
  - id: {KEY}
    algorithm: {ALGORITHM}
    secret: {self.secret}
  - id: {ADMIN}
    algorithm: {ALGORITHM}
    secret: {self.admin_secret}
acl:
  - id: updates
    key: {KEY}
    action: update
    update-type: [A, PTR, DHCID]
  - id: everything
    key: {ADMIN}
    action: update
zone:
{zones}"""


NAME_SERVERS: dict[str, type[NameServer]] = {server.kind: server for server in (Bind, Knot)}
