"""hooknet.dhcp.values: lines 24, 26, 27, 28 and 29 of the checklist; fault 38 (hostile values)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import values
from hooknet.model import Route

NO_HOSTS = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "255.255.255.255"]


def packed(*addresses: str) -> bytes:
    return b"".join(IPv4Address(one).packed for one in addresses)


def route(destination: str, gateway: str | None) -> Route:
    return Route(IPv4Network(destination), IPv4Address(gateway) if gateway else None)


@pytest.mark.parametrize("text", NO_HOSTS)
def test_line_18_an_address_that_no_host_has_is_refused(text: str) -> None:
    assert values.host_address(packed(text)) is None


@pytest.mark.parametrize("text", ["1.0.0.1", "10.0.0.1", "192.168.1.222", "223.255.255.254", "240.0.0.1"])
def test_an_address_of_a_host_is_taken(text: str) -> None:
    assert values.host_address(packed(text)) == IPv4Address(text)


@pytest.mark.parametrize("raw", [b"", b"\x0a", b"\x0a\0\0", b"\x0a\0\0\1\0", packed("10.0.0.1", "10.0.0.2")])
def test_line_26_an_address_is_four_bytes(raw: bytes) -> None:
    assert values.address(raw) is None


def test_line_26_lists_of_addresses_are_a_multiple_of_four() -> None:
    assert values.host_addresses(packed("10.0.0.1", "10.0.0.2")) == (
        IPv4Address("10.0.0.1"),
        IPv4Address("10.0.0.2"),
    )
    assert values.host_addresses(packed("10.0.0.1") + b"\x0a") == ()
    assert values.host_addresses(b"") == ()


def test_fault_38_a_list_keeps_the_hosts_each_once() -> None:
    raw = packed("10.0.0.2", *NO_HOSTS, "10.0.0.1", "10.0.0.2")
    assert values.host_addresses(raw) == (IPv4Address("10.0.0.2"), IPv4Address("10.0.0.1"))


def test_fault_17_a_list_is_bounded() -> None:
    raw = b"".join(IPv4Address(0x0A000001 + n).packed for n in range(1000))
    assert len(values.host_addresses(raw)) == 64


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\0\0\0\1", 1),
        (b"\x80\0\0\0", 1 << 31),
        (b"\xff" * 4, values.ALL_ONES),
        (b"\0\0\1", None),
        (b"", None),
    ],
)
def test_line_26_times_are_four_unsigned_bytes(raw: bytes, expected: int | None) -> None:
    assert values.seconds(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\5\xdc", 1500),
        (b"\0\x44", 68),
        (b"\0\x43", None),
        (b"\0\0", None),
        (b"\5", None),
        (b"\0\5\xdc", None),
    ],
)
def test_line_26_an_mtu_below_68_is_ignored(raw: bytes, expected: int | None) -> None:
    assert values.mtu(raw) == expected


@pytest.mark.parametrize("prefix", range(1, 33))
def test_line_29_every_mask_gives_its_prefix_length(prefix: int) -> None:
    mask = IPv4Network((0, prefix)).netmask
    assert values.prefix_length(mask.packed) == prefix


@pytest.mark.parametrize("mask", ["255.0.255.0", "0.255.255.255", "255.255.255.253", "0.0.0.1", "0.0.0.0"])
def test_line_29_a_mask_with_holes_is_none(mask: str) -> None:
    assert values.prefix_length(packed(mask)) is None


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("10.1.2.3", 8),
        ("127.255.0.1", 8),
        ("128.0.0.1", 16),
        ("191.9.9.9", 16),
        ("192.0.2.1", 24),
        ("223.1.1.1", 24),
        ("224.0.0.1", 32),
        ("240.0.0.1", 32),
    ],
)
def test_line_29_the_class_gives_the_prefix_length(address: str, prefix: int) -> None:
    assert values.classful_prefix(IPv4Address(address)) == prefix


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain", "plain"),
        (b"cut\0\0", "cut"),
        ("grüße".encode(), "grüße"),
        (b"", None),
        (b"\0", None),
        (b"in\0side", None),
        (b"line\nbreak", None),
        (b"\x1b[31mred", None),
        (b"tab\there", None),
        ("\u202eright to left".encode(), None),
        (b"\xff\xfe", None),
        (b"x" * 1024, "x" * 1024),
        (b"x" * 1025, None),
    ],
)
def test_line_28_text_has_no_control_characters(raw: bytes, expected: str | None) -> None:
    assert values.text(raw) == expected


def test_line_26_classless_routes_are_width_destination_and_router() -> None:
    raw = (
        b"\0"
        + packed("10.0.0.1")
        + b"\x18\xc0\0\2"
        + packed("10.0.0.2")
        + b"\x20\xc6\x33\x64\1"
        + packed("10.0.0.3")
    )
    assert values.classless_routes(raw) == (
        route("0.0.0.0/0", "10.0.0.1"),
        route("192.0.2.0/24", "10.0.0.2"),
        route("198.51.100.1/32", "10.0.0.3"),
    )


@pytest.mark.parametrize("width", range(33))
def test_line_26_a_destination_has_as_many_bytes_as_its_width_needs(width: int) -> None:
    network = IPv4Network((0xC0A80101, width), strict=False)
    raw = bytes((width,)) + network.network_address.packed[: -(-width // 8)] + packed("10.0.0.1")
    assert values.classless_routes(raw) == (Route(network, IPv4Address("10.0.0.1")),)


def test_line_27_router_zero_is_on_link() -> None:
    assert values.classless_routes(b"\x18\xc0\0\2" + bytes(4)) == (route("192.0.2.0/24", None),)


def test_line_26_host_bits_of_a_destination_are_cleared() -> None:
    assert values.classless_routes(b"\x14\x0a\xff\xff" + packed("10.0.0.1")) == (
        route("10.255.240.0/20", "10.0.0.1"),
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x21" + bytes(9),
        b"\xff" + bytes(40),
        b"\x18\xc0\0\2" + bytes(3),
        b"\0" + bytes(4) + b"\x08",
        b"\x18",
    ],
)
def test_line_26_a_list_of_routes_that_does_not_add_up_is_no_option(raw: bytes) -> None:
    assert values.classless_routes(raw) is None


@pytest.mark.parametrize("router", ["127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.1"])
def test_fault_38_a_route_over_something_that_is_no_host_is_left_out(router: str) -> None:
    raw = b"\0" + packed(router) + b"\x08\x0a" + packed("10.0.0.1")
    assert values.classless_routes(raw) == (route("10.0.0.0/8", "10.0.0.1"),)


def test_fault_38_loopback_is_never_routed_away() -> None:
    assert values.classless_routes(b"\x08\x7f" + packed("10.0.0.1")) == ()
    assert values.static_routes(packed("127.0.0.0", "10.0.0.1")) == ()


def test_the_first_route_to_a_destination_counts() -> None:
    raw = b"\0" + packed("10.0.0.1") + b"\0" + packed("10.0.0.2")
    assert values.classless_routes(raw) == (route("0.0.0.0/0", "10.0.0.1"),)


def test_fault_17_routes_are_bounded() -> None:
    many = b"".join(b"\x20" + IPv4Address(0x0A000000 + n).packed + packed("10.0.0.1") for n in range(5000))
    found = values.classless_routes(many)
    assert found is not None
    assert len(found) == 256


def test_line_26_static_routes_are_pairs_and_zero_is_no_destination() -> None:
    raw = packed("0.0.0.0", "10.0.0.9", "192.0.2.0", "10.0.0.1", "10.0.0.0", "10.0.0.2")
    assert values.static_routes(raw) == (route("192.0.2.0/24", "10.0.0.1"), route("10.0.0.0/8", "10.0.0.2"))


def test_a_static_route_with_host_bits_is_one_host() -> None:
    assert values.static_routes(packed("192.0.2.7", "10.0.0.1")) == (route("192.0.2.7/32", "10.0.0.1"),)


def test_line_26_static_routes_are_a_multiple_of_eight() -> None:
    assert values.static_routes(packed("192.0.2.0", "10.0.0.1", "10.0.0.2")) == ()


def test_fault_38_a_static_route_needs_a_host_as_router() -> None:
    assert values.static_routes(packed("192.0.2.0", "0.0.0.0")) == ()


def test_line_29_option_125_is_read_within_its_bounds() -> None:
    raw = b"\0\0\x11\x8b\3abc" + b"\0\0\0\x09\1x" + b"\0\0\x11\x8b\1d" + b"\0\0\0\1\xffcut"
    assert values.vendor_identifying(raw) == {4491: b"abcd", 9: b"x"}
    assert values.vendor_identifying(b"\0\0\0") == {}
    assert values.vendor_identifying(b"\0\0\0\1\2xy" + b"\0\0\0\2\0") == {1: b"xy", 2: b""}
    assert values.vendor_identifying(b"\0\0\0\1\2xy") == {1: b"xy"}


DECODERS = [
    values.address,
    values.host_address,
    values.host_addresses,
    values.seconds,
    values.mtu,
    values.prefix_length,
    values.text,
    values.classless_routes,
    values.static_routes,
    values.vendor_identifying,
]


@given(st.binary(max_size=300))
def test_line_44_no_bytes_make_a_decoder_raise(raw: bytes) -> None:
    for decode in DECODERS:
        decode(raw)  # type: ignore[operator]


@given(
    st.lists(
        st.tuples(st.integers(0, 32), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF)), max_size=20
    )
)
def test_classless_routes_never_hold_an_illegal_gateway(routes: list[tuple[int, int, int]]) -> None:
    raw = b"".join(
        bytes((width,)) + IPv4Address(to).packed[: (width + 7) // 8] + IPv4Address(over).packed
        for width, to, over in routes
    )
    for found in values.classless_routes(raw) or ():
        assert found.gateway is None or values.is_host(found.gateway)
        assert not found.destination.network_address.is_loopback
