"""Network namespaces with a name, and commands inside them.

Commands enter with `nsenter --net`, never with `ip netns exec`: the latter makes a mount namespace too, in
which podman's own namespaces would be mounted where nobody else sees them.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.process import run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

NAMES = Path("/run/netns")


class Netns:
    """A network namespace that the lab made, with its loopback up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = NAMES / name
        run(["ip", "netns", "add", name])
        self.ip("link", "set", "lo", "up")

    @property
    def enter(self) -> list[str]:
        """What comes before a command that is to run inside."""
        return ["nsenter", f"--net={self.path}", "--"]

    def run(
        self,
        *command: str | Path,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return run([*self.enter, *command], check=check, env=env, stdin=stdin)

    def ip(self, *words: str) -> str:
        return run(["ip", "-n", self.name, *words]).stdout

    def ip_json(self, *words: str) -> list[dict[str, Any]]:
        """What `ip -json` says; [] when the thing asked for is not there."""
        done = run(["ip", "-n", self.name, "-json", "-details", *words], check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []

    def links(self) -> set[str]:
        """The names of the interfaces inside, without the loopback."""
        return {link["ifname"] for link in self.ip_json("link", "show")} - {"lo"}

    def link(self, ifname: str = "eth0") -> dict[str, Any]:
        found = self.ip_json("link", "show", "dev", ifname)
        assert found, f"there is no {ifname} in {self.name}"
        return found[0]

    def mac(self, ifname: str = "eth0") -> str:
        return str(self.link(ifname)["address"])

    def interfaces(self, ifname: str = "eth0") -> list[IPv4Interface]:
        """The IPv4 addresses of an interface, with their masks."""
        return [
            IPv4Interface(f"{address['local']}/{address['prefixlen']}")
            for link in self.ip_json("-4", "address", "show", "dev", ifname)
            for address in link.get("addr_info", [])
        ]

    def addresses(self, ifname: str = "eth0") -> set[str]:
        """The IPv4 addresses of an interface, without their masks."""
        return {str(interface.ip) for interface in self.interfaces(ifname)}

    def gateway(self) -> IPv4Address | None:
        """The gateway of the default route."""
        routes = self.ip_json("-4", "route", "show", "default")
        return IPv4Address(routes[0]["gateway"]) if routes and "gateway" in routes[0] else None

    def ping(self, address: IPv4Address | str) -> bool:
        """Whether the address answers (busybox's ping: one echo, two seconds)."""
        return self.run("busybox", "ping", "-c1", "-W2", str(address), check=False).returncode == 0

    def delete(self) -> None:
        run(["ip", "netns", "delete", self.name], check=False)
