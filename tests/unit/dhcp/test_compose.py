"""hooknet.dhcp.compose: lines 1 and 3 to 10 of the checklist; RFC 2131 table 5 and each option's RFC."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import compose
from hooknet.dhcp.messages import Message, MessageType, decode, encode
from hooknet.errors import HooknetError, Kind
from hooknet.model import LeaseRequest

MAC = "02:00:00:00:00:01"
CLIENT_ID = b"\xff\0\0\0\1" + b"\0\4" + bytes(range(16))
ADDRESS = IPv4Address("192.0.2.7")
SERVER = IPv4Address("192.0.2.1")
REQUEST = LeaseRequest(
    mac=MAC,
    client_id=CLIENT_ID,
    hostname="web",
    requested_address=ADDRESS,
    lease_time=3600,
    vendor_class="hooknet",
    user_class=("box", "lan"),
    options={224: b"extra"},
)
COMMON = {"xid": 7, "secs": 3, "max_size": 1472}

DISCOVER = compose.discover(REQUEST, broadcast=False, **COMMON)
SELECT = compose.select(REQUEST, broadcast=False, address=ADDRESS, server=SERVER, **COMMON)
REBOOT = compose.reboot(REQUEST, broadcast=False, address=ADDRESS, **COMMON)
EXTEND = compose.extend(REQUEST, address=ADDRESS, **COMMON)
INFORM = compose.inform(REQUEST, address=ADDRESS, **COMMON)
DECLINE = compose.decline(
    mac=MAC, client_id=CLIENT_ID, xid=7, address=ADDRESS, server=SERVER, why="in use by 02:00:00:00:00:99"
)
RELEASE = compose.release(mac=MAC, client_id=CLIENT_ID, xid=7, address=ADDRESS, server=SERVER, why="detached")

REQUESTS = [SELECT, REBOOT, EXTEND]
ASKING = [DISCOVER, *REQUESTS, INFORM]
ALL = [*ASKING, DECLINE, RELEASE]
NOTHING = IPv4Address(0)


@pytest.mark.parametrize(
    ("message", "kind", "ciaddr", "requested", "server"),
    [
        (DISCOVER, MessageType.DISCOVER, NOTHING, ADDRESS, None),
        (SELECT, MessageType.REQUEST, NOTHING, ADDRESS, SERVER),
        (REBOOT, MessageType.REQUEST, NOTHING, ADDRESS, None),
        (EXTEND, MessageType.REQUEST, ADDRESS, None, None),
        (INFORM, MessageType.INFORM, ADDRESS, None, None),
        (DECLINE, MessageType.DECLINE, NOTHING, ADDRESS, SERVER),
        (RELEASE, MessageType.RELEASE, ADDRESS, None, SERVER),
    ],
)
def test_line_4_table_5_says_where_addresses_go(
    message: Message,
    kind: MessageType,
    ciaddr: IPv4Address,
    requested: IPv4Address | None,
    server: IPv4Address | None,
) -> None:
    assert message.type is kind
    assert message.ciaddr == ciaddr
    assert message.requested_address == requested
    assert (50 in message.options, 54 in message.options) == (requested is not None, server is not None)
    assert message.server_id == server
    assert (message.yiaddr, message.siaddr, message.giaddr) == (NOTHING, NOTHING, NOTHING)


@pytest.mark.parametrize("message", [DECLINE, RELEASE])
def test_line_4_decline_and_release_hold_nothing_but_what_table_5_allows(message: Message) -> None:
    assert message.options.keys() <= {50, 53, 54, 56, 61}
    assert (message.secs, message.flags) == (0, 0)


def test_line_4_decline_and_release_say_why() -> None:
    assert DECLINE.text == "in use by 02:00:00:00:00:99"
    assert RELEASE.text == "detached"
    silent = compose.release(mac=MAC, client_id=CLIENT_ID, xid=7, address=ADDRESS, server=SERVER)
    assert 56 not in silent.options


def test_line_4_a_long_reason_is_cut_to_one_option() -> None:
    long = compose.release(mac=MAC, client_id=CLIENT_ID, xid=7, address=ADDRESS, server=SERVER, why="ä" * 300)
    assert long.options[56] == b"?" * 255


@pytest.mark.parametrize("message", ALL)
def test_line_8_the_client_id_is_the_same_bytes_in_every_message(message: Message) -> None:
    assert message.client_id == CLIENT_ID


@pytest.mark.parametrize("message", ALL)
def test_line_1_every_message_survives_its_wire_form(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(("secs", "sent"), [(0.0, 1), (0.9, 1), (3.7, 3), (65535.0, 65535), (1e9, 65535)])
def test_line_3_secs_are_clamped_to_1_to_65535(secs: float, sent: int) -> None:
    assert compose.discover(REQUEST, xid=1, secs=secs, broadcast=False, max_size=576).secs == sent
    assert compose.extend(REQUEST, xid=1, secs=secs, max_size=576, address=ADDRESS).secs == sent


@pytest.mark.parametrize("message", ASKING)
def test_line_5_the_parameter_request_list_is_the_same_wherever_it_is(message: Message) -> None:
    assert message.options[55] == DISCOVER.options[55]


@pytest.mark.parametrize(("given", "sent"), [(1472, 1472), (576, 576), (100, 576), (1 << 20, 65535)])
def test_line_5_the_maximum_message_size_is_never_below_576(given: int, sent: int) -> None:
    message = compose.discover(REQUEST, xid=1, secs=1, broadcast=False, max_size=given)
    assert int.from_bytes(message.options[57], "big") == sent


def test_line_6_the_default_parameters_are_what_hooknet_uses() -> None:
    assert tuple(DISCOVER.options[55]) == (1, 121, 3, 33, 6, 15, 119, 12, 26, 28, 42)


@given(st.lists(st.integers(1, 254), max_size=30))
def test_line_6_option_121_stands_before_3_and_33_whatever_was_configured(wanted: list[int]) -> None:
    sent = compose.parameters(wanted)
    assert set(sent) == set(wanted) or not wanted
    assert len(sent) == len(set(sent))
    for late in {3, 33} & set(sent):
        assert 121 not in sent or sent.index(121) < sent.index(late)
    others = [code for code in sent if code != 121]
    assert others == [code for code in dict.fromkeys(wanted) if code != 121] or not wanted


@pytest.mark.parametrize("message", [DISCOVER, *REQUESTS])
def test_line_7_the_lease_time_is_asked_for_in_discover_and_request(message: Message) -> None:
    assert message.lease_time == 3600


@pytest.mark.parametrize("message", [INFORM, DECLINE, RELEASE])
def test_line_7_the_lease_time_is_never_in_the_others(message: Message) -> None:
    assert 51 not in message.options


def test_line_7_an_infinite_lease_can_be_asked_for_and_none_at_all() -> None:
    infinite = replace(REQUEST, lease_time=0xFFFFFFFF)
    assert compose.discover(infinite, broadcast=False, **COMMON).options[51] == b"\xff" * 4
    assert 51 not in compose.discover(replace(REQUEST, lease_time=None), broadcast=False, **COMMON).options


@pytest.mark.parametrize("message", ASKING)
def test_line_9_the_host_name_goes_out_as_option_12(message: Message) -> None:
    assert message.options[12] == b"web"
    assert 81 not in message.options


@pytest.mark.parametrize("name", ["web", "web.example.org"])
def test_line_9_option_81_replaces_option_12(name: str) -> None:
    message = compose.discover(replace(REQUEST, fqdn=name), broadcast=False, **COMMON)
    assert 12 not in message.options
    flags, rcode1, rcode2 = message.options[81][:3]
    assert (flags, rcode1, rcode2) == (0x05, 0, 0), "E and S, and RCODEs 0"


def test_line_9_an_option_81_that_a_plugin_adds_replaces_option_12_too() -> None:
    no_updates = replace(REQUEST, options={81: b"\x0c\0\0\3web"})
    message = compose.discover(no_updates, broadcast=False, **COMMON)
    assert message.options[81] == b"\x0c\0\0\3web"
    assert 12 not in message.options


def test_rfc_3004_each_user_class_has_its_length_before_it() -> None:
    assert DISCOVER.options[77] == b"\3box\3lan"


def test_the_vendor_class_and_further_options_go_out() -> None:
    assert DISCOVER.options[60] == b"hooknet"
    assert DISCOVER.options[224] == b"extra"


def test_line_21_rapid_commit_is_an_empty_option_80_only_when_asked_for() -> None:
    assert 80 not in DISCOVER.options
    assert compose.discover(REQUEST, broadcast=False, rapid_commit=True, **COMMON).options[80] == b""


def test_line_14_the_broadcast_flag_is_set_only_when_asked_for() -> None:
    assert not DISCOVER.broadcast
    assert compose.discover(REQUEST, broadcast=True, **COMMON).broadcast
    assert compose.select(REQUEST, broadcast=True, address=ADDRESS, server=SERVER, **COMMON).broadcast
    assert compose.reboot(REQUEST, broadcast=True, address=ADDRESS, **COMMON).broadcast


def test_line_10_a_request_can_be_made_anonymous_by_its_fields_alone() -> None:
    """RFC 7844: client-id 01 and the MAC, no name, no class, a short parameter list."""
    mac_id = b"\1" + bytes.fromhex(MAC.replace(":", ""))
    bare = LeaseRequest(mac=MAC, client_id=mac_id, parameters=(6, 3, 1))
    compose.check(bare)
    message = compose.discover(bare, broadcast=False, **COMMON)
    assert message.options.keys() == {53, 55, 57, 61}
    assert message.options[61] == mac_id
    assert tuple(message.options[55]) == (6, 3, 1)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"client_id": b"id"},
        {"client_id": b"x" * 255},
        {"lease_time": 1},
        {"lease_time": 0xFFFFFFFF},
        {"vendor_class": "v"},
        {"vendor_class": "v" * 255},
        {"user_class": ("u", "u" * 255)},
        {"parameters": (1, 254)},
        {"hostname": "a" * 63, "options": {}},
        {
            "hostname": None,
            "vendor_class": None,
            "user_class": (),
            "options": {224: b"x" * (1024 - 2 - 2 - 11)},
        },
    ],
)
def test_a_request_at_the_limits_is_not_refused(change: dict[str, object]) -> None:
    compose.check(replace(REQUEST, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mac": "02:00:00:00:00"}, "no unicast address"),
        ({"mac": "02:00:00:00:00:0G"}, "no unicast address"),
        ({"mac": "01:00:5e:00:00:01"}, "no unicast address"),
        ({"mac": "02:00:00:00:00:0A"}, "no unicast address"),
        ({"client_id": b"x"}, "2 to 255 bytes"),
        ({"client_id": b"x" * 256}, "2 to 255 bytes"),
        ({"hostname": "my_web"}, "no host name"),
        ({"hostname": "web\n"}, "no host name"),
        ({"hostname": "a" * 64}, "no host name"),
        ({"hostname": ""}, "no host name"),
        ({"fqdn": "web..lan"}, "no host name"),
        ({"lease_time": 0}, "lease time 0"),
        ({"lease_time": 1 << 32}, "lease time"),
        ({"vendor_class": ""}, "vendor class"),
        ({"vendor_class": "x" * 256}, "vendor class"),
        ({"vendor_class": "a\x1bb"}, "vendor class"),
        ({"user_class": ("",)}, "user class"),
        ({"user_class": ("x" * 256,)}, "user class"),
        ({"parameters": (0,)}, "parameter 0"),
        ({"parameters": (1, 255)}, "parameter 255"),
        (
            {"hostname": None, "vendor_class": None, "user_class": (), "options": {224: b"x" * 1010}},
            "more than 1024 bytes",
        ),
        ({"options": {256: b""}}, "option 256"),
    ],
)
def test_line_9_a_request_that_can_not_be_sent_is_refused_and_says_why(
    change: dict[str, object], why: str
) -> None:
    with pytest.raises(HooknetError, match=why) as caught:
        compose.check(replace(REQUEST, **change))  # type: ignore[arg-type]
    assert caught.value.kind is Kind.BAD_CONFIG


@pytest.mark.parametrize("code", sorted(compose.PROTOCOL))
def test_the_options_that_make_the_protocol_work_can_not_be_added(code: int) -> None:
    with pytest.raises(HooknetError, match=f"option {int(code)} is the protocol's own"):
        compose.check(replace(REQUEST, options={int(code): b"\1"}))
