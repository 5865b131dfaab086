"""The real host: a socket is looked at, and nobody who waits behind it is called."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hooknet.doctor.host import Line
from hooknet.doctor.this_host import ThisHost


@pytest.fixture
def host() -> ThisHost:
    return ThisHost(dict)


def test_a_socket_that_somebody_listens_on_is_told_without_a_call(host: ThisHost, tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.bind(str(path))
        waiting.listen()
        assert host.line(path) is Line.SERVED
        (tmp_path / "run").symlink_to(tmp_path)
        assert host.line(tmp_path / "run/x.sock") is Line.SERVED
        waiting.settimeout(0)
        with pytest.raises(BlockingIOError):
            waiting.accept()
    assert host.line(path) is Line.DEAD


@pytest.mark.parametrize("name", ["a\nb", "a\n0: b c z e f g /h", "\n", "a\u2028b", "a\x0bb"])
def test_a_name_that_breaks_the_kernels_lines_hides_no_socket(
    host: ThisHost, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as odd, socket.socket(socket.AF_UNIX) as waiting:
        odd.bind(f"\0{tmp_path}{name}".encode())
        waiting.bind(str(path))
        waiting.listen()
        assert host.line(path) is Line.SERVED


def test_a_socket_that_is_not_there(host: ThisHost, tmp_path: Path) -> None:
    assert host.line(tmp_path / "x.sock") is Line.MISSING
