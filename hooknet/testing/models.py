"""Attachments, containers, requests and leases with sensible defaults, for tests: name only what matters.

    lease = make_lease(lease_time=60, dns=(IPv4Address("192.0.2.53"),))

The addresses are those that RFC 5737 keeps for documentation, the MAC is a locally administered one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

from hooknet.dhcp.effects import Binding
from hooknet.model import Attachment, Container, Lease, LeaseRequest, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTAINER_ID = "3f1c" * 16
NAME = "web"
MAC = "02:00:00:00:00:01"
CLIENT_ID = b"\xff\x00\x00\x00\x01\x00\x04" + bytes(range(16))
ADDRESS = IPv4Interface("192.0.2.50/24")
GATEWAY = IPv4Address("192.0.2.1")
SERVER_MAC = "02:00:00:00:ff:01"
OBTAINED = datetime(2030, 1, 1, tzinfo=UTC)

ATTACHMENT = Attachment(
    container_id=CONTAINER_ID,
    ifname="eth0",
    network="lan",
    netns="/run/netns/netns-web",
    parent="eth0",
    container_name=NAME,
    generation=1,
)
CONTAINER = Container(
    id=CONTAINER_ID, name=NAME, image="localhost/web:latest", labels={"org.example.tier": "front"}
)
REQUEST = LeaseRequest(mac=MAC, client_id=CLIENT_ID, hostname=NAME)
LEASE = Lease(
    address=ADDRESS,
    server=GATEWAY,
    mac=MAC,
    client_id=CLIENT_ID,
    obtained=OBTAINED,
    lease_time=3600,
    t1=1800,
    t2=3150,
    hostname=NAME,
    routers=(GATEWAY,),
    routes=(Route(IPv4Network("0.0.0.0/0"), GATEWAY),),
    dns=(GATEWAY,),
    domain="lan.example",
    server_mac=SERVER_MAC,
)


def make_attachment(**changes: Any) -> Attachment:
    """Interface eth0 of the container "web" on the network "lan"; `changes` replace its fields."""
    return replace(ATTACHMENT, **changes)


def make_container(**changes: Any) -> Container:
    """The container "web" with one label; `changes` replace its fields."""
    return replace(CONTAINER, **with_plain_mapping(changes, "labels"))


def make_request(**changes: Any) -> LeaseRequest:
    """What is asked for the container "web"; `changes` replace its fields."""
    return replace(REQUEST, **with_plain_mapping(changes, "options"))


def make_lease(**changes: Any) -> Lease:
    """192.0.2.50/24 for an hour from 192.0.2.1; `changes` replace its fields.

    `address` may be text. A changed `lease_time` (seconds, None for an infinite one) changes `t1` and `t2`
    with it, unless they are given.
    """
    if isinstance(changes.get("address"), str):
        changes["address"] = IPv4Interface(changes["address"])
    if "lease_time" in changes:
        seconds = changes["lease_time"]
        changes.setdefault("t1", None if seconds is None else max(1, seconds // 2))
        changes.setdefault("t2", None if seconds is None else max(1, seconds * 7 // 8))
    return replace(LEASE, **with_plain_mapping(changes, "options"))


def make_binding(*, since: float = 0.0, **changes: Any) -> Binding:
    """`make_lease(**changes)`, running from boot time `since` (seconds)."""
    return Binding(lease=make_lease(**changes), since=since)


def with_plain_mapping(changes: dict[str, Any], field: str) -> Mapping[str, Any]:
    """The changes, with a copy of the mapping in `field`, so that tests can't share one by accident."""
    return {**changes, field: dict(changes[field])} if field in changes else changes
