"""Which reply each state acts upon: RFC 2131 section 4.4, RFC 4039, RFC 8925, RFC 2563."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp.messages import Message, MessageType, encode
from hooknet.dhcp.options import Code
from hooknet.dhcp.replies import Expected, Reply, judge
from hooknet.dhcp.settings import ClientSettings
from hooknet.dhcp.states import State
from hooknet.model import LeaseRequest
from hooknet.testing import make_request

XID = 0x12345678
AUTO_CONFIGURE = 116
SERVER, OTHER = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
REQUEST = make_request()
ASKING = make_request(parameters=(1, 3, 108))
GRANT = {
    Code.SERVER_ID: SERVER.packed,
    Code.LEASE_TIME: b"\0\0\x0e\x10",
    Code.SUBNET_MASK: b"\xff\xff\xff\0",
}
WAITING = [State.REQUESTING, State.RENEWING, State.REBINDING, State.REBOOTING]


def reply(kind: MessageType) -> Message:
    return Message(
        op=2,
        xid=XID,
        chaddr=REQUEST.mac,
        yiaddr=IPv4Address("192.0.2.50"),
        options={Code.MESSAGE_TYPE: bytes((kind,)), **GRANT},
    )


def with_options(message: Message, options: dict[int, bytes]) -> Message:
    return replace(message, options={**message.options, **options})


def judged(
    message: Message,
    state: State,
    settings: ClientSettings | None = None,
    request: LeaseRequest = REQUEST,
) -> Reply | str:
    return judge(
        encode(message), Expected(state=state, xid=XID, server=SERVER), request, settings or ClientSettings()
    )


def taken(verdict: Reply | str) -> bool:
    return isinstance(verdict, Reply)


def test_selecting_takes_an_offer() -> None:
    verdict = judged(reply(MessageType.OFFER), State.SELECTING)
    assert isinstance(verdict, Reply)
    assert (verdict.server, verdict.type) == (SERVER, MessageType.OFFER)


@pytest.mark.parametrize("state", WAITING)
@pytest.mark.parametrize("kind", [MessageType.ACK, MessageType.NAK])
def test_the_states_with_a_request_under_way_take_acks_and_naks(state: State, kind: MessageType) -> None:
    assert taken(judged(reply(kind), state))


@pytest.mark.parametrize("state", WAITING)
def test_an_offer_is_ignored_where_none_is_waited_for(state: State) -> None:
    assert "not waited for" in str(judged(reply(MessageType.OFFER), state))


@pytest.mark.parametrize(
    "kind", [MessageType.DISCOVER, MessageType.REQUEST, MessageType.RELEASE, MessageType.INFORM]
)
def test_the_echo_of_a_siblings_message_is_ignored(kind: MessageType) -> None:
    assert not taken(judged(reply(kind), State.SELECTING))


def test_rfc_3203_a_forcerenew_is_ignored() -> None:
    message = with_options(reply(MessageType.ACK), {Code.MESSAGE_TYPE: b"\x09"})
    assert not taken(judged(message, State.RENEWING))


def test_fault_14_a_wrong_xid_is_ignored() -> None:
    assert "xid" in str(judged(replace(reply(MessageType.OFFER), xid=XID + 1), State.SELECTING))


def test_fault_14_a_wrong_chaddr_is_ignored() -> None:
    message = replace(reply(MessageType.OFFER), chaddr="02:66:66:66:66:66")
    assert "chaddr" in str(judged(message, State.SELECTING))


def test_fault_14_a_wrong_cookie_is_ignored() -> None:
    payload = bytearray(encode(reply(MessageType.OFFER)))
    payload[236] ^= 0xFF
    verdict = judge(
        bytes(payload), Expected(state=State.SELECTING, xid=XID, server=None), REQUEST, ClientSettings()
    )
    assert "cookie" in str(verdict)


def test_rfc_6842_a_reply_with_another_client_id_is_ignored() -> None:
    assert not taken(
        judged(with_options(reply(MessageType.ACK), {Code.CLIENT_ID: b"other"}), State.REQUESTING)
    )


@pytest.mark.parametrize("kind", [MessageType.ACK, MessageType.NAK])
def test_rfc_2131_4_4_1_requesting_hears_only_the_server_that_was_selected(kind: MessageType) -> None:
    message = with_options(reply(kind), {Code.SERVER_ID: OTHER.packed})
    assert "not selected" in str(judged(message, State.REQUESTING))


def test_renewing_ignores_a_nak_of_a_server_that_did_not_grant_the_lease() -> None:
    message = with_options(reply(MessageType.NAK), {Code.SERVER_ID: OTHER.packed})
    assert not taken(judged(message, State.RENEWING))


@pytest.mark.parametrize("state", [State.RENEWING, State.REBINDING, State.REBOOTING])
def test_an_ack_may_name_another_server_when_a_lease_is_extended(state: State) -> None:
    message = with_options(reply(MessageType.ACK), {Code.SERVER_ID: OTHER.packed})
    assert taken(judged(message, state))


@pytest.mark.parametrize("kind", [MessageType.OFFER, MessageType.ACK, MessageType.NAK])
@pytest.mark.parametrize("bad", [b"", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\0\0\1", b"\1\2\3"])
def test_a_reply_without_a_usable_server_id_is_ignored(kind: MessageType, bad: bytes) -> None:
    state = State.SELECTING if kind is MessageType.OFFER else State.REBINDING
    assert not taken(judged(with_options(reply(kind), {Code.SERVER_ID: bad}), state))


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "192.0.2.255"])
def test_a_grant_of_what_no_host_can_have_is_ignored(address: str) -> None:
    message = replace(reply(MessageType.ACK), yiaddr=IPv4Address(address))
    assert not taken(judged(message, State.REQUESTING))


@pytest.mark.parametrize("time", [b"", b"\0\0\0\0", b"\0\1"])
def test_fault_18_a_grant_without_a_lease_time_is_ignored(time: bytes) -> None:
    assert not taken(judged(with_options(reply(MessageType.ACK), {Code.LEASE_TIME: time}), State.REQUESTING))


def test_a_nak_needs_no_address_and_no_time() -> None:
    message = replace(
        reply(MessageType.NAK),
        yiaddr=IPv4Address(0),
        options={Code.MESSAGE_TYPE: b"\6", Code.SERVER_ID: SERVER.packed},
    )
    assert taken(judged(message, State.REQUESTING))


# servers that may answer


@pytest.mark.parametrize(
    ("settings", "heard"),
    [
        (ClientSettings(), True),
        (ClientSettings(allow_servers=(IPv4Network("192.0.2.1/32"),)), True),
        (ClientSettings(allow_servers=(IPv4Network("192.0.2.0/24"),)), True),
        (ClientSettings(allow_servers=(IPv4Network("198.51.100.0/24"),)), False),
        (ClientSettings(deny_servers=(IPv4Network("192.0.2.1/32"),)), False),
        (
            ClientSettings(
                allow_servers=(IPv4Network("192.0.2.0/24"),), deny_servers=(IPv4Network("192.0.2.1/32"),)
            ),
            False,
        ),
    ],
)
@pytest.mark.parametrize("kind", [MessageType.ACK, MessageType.NAK])
def test_fault_14_only_servers_that_are_allowed_and_not_denied_are_heard(
    settings: ClientSettings, heard: bool, kind: MessageType
) -> None:
    assert taken(judged(reply(kind), State.REBINDING, settings)) is heard


# rapid commit


def test_rfc_4039_an_ack_to_a_discover_is_taken_where_it_was_asked_for_and_says_so() -> None:
    message = with_options(reply(MessageType.ACK), {Code.RAPID_COMMIT: b""})
    assert taken(judged(message, State.SELECTING, ClientSettings(rapid_commit=True)))


def test_rfc_4039_an_ack_without_option_80_commits_nothing() -> None:
    assert not taken(judged(reply(MessageType.ACK), State.SELECTING, ClientSettings(rapid_commit=True)))


def test_rfc_4039_an_ack_to_a_discover_that_did_not_ask_for_it_is_ignored() -> None:
    message = with_options(reply(MessageType.ACK), {Code.RAPID_COMMIT: b""})
    assert not taken(judged(message, State.SELECTING))


@pytest.mark.parametrize("rapid_commit", [True, False])
def test_an_offer_with_option_80_is_an_offer(rapid_commit: bool) -> None:
    message = with_options(reply(MessageType.OFFER), {Code.RAPID_COMMIT: b""})
    verdict = judged(message, State.SELECTING, ClientSettings(rapid_commit=rapid_commit))
    assert isinstance(verdict, Reply)
    assert verdict.type is MessageType.OFFER


# leaving IPv4


def v6only(raw: bytes) -> Message:
    return with_options(reply(MessageType.OFFER), {Code.V6ONLY: raw})


@pytest.mark.parametrize(
    ("raw", "wait"), [(b"\0\0\x07\x08", 1800), (b"\0\0\0\0", 300), (b"\0\0\1\x2b", 300), (b"\0\0\1\x2d", 301)]
)
def test_rfc_8925_an_offer_with_option_108_asks_us_to_wait(raw: bytes, wait: int) -> None:
    verdict = judged(v6only(raw), State.SELECTING, request=ASKING)
    assert isinstance(verdict, Reply)
    assert verdict.v6only_wait == wait


def test_rfc_8925_such_an_offer_needs_no_address() -> None:
    verdict = judged(replace(v6only(b"\0\0\x07\x08"), yiaddr=IPv4Address(0)), State.SELECTING, request=ASKING)
    assert isinstance(verdict, Reply)
    assert verdict.v6only_wait == 1800


def test_rfc_8925_nobody_leaves_ipv4_who_did_not_ask_for_option_108() -> None:
    verdict = judged(v6only(b"\0\0\x07\x08"), State.SELECTING)
    assert isinstance(verdict, Reply)
    assert verdict.v6only_wait is None


@pytest.mark.parametrize("raw", [b"", b"\1", b"\0\0\x07\x08\0"])
def test_rfc_8925_an_option_108_of_the_wrong_length_is_ignored(raw: bytes) -> None:
    verdict = judged(v6only(raw), State.SELECTING, request=ASKING)
    assert isinstance(verdict, Reply)
    assert verdict.v6only_wait is None


@pytest.mark.parametrize("value", [b"\0", b"\1"])
def test_rfc_2563_an_offer_without_an_address_is_ignored_and_no_link_local_one_is_made_up(
    value: bytes,
) -> None:
    message = replace(with_options(reply(MessageType.OFFER), {AUTO_CONFIGURE: value}), yiaddr=IPv4Address(0))
    assert not taken(judged(message, State.SELECTING))


@given(payload=st.binary(max_size=800), state=st.sampled_from([State.SELECTING, *WAITING]))
def test_fault_17_no_bytes_make_judge_raise(payload: bytes, state: State) -> None:
    judge(payload, Expected(state=state, xid=XID, server=SERVER), ASKING, ClientSettings(rapid_commit=True))


@given(
    code=st.integers(1, 254).filter(lambda code: code != Code.OVERLOAD),
    value=st.binary(max_size=64),
    state=st.sampled_from([State.SELECTING, *WAITING]),
    kind=st.sampled_from([MessageType.OFFER, MessageType.ACK, MessageType.NAK]),
)
def test_fault_17_no_option_makes_judge_raise(
    code: int, value: bytes, state: State, kind: MessageType
) -> None:
    judged(with_options(reply(kind), {code: value}), state, ClientSettings(rapid_commit=True), ASKING)
