"""hooknet.podman.lines: whole lines, whatever the chunks, and never more than the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hooknet.podman.lines import LineSplitter


def test_a_line_may_come_in_pieces():
    lines = LineSplitter()
    assert lines.feed(b'{"a"') == []
    assert lines.feed(b":1}\n{") == [b'{"a":1}']
    assert lines.feed(b"}\n\n \n") == [b"{}"]


def test_a_line_that_is_too_long_is_skipped_to_its_end():
    lines = LineSplitter(longest=4)
    assert lines.feed(b"12345") == []
    assert lines.feed(b"67890" * 100) == []
    assert lines.feed(b"tail\nok\n") == [b"ok"]
    assert lines.discarded == 1


def test_a_too_long_line_within_one_chunk_hurts_no_other():
    lines = LineSplitter(longest=4)
    assert lines.feed(b"a\nbbbbb\nc\n") == [b"a", b"c"]
    assert lines.discarded == 1


def test_a_line_of_exactly_the_limit_is_read():
    assert LineSplitter(longest=4).feed(b"1234\n") == [b"1234"]


@given(st.binary(max_size=200), st.lists(st.integers(1, 20), min_size=1))
def test_the_chunks_do_not_matter(data, sizes):
    lines, found, at = LineSplitter(longest=30), [], 0
    for turn in range(len(data)):
        size = sizes[turn % len(sizes)]
        found += lines.feed(data[at : at + size])
        at += size
    whole = data.split(b"\n")[:-1]
    assert found == [line for line in whole if line.strip() and len(line) <= 30]
