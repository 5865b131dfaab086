"""Which client an attachment gets: the BROADCAST flag where unicast can't be heard (RFC 2131 section 4.1)."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from hooknet.config import NetworkSettings
from hooknet.dhcp.effects import Send
from hooknet.dhcp.messages import decode
from hooknet.dhcp.timers import Patience
from hooknet.lifecycle.clients import make_client
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.ports import Machine
from hooknet.model import Attachment, LeaseRequest, Phase
from hooknet.store.records import Record

BROADCAST = 0x8000
MAC = "02:00:00:00:00:01"


class Clock:
    def utc(self, now: float) -> datetime:
        return datetime.fromtimestamp(now, UTC)


def first_flags(link_kind: str | None, settings: NetworkSettings) -> int:
    """The flags of the first DISCOVER."""
    attachment = Attachment(
        container_id="c", ifname="eth0", network="lan", netns="/run/netns/x", parent="eth7", generation=1
    )
    record = Record(
        attachment=attachment,
        phase=Phase.LINKED,
        boot_id="b",
        created=0.0,
        netns_id=(1, 2),
        mac=MAC,
        client_id=b"\x01id",
        request=LeaseRequest(mac=MAC, client_id=b"\x01id"),
    )
    entry = Entry(record, settings)
    entry.link_kind = link_kind
    client = make_client(entry, cast("Machine", Clock()), random.Random(1), 1500)
    [discover] = client.start(0.0, Patience.ATTACH)
    assert isinstance(discover, Send)
    return decode(discover.payload).flags


@pytest.mark.parametrize(
    ("kind", "keys", "flags"),
    [
        ("ipvlan", {}, BROADCAST),
        ("macvlan", {}, 0),
        ("veth", {}, 0),
        (None, {}, 0),
        ("macvlan", {"broadcast": True}, BROADCAST),
    ],
)
def test_line_14_replies_are_broadcast_where_unicast_cannot_be_heard(
    kind: str | None, keys: dict[str, Any], flags: int
) -> None:
    assert first_flags(kind, NetworkSettings(**keys)) == flags
