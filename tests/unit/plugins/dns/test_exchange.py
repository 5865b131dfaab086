"""Updates over TCP to servers that are down, slow, wrong or lying: each is named; nothing unsigned is believed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest

from hooknet_dns.exchange import Clock, Line, QuietKey, UndeliveredError
from hooknet_dns.keys import KeySource
from hooknet_dns.settings import Server, Upstream

SECRET = b"0123456789abcdef"
KEY = dns.tsig.Key("k", SECRET, "hmac-sha256")
Answer = Callable[[bytes], bytes | None]


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    """A server on the loopback that answers each message by `answer`; None hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
        thread.start()
        yield Server("127.0.0.1", listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def serve(listener: socket.socket, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
            reply = answer(connection.recv(length, socket.MSG_WAITALL))
            if reply is not None:
                connection.sendall(reply)


def replying(rcode: dns.rcode.Rcode, *, key: dns.tsig.Key | None = KEY, error: int = 0) -> Answer:
    """An honest server that answers `rcode`, signed with `key`."""

    def answer(wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire, keyring=KEY)
        reply = dns.message.make_response(asked)
        reply.set_rcode(rcode)
        if key is None:
            reply.tsig = None
            reply.want_tsig_sign = False
        else:
            reply.use_tsig(key, original_id=asked.id, tsig_error=error)
            reply.request_mac = asked.mac
        return framed(reply.to_wire())

    return answer


def framed(wire: bytes) -> bytes:
    return len(wire).to_bytes(2, "big") + wire


@pytest.fixture
def key_file(tmp_path: Path) -> KeySource:
    path = tmp_path / "key"
    path.write_text("k:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZg==\n", encoding="utf-8")
    path.chmod(0o600)
    return KeySource(path)


class Asking:
    """Sends the same update to some servers."""

    def __init__(self, key: KeySource | None, *servers: Server, timeout: float = 2.0) -> None:
        self.upstream = Upstream(servers, key)
        self.timeout = timeout
        self.best: dict[Upstream, Server] = {}

    def __call__(self) -> dns.rcode.Rcode:
        update = dns.update.UpdateMessage("lan.example")
        update.absent("web")
        return Line.to("lan.example", self.upstream, Clock.start(self.timeout), self.best).ask(update)

    def failure(self) -> UndeliveredError:
        with pytest.raises(UndeliveredError) as caught:
            self()
        return caught.value


def closed_port() -> Server:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Server("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize("rcode", [dns.rcode.NOERROR, dns.rcode.YXDOMAIN, dns.rcode.NXRRSET])
def test_a_prerequisites_answer_is_an_answer(key_file: KeySource, rcode: dns.rcode.Rcode) -> None:
    with serving(replying(rcode)) as server:
        assert Asking(key_file, server)() == rcode


def test_without_a_key_an_unsigned_answer_will_do() -> None:
    def answer(wire: bytes) -> bytes:
        return framed(dns.message.make_response(dns.message.from_wire(wire)).to_wire())

    with serving(answer) as server:
        assert Asking(None, server)() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (replying(dns.rcode.REFUSED), "refuses the update: allow this key"),
        (replying(dns.rcode.NOTAUTH), "is not the primary of this zone"),
        (replying(dns.rcode.NOTAUTH, key=None), "is not the primary of this zone"),
        (replying(dns.rcode.NOTZONE), "outside of this zone"),
        (replying(dns.rcode.SERVFAIL), "says SERVFAIL"),
        (replying(dns.rcode.NOERROR, key=None), "gave an answer without a signature"),
        (
            replying(dns.rcode.NOERROR, key=dns.tsig.Key("k", b"another", "hmac-sha256")),
            "signs with another secret",
        ),
        (
            replying(dns.rcode.NOTAUTH, error=dns.rcode.BADSIG),
            "has another secret or algorithm for the key k",
        ),
        (replying(dns.rcode.NOTAUTH, error=dns.rcode.BADKEY), "does not know the key k"),
        (replying(dns.rcode.NOTAUTH, error=dns.rcode.BADTIME), "has another time of day"),
        (lambda _: None, "closed the connection without an answer"),
        (lambda _: framed(b"\0" * 5), "gave an answer that makes no sense"),
        (lambda wire: framed(b"\xff\xff" + wire[2:]), "makes no sense|another question|signs with"),
        (lambda _: b"\xff\xff", "closed the connection"),
    ],
)
def test_an_answer_that_is_none_is_named(key_file: KeySource, answer: Answer, why: str) -> None:
    with serving(answer) as server:
        failure = Asking(key_file, server).failure()
    assert f"zone lan.example: {server} " in str(failure)
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(str(failure))


def test_a_server_that_is_down_is_named() -> None:
    server = closed_port()
    assert f"{server} can't be reached: Connection refused" in str(Asking(None, server).failure())


def test_a_server_that_says_nothing_costs_its_time_and_no_more(key_file: KeySource) -> None:
    released = threading.Event()
    with serving(lambda _: released.wait(5) and None) as server:
        began = time.monotonic()
        failure = Asking(key_file, server, timeout=0.2).failure()
        assert 0.15 < time.monotonic() - began < 2
        released.set()
    assert "did not answer in time" in str(failure)


def test_a_server_that_drips_costs_its_time_and_no_more(key_file: KeySource) -> None:
    """Each byte arrives in time; the whole never does."""

    def drip() -> None:
        with listener.accept()[0] as connection, suppress(OSError):
            while not closing.wait(0.05):
                connection.sendall(b"\x7f")

    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        failure = Asking(key_file, Server("127.0.0.1", listener.getsockname()[1]), timeout=0.3).failure()
        assert time.monotonic() - began < 2
        closing.set()
        thread.join(5)
    assert "did not answer in time" in str(failure)


def test_the_next_server_is_asked_and_stays_the_first_one(key_file: KeySource) -> None:
    asked: list[bytes] = []

    def answer(wire: bytes) -> bytes | None:
        asked.append(wire)
        return replying(dns.rcode.NOERROR)(wire)

    with serving(lambda _: None) as bad, serving(answer) as good:
        asking = Asking(key_file, bad, good)
        assert asking() == dns.rcode.NOERROR
        assert asking.best == {asking.upstream: good}
        line = Line.to("lan.example", asking.upstream, Clock.start(1), asking.best)
        assert line.in_order() == [good, bad]
    assert len(asked) == 1


def test_all_servers_that_fail_are_named(key_file: KeySource) -> None:
    one = closed_port()
    with serving(replying(dns.rcode.REFUSED)) as two:
        failure = Asking(key_file, one, two).failure()
    assert f"{one} can't be reached" in str(failure)
    assert f"{two} refuses the update" in str(failure)


def test_a_refusal_counts_as_one_only_where_every_server_refuses(key_file: KeySource) -> None:
    with serving(replying(dns.rcode.NOTAUTH)) as wrong, serving(replying(dns.rcode.REFUSED)) as refusing:
        assert Asking(key_file, wrong, wrong).failure().no_such_zone
        assert Asking(key_file, wrong, refusing).failure().refused
        assert not Asking(key_file, wrong, refusing).failure().no_such_zone
        assert not Asking(key_file, refusing, closed_port()).failure().refused


@pytest.mark.parametrize("error", [dns.rcode.BADKEY, dns.rcode.BADSIG])
def test_a_wrong_key_is_no_refusal_of_the_zone(key_file: KeySource, error: dns.rcode.Rcode) -> None:
    with serving(replying(dns.rcode.NOTAUTH, error=error)) as server:
        failure = Asking(key_file, server).failure()
    assert not failure.refused
    assert not failure.no_such_zone


def test_a_key_that_can_not_be_read_is_trouble_like_any_other(key_file: KeySource) -> None:
    assert key_file.file is not None
    key_file.file.chmod(0o644)
    failure = Asking(key_file, closed_port()).failure()
    assert "chmod 600" in str(failure)
    assert not failure.refused


def test_dnspythons_key_does_not_show_its_secret() -> None:
    assert "MDEy" not in repr(QuietKey("k", SECRET, "hmac-sha256"))


def test_servers_share_what_time_there_is() -> None:
    clock = Clock(timeout=3.0, until=time.monotonic() + 8.0)
    assert clock.share(1) == 3.0
    assert 1.5 < clock.share(5) < 1.6
