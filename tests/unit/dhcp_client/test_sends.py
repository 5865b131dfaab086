"""How each message leaves, and what is in it: RFC 2131 sections 4.1, 4.4 and table 5."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from hooknet.dhcp.effects import Delivery, Offer, Send
from hooknet.dhcp.messages import Message, MessageType, decode, encode
from hooknet.dhcp.options import Code
from hooknet.dhcp.sends import (
    Sender,
    discover_probe,
    inform_probe,
    probe_answer,
    release_message,
    release_offer,
)
from hooknet.testing import make_binding, make_lease, make_request

NOBODY, EVERYBODY = IPv4Address(0), IPv4Address("255.255.255.255")
REQUEST = make_request()
LEASE = make_lease()
OFFER = Offer(address=LEASE.address.ip, server=LEASE.server, server_mac=LEASE.server_mac, xid=7)
SENDER = Sender(REQUEST, 1472)


def discover() -> Send:
    return SENDER.discover(7, 1, wanted=None, broadcast=False, rapid_commit=False)


@pytest.mark.parametrize(
    "send",
    [
        discover(),
        SENDER.select(OFFER, 1, broadcast=False),
        SENDER.reboot(7, 1, address=LEASE.address.ip, broadcast=False),
        SENDER.decline(7, OFFER, "in use"),
    ],
    ids=lambda send: send.type.name,
)
def test_rfc_2131_4_1_without_an_address_messages_are_broadcast_from_0_0_0_0(send: Send) -> None:
    assert (send.delivery, send.source, send.destination) == (Delivery.BROADCAST_FRAME, NOBODY, EVERYBODY)
    assert int(decode(send.payload).ciaddr) == 0


def test_rfc_2131_4_4_5_a_renewal_is_unicast_through_a_socket() -> None:
    send = SENDER.renew(7, 1, LEASE)
    assert send.delivery is Delivery.UNICAST_SOCKET
    assert (send.source, send.destination) == (LEASE.address.ip, LEASE.server)
    assert send.next_hop_mac == LEASE.server_mac


def test_rfc_2131_4_4_5_a_rebinding_is_broadcast_from_our_address() -> None:
    send = SENDER.rebind(7, 1, LEASE)
    assert send.delivery is Delivery.BROADCAST_FRAME
    assert (send.source, send.destination) == (LEASE.address.ip, EVERYBODY)


@pytest.mark.parametrize("write", [SENDER.renew, SENDER.rebind])
def test_rfc_2131_table_5_an_extension_has_ciaddr_and_neither_50_nor_54(write: object) -> None:
    message = decode(write(7, 1, LEASE).payload)  # type: ignore[operator]
    assert message.ciaddr == LEASE.address.ip
    assert not {Code.REQUESTED_ADDRESS, Code.SERVER_ID} & set(message.options)


def test_rfc_2131_4_4_6_a_release_is_a_frame_to_the_next_hop_that_is_known() -> None:
    send = release_message(make_binding(), 9, "container stopped")
    assert (send.type, send.delivery) == (MessageType.RELEASE, Delivery.UNICAST_FRAME)
    assert (send.source, send.destination) == (LEASE.address.ip, LEASE.server)
    assert send.next_hop_mac == LEASE.server_mac
    message = decode(send.payload)
    assert (message.ciaddr, message.server_id, message.xid) == (LEASE.address.ip, LEASE.server, 9)
    assert message.text == "container stopped"
    assert message.client_id == REQUEST.client_id


def test_what_was_offered_and_perhaps_granted_can_be_released_without_a_lease() -> None:
    send = release_offer(OFFER, REQUEST, 9)
    assert send == release_message(make_binding(), 9)


def test_rfc_2131_4_4_4_a_decline_names_address_and_server() -> None:
    message = decode(SENDER.decline(7, OFFER, "address in use by 02:00:00:00:00:02").payload)
    assert (message.requested_address, message.server_id) == (OFFER.address, OFFER.server)
    assert message.text == "address in use by 02:00:00:00:00:02"


def test_fault_12_an_inform_asks_for_a_server_and_for_no_lease() -> None:
    send = inform_probe(REQUEST, IPv4Address("192.0.2.9"), 5)
    message = decode(send.payload)
    assert (send.type, send.source, message.ciaddr) == (
        MessageType.INFORM,
        IPv4Address("192.0.2.9"),
        IPv4Address("192.0.2.9"),
    )
    assert not {Code.LEASE_TIME, Code.REQUESTED_ADDRESS} & set(message.options)


def test_fault_12_a_discover_probe_asks_for_a_broadcast_answer() -> None:
    message = decode(discover_probe(REQUEST, 5).payload)
    assert message.broadcast
    assert message.type is MessageType.DISCOVER


def answer(kind: MessageType, xid: int = 5) -> bytes:
    options = {Code.MESSAGE_TYPE: bytes((kind,)), Code.SERVER_ID: b"\xc0\0\2\1"}
    return encode(Message(op=2, xid=xid, chaddr=REQUEST.mac, options=options))


@pytest.mark.parametrize("kind", [MessageType.OFFER, MessageType.ACK])
def test_fault_12_an_answer_to_a_probe_names_the_server(kind: MessageType) -> None:
    assert probe_answer(answer(kind), REQUEST, 5) == IPv4Address("192.0.2.1")


@pytest.mark.parametrize(
    "payload", [answer(MessageType.NAK), answer(MessageType.OFFER, xid=6), b"", b"\0" * 999]
)
def test_fault_12_what_is_no_answer_to_a_probe_is_none(payload: bytes) -> None:
    assert probe_answer(payload, REQUEST, 5) is None
