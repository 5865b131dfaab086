"""Where the proxy listens: on systemd's socket, or on one of its own."""

import socket

import pytest

from hooknet import sockets
from hooknet.errors import HooknetError
from hooknet.sockets import open_proxy_socket
from hooknet.systemd import NAMES, PROXY


@pytest.fixture
def path(folder, monkeypatch):
    place = folder / "podman" / "nv-proxy.sock"
    monkeypatch.setattr(sockets, "PROXY_SOCKET", place)
    return place


def test_systemd_may_hand_it_over_by_name(path):
    assert PROXY in NAMES
    with socket.socket(socket.AF_UNIX) as given, open_proxy_socket({PROXY: given}) as listening:
        assert listening is given
        assert not path.exists()


def test_without_systemd_it_is_made_for_root_alone_and_goes_with_the_daemon(path):
    with open_proxy_socket({}) as listening:
        assert listening.getsockname() == str(path)
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_a_proxy_that_serves_already_is_not_thrown_out(path):
    with (
        open_proxy_socket({}),
        pytest.raises(HooknetError, match="another process serves"),
        open_proxy_socket({}),
    ):
        pass


def test_a_stale_socket_is_replaced(path):
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with open_proxy_socket({}):
        assert path.is_socket()
