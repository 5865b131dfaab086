import pytest
from cni_calls import code_or_none
from hypothesis import given
from hypothesis import strategies as st

from hooknet.cni.envelope import (
    LARGEST_HEAD,
    LARGEST_STDIN,
    encode_answer,
    encode_request,
    parse_body,
    parse_header,
    parse_tombstone,
)
from hooknet.errors import HooknetError

TEXT = st.text(st.characters(blacklist_characters="\0=", blacklist_categories=["Cs"]), min_size=1)


@given(
    args=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    env=st.dictionaries(TEXT.map(lambda key: f"CNI_{key}"), TEXT, max_size=5),
    stdin=st.binary(),
)
def test_what_is_encoded_is_read_back(args, env, stdin):
    head, newline, body = encode_request(args, env, stdin).partition(b"\n")
    found = parse_body(parse_header(head + newline), body)
    assert (found.args, found.env, found.stdin) == (args, env, stdin)
    assert found.plugin == args[0]


def test_only_cni_variables_get_in():
    raw = encode_request(("hooknet",), {"CNI_COMMAND": "ADD", "HOOKNET_SOCKET": "/evil", "PATH": "/"}, b"")
    head, newline, body = raw.partition(b"\n")
    assert parse_body(parse_header(head + newline), body).env == {"CNI_COMMAND": "ADD"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"hooknet/2 1 1 1\n",
        b"hooknet/1 1 1\n",
        b"hooknet/1 -1 1 1\n",
        b"hooknet/1 1 1 1",
        b"hooknet/1 1 1 1 \n",
        b"CONNECT /_goRPC_ HTTP/1.0\n",
        b"hooknet/1 99999999 1 1\n",
        b"hooknet/1 %d 1 1\n" % LARGEST_HEAD,
        b"hooknet/1 1 1 %d\n" % (LARGEST_STDIN + 1),
    ],
)
def test_what_is_no_header_or_asks_too_much_is_refused(line):
    with pytest.raises(HooknetError) as caught:
        parse_header(line)
    assert caught.value.code == 6


def test_a_request_must_say_which_plugin_was_run():
    with pytest.raises(HooknetError):
        parse_body(parse_header(b"hooknet/1 0 0 0\n"), b"")


def test_an_answer_is_exit_code_and_stdout():
    assert encode_answer(1, b'{"code":7}\n') == b'hooknet/1 1 11\n{"code":7}\n'


DEL = encode_request(("hooknet",), {"CNI_COMMAND": "DEL"}, b"{}")


def test_a_tombstone_says_when_and_which_netns():
    found = parse_tombstone(b"tombstone/1 1700000000500000000 4 4026532001\n" + DEL)
    assert (found.at, found.netns) == (1700000000.5, (4, 4026532001))
    assert found.envelope.env == {"CNI_COMMAND": "DEL"}


def test_a_tombstone_may_not_know_the_netns():
    assert parse_tombstone(b"tombstone/1 1 0 0\n" + DEL).netns is None


@given(
    st.binary()
    | st.binary().map(lambda tail: b"tombstone/1 1 0 0\n" + tail)
    | st.integers(0, len(DEL) - 1).map(lambda cut: b"tombstone/1 1 0 0\n" + DEL[:cut])
)
def test_a_broken_tombstone_is_a_hooknet_error_and_nothing_else(raw):
    assert code_or_none(parse_tombstone, raw) in {None, 6}
