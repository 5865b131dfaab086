"""What the journal's tests write into it."""

from __future__ import annotations

from hooknet.model import Attachment, MacvlanMode, Phase
from hooknet.outbox import Delivery
from hooknet.store.records import Process, Record

WALL = 1_790_000_000.0


def a_record(container: str = "c1", phase: Phase = Phase.INTENT, *, generation: int = 1) -> Record:
    attachment = Attachment(
        container_id=container,
        ifname="eth0",
        network="lan",
        netns="/run/netns/x",
        parent="eth7",
        generation=generation,
    )
    return Record(
        attachment=attachment,
        phase=phase,
        boot_id="boot",
        created=WALL,
        netns_id=(4, 4711),
        mac="02:00:00:00:00:01",
        client_id=b"\xff\x01",
        mode=MacvlanMode.BRIDGE,
        process=Process(pid=7, started=99),
    )


def a_delivery(text: str = "{}", hook: str = "post_lease", *, renews: bool = False) -> Delivery:
    return Delivery(hook=hook, plugin="dns", stream="web", payload=text.encode(), renews=renews)
