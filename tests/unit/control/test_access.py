"""Who may do what on the control socket, and how much of it: each test breaks a sentence of `access`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import control_fakes as fakes
import pytest

from hooknet.frontends.control.access import Limits
from hooknet.logids import LogId

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES = ["/v1/reload", "/v1/reconcile", "/v1/plugins/dns/enable", "/v1/plugins/dns/disable"]
READINGS = [
    "/v1/leases",
    "/v1/leases/web",
    "/v1/status",
    "/v1/plugins",
    "/metrics",
    "/v1/events?follow=false",
]


@pytest.fixture
def stranger(serve: Any) -> Iterator[Any]:
    """A daemon whose owner is somebody else."""
    with serve(owner=os.getuid() + 1) as api:
        yield api


@pytest.mark.parametrize("path", CHANGES)
def test_who_is_not_the_owner_changes_nothing(stranger: Any, ask: Any, path: Any) -> None:
    status, answer = ask(stranger, "POST", path)
    assert (status, answer["error"]["kind"]) == (403, "not-allowed")
    assert "sudo" in answer["error"]["hint"]
    assert stranger.sources.asked == []
    assert stranger.sources.found[0].state == "active"


@pytest.mark.parametrize("path", READINGS)
def test_who_is_not_the_owner_may_read(stranger: Any, ask: Any, path: Any) -> None:
    assert ask(stranger, "GET", path)[0] == 200


def test_a_dry_run_is_reading(stranger: Any, ask: Any) -> None:
    assert ask(stranger, "POST", "/v1/reconcile?dry_run=true")[0] == 200
    assert stranger.sources.asked == ["reconcile dry_run=True"]


def test_a_change_and_a_refusal_are_logged_with_who_asked(
    serve: Any, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hooknet")
    with serve() as api:
        ask(api, "POST", "/v1/reload")
    line = caplog.records[-1]
    assert line.log_id is LogId.CONTROL_CHANGE
    assert (line.fields["uid"], line.fields["pid"]) == (os.getuid(), os.getpid())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_socket_with_a_loose_mode_still_lets_nobody_else_change_anything(serve: Any) -> None:
    with serve(owner=0) as api:
        api.run_dir.chmod(0o755)
        api.socket.chmod(0o666)
        script = (
            "import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1])\n"
            "s.sendall(b'POST /v1/reload HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
            "sys.stdout.write(s.recv(12).decode())"
        )
        done = subprocess.run(
            [sys.executable, "-IS", "-c", script, str(api.socket)],
            user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert done.stdout == "HTTP/1.1 403"
        assert api.sources.asked == []


def raw(api: Any, timeout: Any = 10.0) -> Any:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(str(api.socket))
    return connection


def everything(connection: Any) -> Any:
    """All that comes until the other end hangs up."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("said", [b"", b"GET /v1/sta", b"GET /v1/status HTTP/1.1\r\nHost: x\r\n"])
def test_a_caller_that_does_not_finish_its_question_is_hung_up(serve: Any, said: Any) -> None:
    with serve(limits=Limits(head_deadline=0.2, stop_deadline=0.5)) as api, raw(api) as connection:
        connection.sendall(said)
        started = time.monotonic()
        assert everything(connection) == b""
        assert time.monotonic() - started < 8


def test_one_connection_gets_one_answer(api: Any) -> None:
    with raw(api) as connection:
        connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(connection)
    assert b"HTTP/1.1 200" in answer
    assert b"Connection: close" in answer


def test_a_long_body_is_refused_unread(api: Any) -> None:
    with raw(api) as connection:
        connection.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert api.sources.asked == []


def test_an_endless_header_ends_the_connection(api: Any) -> None:
    with raw(api) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Long: ")
        for _ in range(100):
            connection.sendall(b"x" * 65536)
        raise AssertionError("six megabytes of header were swallowed")


def test_nonsense_instead_of_http_harms_nobody(api: Any, ask: Any) -> None:
    with raw(api) as connection:
        connection.sendall(os.urandom(512) + b"\r\n\r\n")
        assert b"HTTP/1.1 200" not in everything(connection)
    assert ask(api, "GET", "/v1/status")[0] == 200


def test_connections_beyond_the_limit_are_told_to_come_back(serve: Any, ask: Any) -> None:
    with serve(limits=Limits(connections=2, stop_deadline=0.5)) as api, raw(api), raw(api):
        api.until(lambda: len(api.server._runner.server.connections) == 2)
        with raw(api) as third:
            answer = everything(third)
        assert answer.startswith(b"HTTP/1.1 503")
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert "2" in body["error"]["details"]


def test_a_place_is_free_again_when_a_caller_has_gone(serve: Any, ask: Any) -> None:
    with serve(limits=Limits(connections=1, stop_deadline=0.5)) as api:
        with raw(api):
            api.until(lambda: len(api.server._runner.server.connections) == 1)
        api.until(lambda: not api.server._runner.server.connections)
        assert ask(api, "GET", "/v1/status")[0] == 200


def test_an_answer_that_takes_too_long_is_given_up_but_the_change_goes_on(serve: Any, ask: Any) -> None:
    sources = fakes.FakeSources(slow=0.5)
    with serve(sources=sources, limits=Limits(answer_deadline=0.1, stop_deadline=5)) as api:
        status, answer = ask(api, "POST", "/v1/reload")
        assert (status, answer["error"]["kind"]) == (503, "try-later")
        api.until(lambda: "reloaded" in sources.asked)


def test_a_caller_that_hangs_up_does_not_stop_a_change_half_way(serve: Any) -> None:
    sources = fakes.FakeSources(slow=0.3)
    with serve(sources=sources, limits=Limits(stop_deadline=5)) as api:
        with raw(api) as connection:
            connection.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n")
            api.until(lambda: "reload" in sources.asked)
        api.until(lambda: "reloaded" in sources.asked)


def test_stopping_waits_for_a_change_that_is_under_way(serve: Any) -> None:
    sources = fakes.FakeSources(slow=0.3)
    with serve(sources=sources, limits=Limits(stop_deadline=5)) as api, raw(api) as connection:
        connection.sendall(b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n")
        api.until(lambda: "reload" in sources.asked)
        api.in_loop(api.server.stop())
        assert "reloaded" in sources.asked


def test_the_socket_file_is_left_to_who_made_it(serve: Any) -> None:
    with serve() as api:
        api.in_loop(api.server.stop())
        assert api.socket.exists()
