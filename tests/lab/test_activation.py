"""Sockets that somebody else holds: by name and without, through restarts, and in a burst.

systemd-socket-activate is systemd's own tool for one start; it ends with the daemon. For restarts this test holds the
sockets itself, as systemd would.
"""

from __future__ import annotations

import shlex
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from lab import eventually, hardened
from lab.cni import netconf
from lab.daemon import HOOKNET, RUN_DIR, START_WITHIN
from lab.process import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab import Host, Lab, Lan
    from lab.cni import Reply, Sandbox

ACTIVATE = "systemd-socket-activate"
CNI, CONTROL = RUN_DIR / "cni.sock", RUN_DIR / "control.sock"
BURST = 50


def daemon(host: Host) -> list[str]:
    """Its command. What confines it becomes it: systemd's LISTEN_PID stays true."""
    state = host.folder / "state"
    confined = hardened.confinement(RUN_DIR, state)
    return [*confined, str(HOOKNET), "daemon", f"--state-dir={state}", "--podman-url="]


def activated(host: Host, *words: str | Path) -> Program:
    """A daemon that starts when somebody calls."""
    RUN_DIR.mkdir(mode=0o755, exist_ok=True)
    program = host.program(ACTIVATE, *words, *daemon(host), log="activated.log")
    program.wait_for("Listening on")
    return program


def hooknet(host: Host, *words: str) -> int:
    return host.netns.run(HOOKNET, *words, check=False).returncode


def test_sockets_are_known_by_their_names_in_any_order(lan: Lan, host: Host) -> None:
    sockets = [f"--listen={CONTROL}", f"--listen={CNI}", "--fdname=control:cni"]
    program = activated(host, *sockets)
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    assert reply.interface.ip in lan.server.addresses()
    assert hooknet(host, "status") == 0
    program.stop()
    assert CNI.is_socket()  # not the daemon's to delete
    assert CONTROL.is_socket()


def test_a_socket_without_a_name_is_the_cni_socket_and_the_other_is_made(lan: Lan, host: Host) -> None:
    program = activated(host, f"--listen={CNI}")
    reply = host.cni.add(netconf(), host.cni.sandbox())
    assert reply.interface.ip in lan.server.addresses()
    assert hooknet(host, "status") == 0
    program.stop()
    assert not CONTROL.exists()


def test_the_first_call_may_be_to_the_control_socket(lan: Lan, host: Host) -> None:
    activated(host, f"--listen={CNI}", f"--listen={CONTROL}", "--fdname=cni:control")
    assert hooknet(host, "leases") == 0


class Holder:
    """Holds both sockets and starts daemons that take them, as systemd does."""

    def __init__(self, host: Host, stack: ExitStack) -> None:
        RUN_DIR.mkdir(mode=0o755, exist_ok=True)
        self.host = host
        self.sockets = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for line, path in zip(self.sockets, (CNI, CONTROL), strict=True):
            line.bind(str(path))
            line.listen(512)
        self.daemon = self._program()
        stack.callback(self.daemon.stop)

    def _program(self) -> Program:
        """bash puts the sockets where they are looked for, and becomes the daemon: LISTEN_PID is its own."""
        first, second = (line.fileno() for line in self.sockets)
        take = f"exec 3<&{first} 4<&{second}; LISTEN_FDS=2 LISTEN_FDNAMES=cni:control LISTEN_PID=$$ exec"
        return Program(
            [*self.host.netns.enter, "bash", "-c", f"{take} {shlex.join(daemon(self.host))}"],
            self.host.folder / "held.log",
            inherit=[first, second],
        )

    def start(self) -> None:
        self.daemon.log.mark()
        self.daemon.start()

    def serves(self) -> None:
        self.daemon.wait_for("ready", within=START_WITHIN)


@pytest.fixture
def holder(host: Host) -> Iterator[Holder]:
    with ExitStack() as stack:
        yield Holder(host, stack)


def add_all(host: Host, sandboxes: list[Sandbox]) -> list[Reply]:
    with ThreadPoolExecutor(len(sandboxes)) as crowd:
        return list(crowd.map(lambda box: host.cni.call("ADD", netconf(), box), sandboxes))


def test_calls_wait_for_a_daemon_that_comes_later(lan: Lan, host: Host, holder: Holder) -> None:
    with ThreadPoolExecutor(1) as caller:
        reply = caller.submit(host.cni.add, netconf(), host.cni.sandbox())
        holder.start()
        assert reply.result().interface.ip in lan.server.addresses()


@pytest.mark.long
def test_a_restart_in_a_burst_of_adds_refuses_none(lab: Lab) -> None:
    """With Kea: dnsmasq offers one address to several clients that ask at once, which is another test's matter."""
    lan = lab.lan()
    lan.serve("kea")
    host = lab.host(lan)
    with ExitStack() as stack:
        burst_through_a_restart(lan, host, Holder(host, stack))


def burst_through_a_restart(lan: Lan, host: Host, holder: Holder) -> None:
    holder.start()
    holder.serves()
    sandboxes = [host.cni.sandbox() for _ in range(BURST)]
    with ThreadPoolExecutor(1) as beside:
        burst = beside.submit(add_all, host, sandboxes)
        holder.daemon.wait_for("ADD ", within=20)
        assert holder.daemon.stop(within=20) == 0
        holder.start()
        replies = burst.result()
    assert [str(reply) for reply in replies if reply.code != 0] == []
    addresses = {reply.interface.ip for reply in replies}
    assert len(addresses) == BURST
    eventually(lambda: addresses <= lan.server.addresses(), what="the server wrote each of them down")
    assert all(box.interfaces() == [reply.interface] for box, reply in zip(sandboxes, replies, strict=True))
    for sandbox in sandboxes:
        host.cni.delete(netconf(), sandbox)
    eventually(lambda: lan.server.leases() == [], within=20, what="every lease is given back")
