"""hooknet.dhcp.messages: lines 1, 5, 16 and 23 of the checklist; RFC 2131 section 2."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import messages
from hooknet.dhcp.messages import BadMessage, Message, MessageType, decode, encode

MAC = "02:00:00:00:00:01"
PLAIN = Message(xid=0x01020304, chaddr=MAC, options={53: b"\1"})

ADDRESSES = st.integers(0, 0xFFFFFFFF).map(IPv4Address)
MESSAGES = st.builds(
    Message,
    op=st.sampled_from([1, 2]),
    xid=st.integers(0, 0xFFFFFFFF),
    secs=st.integers(0, 0xFFFF),
    flags=st.sampled_from([0, messages.BROADCAST_FLAG]),
    ciaddr=ADDRESSES,
    yiaddr=ADDRESSES,
    siaddr=ADDRESSES,
    giaddr=ADDRESSES,
    chaddr=st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":")),
    sname=st.binary(max_size=64).map(lambda raw: raw.rstrip(b"\0")),
    file=st.binary(max_size=128).map(lambda raw: raw.rstrip(b"\0")),
    options=st.dictionaries(
        st.integers(1, 254).filter(lambda code: code != 52), st.binary(max_size=400), max_size=10
    ),
)


def with_byte(payload: bytes, at: int, value: int) -> bytes:
    return payload[:at] + bytes((value,)) + payload[at + 1 :]


def test_line_1_a_request_has_the_fixed_fields_as_the_rfc_wants_them() -> None:
    payload = encode(replace(PLAIN, flags=0xFFFF))
    assert payload[:4] == bytes((1, 1, 6, 0)), "op, htype, hlen, hops"
    assert payload[4:8] == bytes((1, 2, 3, 4)), "xid"
    assert payload[10:12] == b"\x80\x00", "flags: only BROADCAST may be set"
    assert payload[24:28] == bytes(4), "giaddr"
    assert payload[28:44] == bytes.fromhex("020000000001") + bytes(10), "chaddr and its padding"
    assert payload[236:240] == bytes.fromhex("63825363"), "magic cookie"
    assert payload[240:244] == b"\x35\x01\x01\xff", "options and END"


def test_line_1_a_small_message_is_padded_to_300_bytes_with_zeros() -> None:
    payload = encode(PLAIN)
    assert len(payload) == 300
    assert payload[244:] == bytes(56)


def test_a_large_message_is_not_padded() -> None:
    payload = encode(replace(PLAIN, options={61: b"x" * 100}))
    assert len(payload) == 240 + 102 + 1


@given(MESSAGES)
def test_what_is_encoded_is_decoded_to_the_same(message: Message) -> None:
    assert decode(encode(message)) == message


def test_sname_and_file_may_fill_their_fields() -> None:
    full = replace(PLAIN, sname=b"s" * 64, file=b"f" * 128)
    assert decode(encode(full)) == full


@given(MESSAGES)
def test_the_order_of_options_survives(message: Message) -> None:
    assert list(decode(encode(message)).options) == list(message.options)


@given(st.binary(max_size=700))
def test_any_bytes_decode_or_are_refused(payload: bytes) -> None:
    try:
        decode(payload)
    except BadMessage:
        return


@given(st.binary(max_size=400), st.binary(min_size=192, max_size=192))
def test_any_bytes_behind_a_good_header_decode(options: bytes, strings: bytes) -> None:
    head = encode(PLAIN)
    message = decode(head[:44] + strings + head[236:240] + options)
    assert message.xid == PLAIN.xid


@pytest.mark.parametrize("length", [0, 1, 235, 236, 239])
def test_line_16_fewer_than_240_bytes_are_refused(length: int) -> None:
    with pytest.raises(BadMessage, match=f"^{length} bytes are too few"):
        decode(encode(PLAIN)[:length])


def test_line_16_240_bytes_are_a_message_without_options() -> None:
    message = decode(encode(PLAIN)[:240])
    assert message.options == {}
    assert message.type is None


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (0, 0, "op 0"),
        (0, 3, "op 3"),
        (1, 2, "htype 2"),
        (2, 16, "hlen 16"),
        (236, 0, "magic cookie 00825363"),
    ],
)
def test_line_16_what_is_not_dhcp_over_ethernet_is_refused(at: int, value: int, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        decode(with_byte(encode(PLAIN), at, value))


def test_line_5_a_datagram_of_64_kib_decodes() -> None:
    payload = encode(replace(PLAIN, options={224: b"x" * 64_000}))
    assert decode(payload).options[224] == b"x" * 64_000


def test_line_23_overloaded_fields_are_no_strings() -> None:
    main = bytes((52, 1, 3, 255))
    payload = encode(replace(PLAIN, sname=bytes((12, 1)) + b"h", file=bytes((15, 1)) + b"d"))[:240] + main
    message = decode(payload)
    assert (message.sname, message.file) == (b"", b"")
    assert message.options == {15: b"d", 12: b"h"}


@pytest.mark.parametrize(("overload", "sname", "file"), [(1, b"server", b""), (2, b"", b"boot")])
def test_line_23_the_field_that_is_not_overloaded_stays_a_string(
    overload: int, sname: bytes, file: bytes
) -> None:
    main = bytes((52, 1, overload, 255))
    message = decode(encode(replace(PLAIN, sname=b"server", file=b"boot"))[:240] + main)
    assert (message.sname, message.file) == (sname, file)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\1", MessageType.DISCOVER),
        (b"\5", MessageType.ACK),
        (b"\x08", MessageType.INFORM),
        (b"\x09", None),
        (b"\0", None),
        (b"", None),
        (b"\5\5", None),
    ],
)
def test_line_16_the_type_is_one_valid_byte_or_none(raw: bytes, expected: MessageType | None) -> None:
    assert replace(PLAIN, options={53: raw}).type is expected


def test_the_properties_are_validated_values() -> None:
    message = replace(
        PLAIN,
        flags=messages.BROADCAST_FLAG,
        options={
            54: bytes((192, 0, 2, 1)),
            50: bytes((192, 0, 2, 7)),
            51: bytes((0xFF,) * 4),
            61: b"\xff\0",
            56: b"no such host\0",
        },
    )
    assert message.server_id == IPv4Address("192.0.2.1")
    assert message.requested_address == IPv4Address("192.0.2.7")
    assert message.lease_time == 0xFFFFFFFF
    assert message.client_id == b"\xff\0"
    assert message.text == "no such host"
    assert message.broadcast


def test_line_24_a_property_of_the_wrong_length_is_an_absent_option() -> None:
    message = replace(PLAIN, options={54: b"\1\2\3", 50: bytes(8), 51: b"\1", 56: b"\x1b[2J"})
    assert message.server_id is None
    assert message.requested_address is None
    assert message.lease_time is None
    assert message.text is None
    assert message.client_id is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"chaddr": "02:00:00:00:00"},
        {"chaddr": "no mac"},
        {"xid": 1 << 32},
        {"secs": -1},
        {"sname": b"x" * 65},
        {"file": b"x" * 129},
        {"options": {52: b"\1"}},
    ],
)
def test_what_no_message_can_carry_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode(replace(PLAIN, **wrong))  # type: ignore[arg-type]
