"""One rtnetlink conversation, with a kernel that says what the test wants (FAULTS.md 36)."""

from __future__ import annotations

import errno
import struct

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel import messages
from hooknet.kernel.netlink import HEADER, NETLINK_GET_STRICT_CHK, Netlink, NetlinkRefusal, parse

NEWLINK, ERROR, DONE = 16, 2, 3
INTERRUPTED, TEXT_FOLLOWS = 0x10, 0x200


def message(kind, number, body=b"", flags=2):
    return HEADER.pack(HEADER.size + len(body), kind, flags, number, 0) + body


def link(number, index, flags=2):
    return message(NEWLINK, number, struct.pack("=BBHiII", 0, 0, 1, index, 1, 0), flags)


def ack(number, code=0, text=""):
    attribute = struct.pack("=HH", 4 + len(text) + 1, 1) + text.encode() + b"\0" if text else b""
    return message(
        ERROR, number, struct.pack("=i", -code) + bytes(16) + attribute, TEXT_FOLLOWS if text else 0
    )


def done(number, code=0):
    return message(DONE, number, struct.pack("=i", -code))


class Wire:
    """A socket whose answers are a list of datagrams or errors; every connection takes its own list."""

    def __init__(self, answers) -> None:
        self.answers = list(answers)
        self.sent = []
        self.options = []
        self.is_closed = False

    def send(self, data) -> None:
        self.sent.append(data)

    def setsockopt(self, _level, option, _value) -> None:
        self.options.append(option)

    def recv(self, _size):
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def kernel(monkeypatch):
    """Call it with one list of answers per connection; returns the conversation and its connections."""

    def talk(*connections):
        wires = [Wire(answers) for answers in connections]
        left = list(wires)
        monkeypatch.setattr(Netlink, "connect", staticmethod(lambda: left.pop(0)))
        return Netlink(), wires

    return talk


def indices(found):
    return [one.index for one in found]


def test_a_dump_that_comes_in_several_datagrams_is_put_together(kernel) -> None:
    netlink, (wire,) = kernel([link(1, 1) + link(1, 2), link(1, 3), done(1)])
    assert indices(netlink.dump(messages.get_links())) == [1, 2, 3]
    assert wire.options == [NETLINK_GET_STRICT_CHK]  # else the kernel would tell more than was asked for


def test_answers_to_somebody_elses_question_are_not_taken(kernel) -> None:
    netlink, _ = kernel([link(99, 7) + link(1, 1), done(99), done(1)])
    assert indices(netlink.dump(messages.get_links())) == [1]


@pytest.mark.parametrize(
    "spoilt",
    [
        [link(1, 1), link(1, 2, INTERRUPTED), done(1)],
        [link(1, 1), message(DONE, 1, struct.pack("=i", 0), INTERRUPTED)],
        [link(1, 1), done(1, errno.EINTR)],
        [link(1, 1), OSError(errno.ENOBUFS, "No buffer space available")],
        [ack(1, errno.EINTR)],
    ],
    ids=["in the middle", "at the end", "EINTR", "ENOBUFS", "refused with EINTR"],
)
def test_fault_36_a_dump_that_can_not_be_trusted_is_made_again(kernel, spoilt) -> None:
    netlink, wires = kernel(spoilt, [link(2, 5), done(2)])
    assert indices(netlink.dump(messages.get_links())) == [5]
    assert wires[0].is_closed


def test_fault_36_a_dump_that_is_never_whole_ends_in_words(kernel) -> None:
    netlink, wires = kernel(*[[link(n, 1, INTERRUPTED), done(n)] for n in range(1, 6)], [])
    with pytest.raises(HooknetError) as caught:
        netlink.dump(messages.get_links())
    assert caught.value.kind is Kind.IO
    assert sum(len(wire.sent) for wire in wires) == 5


def test_a_refused_dump_is_not_tried_again(kernel) -> None:
    netlink, wires = kernel([done(1, errno.ENOENT)])
    with pytest.raises(NetlinkRefusal) as caught:
        netlink.dump(messages.get_links())
    assert caught.value.errno == errno.ENOENT
    assert len(wires) == 1


def test_changes_leave_in_one_datagram_and_each_has_its_answer(kernel) -> None:
    netlink, wires = kernel([ack(1), ack(2, errno.EEXIST) + ack(3)])
    requests = [messages.set_link(2, up=True), messages.set_link(2, mtu=1400), messages.del_link(2)]
    answers = netlink.attempt(requests)
    assert [answer and answer.errno for answer in answers] == [None, errno.EEXIST, None]
    assert len(wires[0].sent) == 1


def test_the_kernels_own_words_are_kept(kernel) -> None:
    netlink, _ = kernel([ack(1, errno.EINVAL, "Nexthop has invalid gateway")])
    with pytest.raises(NetlinkRefusal, match="Nexthop has invalid gateway"):
        netlink.change(messages.del_link(2))


def test_without_words_of_its_own_the_refusal_is_the_errors_name(kernel) -> None:
    netlink, _ = kernel([ack(1, errno.ENODEV)])
    with pytest.raises(NetlinkRefusal, match="No such device"):
        netlink.get(messages.get_link("eth0"))


def test_nothing_to_change_asks_nothing(kernel) -> None:
    netlink, wires = kernel([])
    assert netlink.attempt([]) == []
    assert wires[0].sent == []


def test_a_notification_of_another_kind_is_passed_over() -> None:
    assert [kind for kind, _ in parse(message(99, 0) + link(0, 4))] == [NEWLINK]


def test_a_truncated_notification_ends_the_reading() -> None:
    assert list(parse(b"\0" * 20)) == []
