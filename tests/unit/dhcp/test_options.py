"""hooknet.dhcp.options: lines 1, 23, 24 and 25 of the checklist; RFC 2131 section 4.1, RFC 2132, RFC 3396."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import options as opt
from hooknet.dhcp.options import Code

OVERLOAD_FILE = bytes((52, 1, 1))
OVERLOAD_SNAME = bytes((52, 1, 2))
OVERLOAD_BOTH = bytes((52, 1, 3))
END = b"\xff"

CODES = st.integers(1, 254).filter(lambda code: code != Code.OVERLOAD)
OPTIONS = st.dictionaries(CODES, st.binary(max_size=700), max_size=12)


def tlv(code: int, value: bytes) -> bytes:
    return bytes((code, len(value))) + value


def options_of(main: bytes, file: bytes = b"", sname: bytes = b"") -> dict[int, bytes]:
    return opt.aggregate(main, file, sname)[0]


@pytest.mark.parametrize(
    ("overload", "expected"),
    [
        (OVERLOAD_FILE, {12: b"m", 15: b"f"}),
        (OVERLOAD_SNAME, {12: b"m", 15: b"s"}),
        (OVERLOAD_BOTH, {12: b"m", 15: b"fs"}),
        (b"", {12: b"m"}),
    ],
)
def test_line_23_overload_adds_file_and_then_sname(overload: bytes, expected: dict[int, bytes]) -> None:
    main = overload + tlv(12, b"m") + END
    assert options_of(main, tlv(15, b"f") + END, tlv(15, b"s") + END) == expected


def test_line_23_options_come_in_the_order_main_file_sname() -> None:
    main = tlv(12, b"m") + OVERLOAD_BOTH + END
    assert list(options_of(main, tlv(15, b"f"), tlv(6, b"s"))) == [12, 15, 6]


def test_line_23_overload_inside_an_overloaded_field_is_ignored() -> None:
    found, said = opt.aggregate(OVERLOAD_FILE + END, OVERLOAD_SNAME + tlv(15, b"f"), tlv(6, b"s"))
    assert (found, said) == ({15: b"f"}, 1)


@pytest.mark.parametrize("value", [b"", b"\0", b"\4", b"\xff", b"\1\1", b"\3\0"])
def test_line_23_an_overload_that_is_not_1_2_or_3_is_ignored(value: bytes) -> None:
    assert options_of(tlv(52, value) + tlv(12, b"m"), tlv(15, b"f"), tlv(6, b"s")) == {12: b"m"}


def test_line_23_two_overloads_are_one_of_two_bytes_and_ignored() -> None:
    assert options_of(OVERLOAD_FILE + OVERLOAD_SNAME, tlv(15, b"f"), tlv(6, b"s")) == {}


def test_line_23_each_field_ends_at_its_own_end() -> None:
    main = OVERLOAD_BOTH + END + tlv(12, b"after end")
    assert options_of(main, tlv(15, b"f") + END + tlv(16, b"x"), tlv(6, b"s")) == {15: b"f", 6: b"s"}


def test_line_24_instances_are_joined_over_the_whole_aggregate_in_order() -> None:
    main = tlv(119, b"one ") + tlv(12, b"h") + tlv(119, b"two ") + OVERLOAD_BOTH + END
    joined = options_of(main, tlv(119, b"three ") + END, tlv(119, b"four") + END)
    assert joined == {119: b"one two three four", 12: b"h"}


def test_line_24_an_option_of_length_zero_is_there() -> None:
    assert options_of(tlv(80, b"")) == {80: b""}


@pytest.mark.parametrize("rest", [b"\x0f", b"\x0f\x05abcd", b"\x0f\xff"])
def test_line_25_a_value_that_overruns_ends_its_field_and_keeps_what_was_before(rest: bytes) -> None:
    assert options_of(tlv(12, b"kept") + rest) == {12: b"kept"}


def test_line_25_an_overrun_in_main_does_not_stop_file_and_sname() -> None:
    main = OVERLOAD_BOTH + b"\x0f\x05abcd"
    assert options_of(main, tlv(15, b"f") + b"\x06\x08", tlv(6, b"s")) == {15: b"f", 6: b"s"}


def test_line_25_a_missing_end_is_accepted() -> None:
    assert options_of(tlv(12, b"h")) == {12: b"h"}


def test_line_25_data_after_end_is_ignored() -> None:
    assert options_of(tlv(12, b"h") + END + tlv(15, b"d")) == {12: b"h"}


def test_line_25_padding_between_options_is_allowed() -> None:
    assert options_of(b"\0" + tlv(12, b"h") + b"\0\0\0" + tlv(15, b"d") + b"\0") == {12: b"h", 15: b"d"}


def test_line_1_the_field_is_closed_by_end() -> None:
    assert opt.pack({53: b"\1"}) == b"\x35\x01\x01\xff"


def test_rfc_3396_a_long_value_is_split_into_consecutive_instances() -> None:
    packed = opt.pack({61: b"x" * 300, 12: b"h"})
    assert packed == tlv(61, b"x" * 255) + tlv(61, b"x" * 45) + tlv(12, b"h") + END


@pytest.mark.parametrize("code", [0, 52, 255, 256, -1])
def test_a_code_that_can_be_no_option_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"^{code} is not the code of an option"):
        opt.pack({code: b""})


@given(OPTIONS)
def test_what_is_packed_is_found_again_in_the_same_order(options: dict[int, bytes]) -> None:
    found = options_of(opt.pack(options))
    assert list(found.items()) == list(options.items())


@given(OPTIONS, st.data())
def test_a_cut_anywhere_leaves_a_prefix_of_the_options(
    options: dict[int, bytes], data: st.DataObject
) -> None:
    packed = opt.pack(options)
    cut = packed[: data.draw(st.integers(0, len(packed)))]
    for code, value in options_of(cut).items():
        assert options[code].startswith(value)


@given(st.binary(max_size=600), st.binary(max_size=128), st.binary(max_size=64))
def test_no_bytes_raise_and_nothing_is_invented(main: bytes, file: bytes, sname: bytes) -> None:
    found, overloaded = opt.aggregate(main, file, sname)
    assert overloaded in {0, 1, 2, 3}
    assert not opt.FRAMING & found.keys()
    assert sum(2 + len(value) for value in found.values()) <= len(main) + len(file) + len(sname)


def test_fault_17_the_largest_possible_field_of_tiny_instances_is_joined_once() -> None:
    """64 KiB of one-byte instances: joined one by one this would copy half a gigabyte."""
    assert options_of(tlv(12, b"x") * 21_000) == {12: b"x" * 21_000}


def test_the_codes_are_those_of_the_rfcs() -> None:
    """By hand, against the registry: the names are used wherever the numbers matter."""
    assert {code.name: code.value for code in Code} == {
        "PAD": 0,
        "SUBNET_MASK": 1,
        "ROUTER": 3,
        "DNS": 6,
        "HOSTNAME": 12,
        "DOMAIN": 15,
        "MTU": 26,
        "BROADCAST": 28,
        "STATIC_ROUTE": 33,
        "NTP": 42,
        "REQUESTED_ADDRESS": 50,
        "LEASE_TIME": 51,
        "OVERLOAD": 52,
        "MESSAGE_TYPE": 53,
        "SERVER_ID": 54,
        "PARAMETERS": 55,
        "TEXT": 56,
        "MAX_SIZE": 57,
        "T1": 58,
        "T2": 59,
        "VENDOR_CLASS": 60,
        "CLIENT_ID": 61,
        "USER_CLASS": 77,
        "RAPID_COMMIT": 80,
        "FQDN": 81,
        "RELAY_AGENT": 82,
        "V6ONLY": 108,
        "SEARCH": 119,
        "CLASSLESS_ROUTE": 121,
        "MICROSOFT_ROUTE": 249,
        "END": 255,
    }
