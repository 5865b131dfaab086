"""The DHCP client of an attachment, as its network's settings want it: for a new lease and for a restored one.

Replies are broadcast where unicast can't be received (RFC 2131 section 4.1): an ipvlan shares its parent's MAC and
gets what is for its address, so before it has one it hears broadcasts only. Macvlan and veth always hear unicast.
"""

from __future__ import annotations

from hooknet.dhcp.client import Client, Randomness
from hooknet.dhcp.settings import ClientSettings
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.ports import Machine

DEAF_WITHOUT_ADDRESS = frozenset({"ipvlan"})


def make_client(entry: Entry, machine: Machine, randomness: Randomness, parent_mtu: int | None) -> Client:
    """The DHCP client of an entry, with its network's settings."""
    settings, request = entry.settings, entry.record.request
    assert request is not None
    return Client(
        request,
        ClientSettings(
            acd=settings.acd,
            rapid_commit=settings.rapid_commit,
            broadcast=settings.broadcast or entry.link_kind in DEAF_WITHOUT_ADDRESS,
            allow_servers=settings.allow_servers,
            deny_servers=settings.deny_servers,
            parent_mtu=parent_mtu,
        ),
        randomness,
        machine.utc,
    )
