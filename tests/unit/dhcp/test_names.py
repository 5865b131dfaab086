"""hooknet.dhcp.names: lines 9, 28 and 29 of the checklist; RFC 1035, 3397, 4702; fault 38."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooknet.dhcp import names

LDH = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)

HOSTILE = [
    "",
    ".",
    "a..b",
    ".a",
    "-a",
    "a-",
    "a b",
    "a_b",
    "a\nnameserver 6.6.6.6",
    "$(reboot)",
    "`id`",
    "a;b",
    "../../etc/passwd",
    "a/b",
    'a"b',
    "a\0b",
    "bücher",
    "*",
    "a" * 64,
    ".".join(["a" * 63] * 4),
]


def wire(*labels: bytes) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels)


@pytest.mark.parametrize("text", ["a", "web-1", "web.example.org", "1.2.3.4", "A.B", "a" * 63, "x.lan"])
def test_line_28_letters_digits_and_hyphens_are_a_name(text: str) -> None:
    assert names.name(text) == text


def test_the_closing_dot_is_cut_off() -> None:
    assert names.name("example.org.") == "example.org"


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_38_what_is_not_a_name_is_refused(text: str) -> None:
    assert names.name(text) is None
    assert names.host_name(text.encode()) is None


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_38_no_hostile_domain_gets_through(text: str) -> None:
    for found in names.domain_names(text.encode()):
        assert LDH.fullmatch(found)


@pytest.mark.parametrize("label", [one.encode() for one in HOSTILE if 0 < len(one) < 64 and "." not in one])
def test_fault_38_a_hostile_entry_of_a_search_list_is_left_out(label: bytes) -> None:
    raw = wire(label, b"example") + b"\0" + wire(b"good") + b"\0"
    assert names.search_list(raw) == ("good",)


def test_a_dot_inside_a_label_does_not_make_two_labels_of_it() -> None:
    assert names.search_list(wire(b"a.b") + b"\0") == ()


def test_line_29_option_15_may_hold_several_names() -> None:
    assert names.domain_names(b"example.org corp.example.org,lan\0") == (
        "example.org",
        "corp.example.org",
        "lan",
    )


def test_line_28_a_control_character_makes_the_whole_domain_option_absent() -> None:
    assert names.domain_names(b"example.org\nnameserver 6.6.6.6") == ()


def test_line_28_trailing_nuls_of_a_host_name_are_cut_off() -> None:
    assert names.host_name(b"web\0\0") == "web"


def test_rfc_3397_its_own_example_is_decompressed() -> None:
    """RFC 3397 section 3: eng.apple.com. and marketing.apple.com., the second ending in a pointer to 4."""
    raw = wire(b"eng", b"apple", b"com") + b"\0" + wire(b"marketing") + b"\xc0\x04"
    assert names.search_list(raw) == ("eng.apple.com", "marketing.apple.com")


def test_line_28_pointers_may_be_chained_backwards() -> None:
    raw = wire(b"com") + b"\0" + wire(b"apple") + b"\xc0\x00" + wire(b"eng") + b"\xc0\x05"
    assert names.search_list(raw) == ("com", "apple.com", "eng.apple.com")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xc0\x00", id="to itself"),
        pytest.param(wire(b"a") + b"\xc0\x00", id="to its own begin"),
        pytest.param(wire(b"a") + b"\xc0\x02", id="to the pointer"),
        pytest.param(b"\xc0\x02" + wire(b"a") + b"\0", id="forwards"),
        pytest.param(b"\xc0\x02\xc0\x00", id="two pointers in a circle"),
        pytest.param(wire(b"a") + b"\xff\xff", id="out of the option"),
        pytest.param(wire(b"a") + b"\xc0", id="half a pointer"),
        pytest.param(wire(b"a"), id="no end"),
        pytest.param(b"\x05ab", id="overrunning label"),
        pytest.param(b"\x40" + b"a" * 64 + b"\0", id="reserved label type 01"),
        pytest.param(b"\x80" + b"a" * 128 + b"\0", id="reserved label type 10"),
        pytest.param(wire(*[b"a" * 63] * 4) + b"\0", id="more than 255 bytes"),
    ],
)
def test_line_28_a_broken_search_list_is_an_absent_option(raw: bytes) -> None:
    assert names.read_name(raw, 0) is None
    assert names.search_list(raw) == ()


def test_line_28_what_is_broken_behind_a_good_name_makes_the_whole_option_absent() -> None:
    assert names.search_list(wire(b"good") + b"\0" + wire(b"cut")) == ()


def test_line_28_a_pointer_may_lead_far_back() -> None:
    filler = b"".join(wire(f"n{n:03}".encode()) + b"\0" for n in range(29))
    lan = len(filler) * 2
    raw = filler * 2 + wire(b"lan") + b"\0" + wire(b"web") + bytes((0xC0 | lan >> 8, lan & 0xFF))
    assert lan > 0xFF
    assert names.read_name(raw, lan + 5) == ([b"web", b"lan"], len(raw))


def test_line_28_a_name_may_be_255_bytes_on_the_wire_and_no_more() -> None:
    longest = [b"a" * 63] * 3 + [b"a" * 61]
    assert names.search_list(wire(*longest) + b"\0") == (b".".join(longest).decode(),)
    assert names.search_list(wire(b"good") + b"\0" + wire(*longest[:3], b"a" * 62) + b"\0") == ()


def test_fault_17_a_search_list_is_bounded() -> None:
    raw = b"".join(wire(f"n{n}".encode()) + b"\0" for n in range(500))
    assert len(names.search_list(raw)) == 32


def test_a_name_is_listed_once() -> None:
    assert names.search_list((wire(b"lan") + b"\0") * 3) == ("lan",)


@given(st.lists(NAMES, max_size=5, unique=True))
def test_a_search_list_without_compression_is_read_back(given_names: list[str]) -> None:
    raw = b"".join(wire(*name.encode().split(b".")) + b"\0" for name in given_names)
    assert names.search_list(raw) == tuple(given_names)


@given(st.binary(max_size=300))
def test_line_28_no_bytes_raise_loop_or_smuggle(raw: bytes) -> None:
    found = [*names.search_list(raw), *names.domain_names(raw), names.host_name(raw) or "x"]
    long = names.fqdn(raw)
    found.append((long.name if long else None) or "x")
    for one in found:
        assert LDH.fullmatch(one)
        assert len(one) <= names.MAX_NAME


@given(
    st.binary(min_size=1, max_size=200).map(
        lambda raw: bytes(b | 0xC0 if n % 2 else b for n, b in enumerate(raw))
    )
)
def test_line_28_nothing_but_pointers_ends(raw: bytes) -> None:
    assert len(names.search_list(raw)) <= names.MAX_NAMES


@pytest.mark.parametrize(
    ("container", "label"),
    [
        ("web", "web"),
        ("my_web.1", "my-web-1"),
        ("--web--", "web"),
        ("a" * 80, "a" * 63),
        ("a" * 62 + "_b", "a" * 62),
        ("___", None),
        ("", None),
    ],
)
def test_line_9_a_container_name_becomes_a_valid_label(container: str, label: str | None) -> None:
    assert names.host_label(container) == label


@given(st.text(max_size=100))
def test_line_9_whatever_becomes_a_label_is_one(text: str) -> None:
    label = names.host_label(text)
    assert label is None or (names.LABEL.fullmatch(label) and names.name(label) == label)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("shop", "shop"),
        ("shop.example.org", "shop.example.org"),
        ("my_app", "my-app"),
        ("a..b", "a-b"),
        ("-bad name-", "bad-name"),
        ("a" * 64, "a" * 63),
        ("___", None),
        ("", None),
    ],
)
def test_line_9_what_a_person_calls_a_host_is_sent_as_it_is_where_it_is_a_name(
    asked: str, sent: str | None
) -> None:
    assert names.asked_host_name(asked) == sent


def test_line_9_a_name_with_a_dot_is_complete_and_one_without_is_partial() -> None:
    assert names.wire_name("web.example.org") == wire(b"web", b"example", b"org") + b"\0"
    assert names.wire_name("web") == wire(b"web")


@given(NAMES)
def test_line_9_option_81_is_read_back(text: str) -> None:
    assert names.fqdn(bytes((names.FQDN_CANONICAL, 255, 255)) + names.wire_name(text)) == names.Fqdn(
        server_updates=False, no_updates=False, name=text
    )


def test_line_9_option_81_from_a_server_says_who_updates() -> None:
    assert names.fqdn(b"\x01\xff\xffweb.lan") == names.Fqdn(
        server_updates=True, no_updates=False, name="web.lan"
    )
    assert names.fqdn(b"\x0c\0\0" + wire(b"web")) == names.Fqdn(
        server_updates=False, no_updates=True, name="web"
    )


@pytest.mark.parametrize("raw", [b"", b"\x04\0"])
def test_line_24_option_81_without_its_fixed_part_is_absent(raw: bytes) -> None:
    assert names.fqdn(raw) is None


@pytest.mark.parametrize("name", [b"\xc0\x00", wire(b"a") + b"\0" + wire(b"b"), b"\x05ab", b"", b"\0"])
def test_line_9_a_name_in_option_81_is_never_compressed_and_only_one(name: bytes) -> None:
    found = names.fqdn(b"\x04\0\0" + name)
    assert found is not None
    assert found.name is None
