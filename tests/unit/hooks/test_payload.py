"""What the outbox keeps of a delivery, over restarts and versions."""

from __future__ import annotations

from hooknet.hooks.payload import Payload, decode, encode


def test_a_payload_survives_json(kit):
    payload = Payload(
        attachment=kit.attachment(),
        lease=kit.lease(lease_time=None),
        reason="NAK",
        previous=kit.lease(),
        container=kit.container(pod="p"),
    )
    assert decode(encode(payload)) == payload


def test_a_payload_of_an_older_or_newer_hooknet_is_read(kit):
    text = encode(Payload(attachment=kit.attachment(), lease=kit.lease(), reason="NAK"))
    older = text.replace(b',"previous":null', b"").replace(b',"generation":0', b"")
    newer = text.replace(b'{"attachment"', b'{"later":[1],"attachment"')
    assert older != text != newer
    assert decode(older) == decode(newer) == decode(text)
