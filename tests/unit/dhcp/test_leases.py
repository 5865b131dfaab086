"""hooknet.dhcp.leases: lines 18, 26 to 29, 33, 35 and 38 of the checklist; faults 18 and 38."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import messages
from hooknet.dhcp.leases import renewal_times, to_lease
from hooknet.dhcp.messages import BadMessage, Message
from hooknet.model import Lease, Route

MAC = "02:00:00:00:00:01"
OBTAINED = datetime(2026, 1, 1, tzinfo=UTC)
INFINITE = b"\xff" * 4


def packed(*addresses: str) -> bytes:
    return b"".join(IPv4Address(one).packed for one in addresses)


def seconds(value: int) -> bytes:
    return value.to_bytes(4, "big")


def ack(options: dict[int, bytes | None], yiaddr: str = "192.0.2.7") -> Message:
    said = {53: b"\5", 54: packed("192.0.2.1"), 51: seconds(3600), 1: packed("255.255.255.0"), **options}
    return Message(
        op=messages.BOOTREPLY,
        xid=1,
        chaddr=MAC,
        yiaddr=IPv4Address(yiaddr),
        options={code: value for code, value in said.items() if value is not None},
    )


def granted(message: Message) -> Lease:
    return to_lease(
        message,
        obtained=OBTAINED,
        hostname="asked",
        mac=MAC,
        client_id=b"\xffid",
        server_mac="02:00:00:00:00:fe",
    )


def lease(options: dict[int, bytes | None], yiaddr: str = "192.0.2.7") -> Lease:
    return granted(ack(options, yiaddr))


def default(gateway: str | None) -> Route:
    return Route(IPv4Network("0.0.0.0/0"), IPv4Address(gateway) if gateway else None)


def test_a_full_ack_becomes_a_full_lease() -> None:
    message = ack(
        {
            3: packed("192.0.2.1", "192.0.2.2"),
            6: packed("192.0.2.53"),
            12: b"web",
            15: b"example.org",
            26: b"\5\xdc",
            28: packed("192.0.2.255"),
            42: packed("192.0.2.123"),
            58: seconds(1000),
            59: seconds(2000),
            119: b"\7example\3org\0",
        }
    )
    assert granted(message) == Lease(
        address=IPv4Interface("192.0.2.7/24"),
        server=IPv4Address("192.0.2.1"),
        mac=MAC,
        client_id=b"\xffid",
        obtained=OBTAINED,
        lease_time=3600,
        t1=1000,
        t2=2000,
        hostname="web",
        routers=(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")),
        routes=(default("192.0.2.1"),),
        dns=(IPv4Address("192.0.2.53"),),
        domain="example.org",
        search=("example.org",),
        ntp=(IPv4Address("192.0.2.123"),),
        mtu=1500,
        broadcast=IPv4Address("192.0.2.255"),
        server_mac="02:00:00:00:00:fe",
        options=message.options,
    )


def test_a_bare_ack_becomes_a_lease_with_computed_times_and_nothing_else() -> None:
    bare = lease({})
    assert (bare.t1, bare.t2) == (1800, 3150)
    assert (bare.routes, bare.dns, bare.search, bare.ntp, bare.routers) == ((), (), (), (), ())
    assert (bare.domain, bare.mtu, bare.broadcast) == (None, None, None)
    assert bare.hostname == "asked"


@pytest.mark.parametrize(
    "missing", [{54: None}, {51: None}, {51: seconds(0)}, {54: bytes(4)}, {1: b"\xff\0\xff\0"}]
)
def test_line_18_what_grants_nothing_is_refused(missing: dict[int, bytes | None]) -> None:
    with pytest.raises(BadMessage):
        lease(missing)


@pytest.mark.parametrize(
    ("yiaddr", "network"),
    [("10.1.2.3", "10.1.2.3/8"), ("172.16.1.2", "172.16.1.2/16"), ("192.0.2.7", "192.0.2.7/24")],
)
def test_line_29_without_a_mask_the_class_gives_it(yiaddr: str, network: str) -> None:
    assert lease({1: None}, yiaddr).address == IPv4Interface(network)


def test_a_32_is_granted() -> None:
    assert lease({1: packed("255.255.255.255")}).address == IPv4Interface("192.0.2.7/32")


ROUTE_121 = b"\x08\x0a" + packed("192.0.2.5")
ROUTE_249 = b"\x08\x0b" + packed("192.0.2.6")
STATIC_33 = packed("198.51.100.0", "192.0.2.4")
ROUTER_3 = packed("192.0.2.1")


def test_line_27_option_121_wins_over_249_and_3_and_33() -> None:
    found = lease({121: ROUTE_121, 249: ROUTE_249, 33: STATIC_33, 3: ROUTER_3})
    assert found.routes == (Route(IPv4Network("10.0.0.0/8"), IPv4Address("192.0.2.5")),)
    assert found.routers == ()


def test_line_27_option_249_is_used_when_121_is_absent() -> None:
    found = lease({249: ROUTE_249, 33: STATIC_33, 3: ROUTER_3})
    assert found.routes == (Route(IPv4Network("11.0.0.0/8"), IPv4Address("192.0.2.6")),)
    assert found.routers == ()


def test_line_27_else_33_and_a_default_route_over_the_first_of_3() -> None:
    found = lease({33: STATIC_33, 3: packed("192.0.2.1", "192.0.2.2")})
    assert found.routes == (
        Route(IPv4Network("198.51.100.0/24"), IPv4Address("192.0.2.4")),
        default("192.0.2.1"),
    )


def test_line_24_a_malformed_121_is_an_absent_one() -> None:
    assert lease({121: b"\x21broken", 249: ROUTE_249}).routes[0].destination == IPv4Network("11.0.0.0/8")
    assert lease({121: b"\x21broken", 3: ROUTER_3}).routes == (default("192.0.2.1"),)


def test_line_27_a_121_without_a_usable_route_still_silences_3() -> None:
    assert lease({121: b"\0" + packed("127.0.0.1"), 3: ROUTER_3}).routes == ()


def test_line_27_a_default_route_on_link() -> None:
    assert lease({121: b"\0" + bytes(4)}).routes == (default(None),)


def test_fault_38_a_route_over_our_own_address_is_left_out() -> None:
    assert lease({3: packed("192.0.2.7")}).routes == ()
    assert lease({3: packed("192.0.2.7", "192.0.2.1")}).routes == (default("192.0.2.1"),)
    assert lease({121: b"\0" + packed("192.0.2.7") + ROUTE_121}).routes[0].destination == IPv4Network(
        "10.0.0.0/8"
    )
    assert lease({33: packed("198.51.100.0", "192.0.2.7")}).routes == ()


def test_line_26_routers_that_are_no_hosts_are_left_out() -> None:
    assert lease({3: packed("0.0.0.0", "255.255.255.255", "192.0.2.9")}).routes == (default("192.0.2.9"),)


@pytest.mark.parametrize(
    ("time", "t1", "t2", "expected"),
    [
        pytest.param(3600, 100, 200, (100, 200), id="as said"),
        pytest.param(3600, 1, 2, (1, 2), id="as early as can be"),
        pytest.param(3600, None, 1, (1800, 3150), id="T2 = 1 leaves no room for T1"),
        pytest.param(3600, None, 1800, (1028, 1800), id="only T2, at half of the lease"),
        pytest.param(3600, None, None, (1800, 3150), id="absent"),
        pytest.param(3600, 1000, None, (1000, 3150), id="only T1"),
        pytest.param(3600, None, 3000, (1800, 3000), id="only T2"),
        pytest.param(3600, None, 1400, (800, 1400), id="only T2, before half of the lease: T1 is 4/7 of it"),
        pytest.param(3600, 3000, 3000, (1800, 3000), id="T1 = T2"),
        pytest.param(3600, 3100, 2000, (1800, 2000), id="T1 > T2"),
        pytest.param(3600, 1000, 3600, (1000, 3150), id="T2 = lease"),
        pytest.param(3600, 5000, 9000, (1800, 3150), id="both beyond the lease"),
        pytest.param(3600, 0, 0, (1800, 3150), id="both 0"),
        pytest.param(3600, 0xFFFFFFFF, 0xFFFFFFFF, (1800, 3150), id="infinite in a finite lease"),
        pytest.param(0xFFFFFFFE, None, None, (0x7FFFFFFF, 0xDFFFFFFE), id="136 years do not overflow"),
        pytest.param(0x80000000, None, None, (0x40000000, 0x70000000), id="2**31 is not negative"),
        pytest.param(10, None, None, (5, 8), id="10 s"),
        pytest.param(3, None, None, (1, 2), id="3 s"),
        pytest.param(2, None, None, (1, 1), id="2 s"),
        pytest.param(1, None, None, (1, 1), id="1 s"),
        pytest.param(0xFFFFFFFF, None, None, (None, None), id="infinite"),
        pytest.param(0xFFFFFFFF, 100, 200, (None, None), id="infinite needs no renewal"),
    ],
)
def test_line_33_and_35_renewal_times(
    time: int, t1: int | None, t2: int | None, expected: tuple[int | None, int | None]
) -> None:
    said = {51: seconds(time), 58: t1 if t1 is None else seconds(t1), 59: t2 if t2 is None else seconds(t2)}
    found = lease(said)
    assert (found.t1, found.t2) == expected


@given(st.integers(1, 0xFFFFFFFE), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_line_33_renewal_times_are_always_in_order_and_within_the_lease(time: int, t1: int, t2: int) -> None:
    first, second = renewal_times({58: seconds(t1), 59: seconds(t2)}, time)
    assert first is not None
    assert second is not None
    assert 1 <= first <= second <= time
    if time >= 3:
        assert second < time


def test_line_35_an_infinite_lease_has_no_end() -> None:
    found = lease({51: INFINITE})
    assert (found.lease_time, found.expires) == (None, None)


def test_fault_18_the_longest_finite_lease_ends_136_years_later() -> None:
    assert lease({51: seconds(0xFFFFFFFE)}).expires == OBTAINED + timedelta(seconds=0xFFFFFFFE)


def test_fault_18_a_lease_of_one_second_is_not_stretched() -> None:
    assert lease({51: seconds(1)}).lease_time == 1


@pytest.mark.parametrize("raw", [b"\0\x43", b"\0\0", b"\5", b""])
def test_line_26_an_mtu_below_68_or_of_the_wrong_length_is_ignored(raw: bytes) -> None:
    assert lease({26: raw}).mtu is None


@pytest.mark.parametrize("said", ["192.0.3.255", "255.255.255.255", "192.0.2.7", "10.0.0.1"])
def test_a_broadcast_address_outside_the_network_or_our_own_is_ignored(said: str) -> None:
    assert lease({28: packed(said)}).broadcast is None


def test_line_29_several_names_in_option_15_are_a_domain_and_a_search_list() -> None:
    found = lease({15: b"example.org corp.example.org"})
    assert (found.domain, found.search) == ("example.org", ("example.org", "corp.example.org"))


def test_option_119_wins_over_several_names_in_option_15() -> None:
    assert lease({15: b"a.example b.example", 119: b"\1c\7example\0"}).search == ("c.example",)


def test_one_name_in_option_15_is_no_search_list() -> None:
    assert lease({15: b"example.org"}).search == ()


def test_the_servers_name_for_us_is_taken_from_option_12_or_81() -> None:
    assert lease({12: b"given"}).hostname == "given"
    assert lease({81: b"\x05\xff\xff\3web\3lan\0"}).hostname == "web.lan"
    assert lease({12: b"given", 81: b"\x05\xff\xff\3web\3lan\0"}).hostname == "given"


HOSTILE = [
    b"x\nnameserver 6.6.6.6",
    b"x\0y",
    b"$(reboot)",
    b"\x1b]0;x\x07",
    b"a b;c",
    b"../..",
    b"-x",
    b"\xff\xfe",
    b"x_y",
]


@pytest.mark.parametrize("raw", HOSTILE)
def test_fault_38_no_hostile_string_reaches_a_lease(raw: bytes) -> None:
    found = lease({12: raw, 15: raw, 119: bytes((len(raw),)) + raw + b"\0", 81: b"\0\0\0" + raw})
    assert found.hostname == "asked"
    assert found.search == ()
    assert found.domain in {None, "a"}, "names beside a hostile one may stay"


def test_line_38_another_ack_is_another_lease_in_every_part_that_it_changes() -> None:
    before = lease({3: ROUTER_3, 6: packed("192.0.2.53"), 15: b"old.example", 26: b"\5\xdc", 12: b"old"})
    after = lease(
        {
            1: packed("255.255.0.0"),
            3: packed("192.0.9.1"),
            6: packed("192.0.9.53"),
            12: b"new",
            15: b"new.example",
            26: b"\5\0",
            28: packed("192.0.255.255"),
            42: packed("192.0.9.123"),
            51: seconds(60),
            54: packed("192.0.9.1"),
            119: b"\3new\7example\0",
        },
        "192.0.9.7",
    )
    same = {one.name for one in fields(Lease) if getattr(before, one.name) == getattr(after, one.name)}
    assert same == {"mac", "client_id", "obtained", "server_mac"}


def test_line_38_what_an_ack_no_longer_says_is_gone() -> None:
    assert lease({}).dns == ()


OPTIONS = st.dictionaries(
    st.sampled_from([1, 3, 6, 12, 15, 26, 28, 33, 42, 51, 54, 58, 59, 81, 119, 121, 249]),
    st.binary(max_size=60),
)


@given(OPTIONS, st.integers(0, 0xFFFFFFFF))
def test_fault_17_no_options_make_to_lease_raise_anything_but_bad_message(
    options: dict[int, bytes], yiaddr: int
) -> None:
    message = replace(ack({}), yiaddr=IPv4Address(yiaddr))
    message = replace(message, options={**message.options, **options})
    try:
        found = granted(message)
    except BadMessage:
        return
    assert found.lease_time is None or (found.t1 is not None and found.t2 is not None)
    assert all(route.gateway != found.address.ip for route in found.routes)
