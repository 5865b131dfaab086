"""hooknet.dhcp.accept: lines 15, 16, 17, 18, 20, 24 and 29 of the checklist; RFC 2131, RFC 6842."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from hooknet.dhcp import messages
from hooknet.dhcp.accept import refusal, refusal_of_grant
from hooknet.dhcp.messages import Message, MessageType

MAC = "02:00:00:00:00:01"
XID = 0xCAFEBABE
CLIENT_ID = b"\xff\0\0\0\1id"
OFFER = Message(
    op=messages.BOOTREPLY,
    xid=XID,
    chaddr=MAC,
    yiaddr=IPv4Address("192.0.2.7"),
    options={53: b"\2", 54: bytes((192, 0, 2, 1)), 51: b"\0\0\x0e\x10", 1: bytes((255, 255, 255, 0))},
)


def why_not(message: Message, *types: MessageType) -> str | None:
    return refusal(
        message, xid=XID, mac=MAC, client_id=CLIENT_ID, types=types or (MessageType.OFFER, MessageType.ACK)
    )


def with_option(code: int, value: bytes | None) -> Message:
    options = {key: old for key, old in OFFER.options.items() if key != code}
    return replace(OFFER, options=options if value is None else options | {code: value})


def test_line_16_an_answer_to_what_we_sent_is_taken() -> None:
    assert why_not(OFFER) is None
    assert refusal_of_grant(OFFER) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"op": messages.BOOTREQUEST}, "not a reply"),
        ({"xid": XID ^ 1}, "xid cafebabf"),
        ({"chaddr": "02:00:00:00:00:02"}, "chaddr 02:00:00:00:00:02"),
    ],
)
def test_line_16_what_is_for_somebody_else_is_refused(change: dict[str, object], why: str) -> None:
    assert why in (why_not(replace(OFFER, **change)) or "")  # type: ignore[arg-type]


@pytest.mark.parametrize("raw", [None, b"", b"\2\2", b"\0", b"\x09", b"\1", b"\3", b"\6"])
def test_line_16_a_type_that_the_state_does_not_wait_for_is_refused(raw: bytes | None) -> None:
    assert "is not waited for" in (why_not(with_option(53, raw)) or "")


def test_line_20_an_offer_is_refused_where_only_ack_and_nak_are_waited_for() -> None:
    assert why_not(OFFER, MessageType.ACK, MessageType.NAK) == "type OFFER is not waited for"


def test_line_15_the_broadcast_flag_of_a_reply_does_not_matter() -> None:
    assert why_not(replace(OFFER, flags=messages.BROADCAST_FLAG)) is None


@pytest.mark.parametrize("theirs", [b"", b"\1\2\0\0\0\0\2", CLIENT_ID + b"\0"])
def test_line_17_a_reply_with_another_client_id_is_refused(theirs: bytes) -> None:
    assert "RFC 6842" in (why_not(with_option(61, theirs)) or "")


def test_line_17_a_reply_with_our_client_id_or_none_is_taken() -> None:
    assert why_not(with_option(61, CLIENT_ID)) is None
    assert why_not(with_option(61, None)) is None


@pytest.mark.parametrize("yiaddr", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.7"])
def test_line_18_yiaddr_must_be_a_hosts(yiaddr: str) -> None:
    assert "not an address for a host" in (refusal_of_grant(replace(OFFER, yiaddr=IPv4Address(yiaddr))) or "")


@pytest.mark.parametrize("yiaddr", ["192.0.2.0", "192.0.2.255"])
def test_line_18_the_networks_own_and_the_broadcast_address_are_no_hosts(yiaddr: str) -> None:
    assert "192.0.2.0/24" in (refusal_of_grant(replace(OFFER, yiaddr=IPv4Address(yiaddr))) or "")


@pytest.mark.parametrize("mask", [31, 32])
def test_rfc_3021_a_31_and_a_32_have_no_such_addresses(mask: int) -> None:
    raw = (0xFFFFFFFF << (32 - mask) & 0xFFFFFFFF).to_bytes(4, "big")
    assert refusal_of_grant(replace(with_option(1, raw), yiaddr=IPv4Address("192.0.2.0"))) is None


@pytest.mark.parametrize(
    "server", [None, bytes(4), b"\x7f\0\0\1", b"\xff" * 4, b"\xe0\0\0\1", b"\xc0\0\2", bytes(8)]
)
def test_line_18_the_server_id_must_be_a_host_that_can_be_written_to(server: bytes | None) -> None:
    assert "option 54" in (refusal_of_grant(with_option(54, server)) or "")


@pytest.mark.parametrize("time", [None, bytes(4), b"\0\0\x0e", b"\0\0\0\0\x10"])
def test_line_18_and_fault_18_a_grant_without_a_lease_time_or_with_0_is_refused(time: bytes | None) -> None:
    assert "option 51" in (refusal_of_grant(with_option(51, time)) or "")


@pytest.mark.parametrize("time", [b"\0\0\0\1", b"\x80\0\0\0", b"\xff\xff\xff\xfe", b"\xff\xff\xff\xff"])
def test_fault_18_any_other_lease_time_is_taken(time: bytes) -> None:
    assert refusal_of_grant(with_option(51, time)) is None


@pytest.mark.parametrize("mask", [b"\xff\0\xff\0", bytes(4), b"\xff\xff\xff", b"", b"\xff" * 5])
def test_line_24_and_29_a_mask_that_is_none_refuses_the_grant(mask: bytes) -> None:
    assert "subnet mask" in (refusal_of_grant(with_option(1, mask)) or "")


def test_line_29_without_a_mask_the_grant_is_taken() -> None:
    assert refusal_of_grant(with_option(1, None)) is None


def test_line_22_an_offer_with_yiaddr_0_and_option_116_grants_nothing() -> None:
    no_address = replace(with_option(116, b"\0"), yiaddr=IPv4Address(0))
    assert refusal_of_grant(no_address) is not None
