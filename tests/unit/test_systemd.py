"""What systemd hands over, and what it hears."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hooknet.systemd import Notifier, listen_sockets

CHILD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from hooknet.systemd import listen_sockets
found = listen_sockets(os.environ)
print(" ".join(f"{name}={s.getsockname()}" for name, s in sorted(found.items())))
print("left" if any(k.startswith("LISTEN_") for k in os.environ) else "clean")
print("inherited" if any(s.get_inheritable() for s in found.values()) else "kept")
"""


def handed(paths: list[Path], names: str | None) -> list[str]:
    """What a process finds that was handed sockets on these paths, as descriptors 3 and up."""
    sockets = []
    for path in paths:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(str(path))
        made.listen()
        sockets.append(made)
    env = {**os.environ, "LISTEN_FDS": str(len(sockets)), "CHILD": CHILD}
    if names is not None:
        env["LISTEN_FDNAMES"] = names
    high = [os.dup2(s.fileno(), 30 + i, inheritable=True) for i, s in enumerate(sockets)]
    plan = "; ".join(f"exec {3 + i}<&{fd}" for i, fd in enumerate(high))
    try:
        done = subprocess.run(
            ["bash", "-c", f'{plan}; exec "$0" -c "$CHILD"', sys.executable],
            env=env,
            pass_fds=high,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        for fd in high:
            os.close(fd)
        for made in sockets:
            made.close()
    return done.stdout.splitlines()


def test_sockets_are_known_by_their_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    assert handed([a, b], "control:cni")[0] == f"cni={b} control={a}"


def test_a_socket_without_a_name_is_cni(tmp_path: Path) -> None:
    assert handed([tmp_path / "a"], None)[0] == f"cni={tmp_path / 'a'}"
    assert handed([tmp_path / "b"], "io.podman.dhcp.socket")[0] == f"cni={tmp_path / 'b'}"


def test_children_inherit_neither_the_sockets_nor_the_variables(tmp_path: Path) -> None:
    assert handed([tmp_path / "a"], "cni")[1:] == ["clean", "kept"]


def test_sockets_for_another_process_are_left_alone() -> None:
    assert listen_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}
    assert listen_sockets({}) == {}


def test_the_notifier_speaks_to_systemd(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"})
        notifier.ready("serving")
        assert systemd.recv(100) == b"READY=1\nSTATUS=serving"
        notifier.watchdog()
        assert systemd.recv(100) == b"WATCHDOG=1"
        notifier.extend(0)  # nothing to wait for: nothing said
        notifier.extend(4.5)
        assert systemd.recv(100) == b"EXTEND_TIMEOUT_USEC=4500000"
        notifier.stopping()
        assert systemd.recv(100) == b"STOPPING=1"
    assert notifier.watchdog_interval == pytest.approx(5)


def test_the_notifier_is_silent_where_nobody_listens(tmp_path: Path) -> None:
    quiet = Notifier({})
    quiet.ready("x")
    assert quiet.watchdog_interval is None
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}).watchdog_interval is None
