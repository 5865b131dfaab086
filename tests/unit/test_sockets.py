"""The daemon's two sockets."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.sockets import open_proxy_socket, open_sockets


def test_both_are_made_with_their_modes_and_gone_afterwards(tmp_path: Path) -> None:
    with open_sockets(tmp_path, {}) as sockets:
        assert (tmp_path / "cni.sock").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "control.sock").stat().st_mode & 0o777 in {0o600, 0o660}
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(tmp_path / "cni.sock"))
        assert sockets.cni.getblocking() is False
    assert not list(tmp_path.iterdir())


def test_fault_34_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "cni.sock"))
    with open_sockets(tmp_path, {}), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(tmp_path / "cni.sock"))


def test_a_socket_that_somebody_serves_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "cni.sock"))
        other.listen()
        with (
            pytest.raises(HooknetError, match="another process serves") as refused,
            open_sockets(tmp_path, {}),
        ):
            pass
        assert refused.value.kind is Kind.UNAVAILABLE
        assert (tmp_path / "cni.sock").exists()


def test_what_was_handed_over_is_used_and_never_unlinked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as systemds:
        systemds.bind(str(tmp_path / "elsewhere"))
        systemds.listen()
        with open_sockets(tmp_path, {"cni": systemds}) as sockets:
            assert sockets.cni is systemds
            assert not (tmp_path / "cni.sock").exists()
    assert (tmp_path / "elsewhere").exists()


# netavark's proxy


@pytest.fixture
def proxy_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "podman" / "nv-proxy.sock"
    monkeypatch.setattr("hooknet.sockets.PROXY_SOCKET", path)
    return path


def test_the_proxys_socket_is_made_with_its_folder_and_gone_afterwards(proxy_socket: Path) -> None:
    with open_proxy_socket({}):
        assert proxy_socket.stat().st_mode & 0o777 == 0o600
    assert not proxy_socket.exists()


def test_a_proxy_that_listens_already_is_told_with_the_command_that_ends_it(proxy_socket: Path) -> None:
    proxy_socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as netavarks:
        netavarks.bind(str(proxy_socket))
        netavarks.listen()
        with pytest.raises(HooknetError, match="another process serves") as refused, open_proxy_socket({}):
            pass
    assert refused.value.kind is Kind.UNAVAILABLE
    assert "systemctl disable --now netavark-dhcp-proxy.socket" in refused.value.hint
    assert "--run-dir" not in refused.value.hint


@pytest.mark.parametrize("call", ["mkdir", "unlink"])
def test_what_the_kernel_refuses_is_an_error_with_a_remedy(
    proxy_socket: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    proxy_socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(proxy_socket))

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, call, refuse)
    with pytest.raises(HooknetError, match="Read-only file system") as refused, open_proxy_socket({}):
        pass
    assert refused.value.kind is Kind.IO
    assert "ReadWritePaths" in refused.value.hint
