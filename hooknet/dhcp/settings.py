"""How a client behaves on its network: what an administrator may choose, in the client's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network

Acd = Literal["off", "optimistic", "strict"]

ETHERNET_MTU = 1500
HEADERS = 28
"""Bytes of the IPv4 and UDP headers: what is left of the MTU is for the DHCP message."""
SMALLEST_MESSAGE = 576
"""RFC 2132 section 9.10."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The part of `NetworkSettings` that the client needs.

    acd: see `acd`. rapid_commit: RFC 4039. broadcast: ask for broadcast replies from the first DISCOVER on
    (for interfaces that receive no unicast without an address). allow_servers, deny_servers: by server-id; an
    empty allow list allows everybody, and deny wins. max_message_size: option 57, bytes; None derives it from
    parent_mtu (bytes; None: 1500).
    """

    acd: Acd = "optimistic"
    rapid_commit: bool = False
    broadcast: bool = False
    allow_servers: tuple[IPv4Network, ...] = ()
    deny_servers: tuple[IPv4Network, ...] = ()
    max_message_size: int | None = None
    parent_mtu: int | None = None

    @property
    def message_size(self) -> int:
        wanted = self.max_message_size or (self.parent_mtu or ETHERNET_MTU) - HEADERS
        return max(SMALLEST_MESSAGE, wanted)

    def allows(self, server: IPv4Address | None) -> bool:
        """Whether a server may answer us. One without a usable server-id may not."""
        if server is None or any(server in denied for denied in self.deny_servers):
            return False
        return not self.allow_servers or any(server in allowed for allowed in self.allow_servers)
