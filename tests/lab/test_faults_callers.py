"""Faults of who calls: twice, at once, too early, gone in the middle, while no daemon is there."""

from __future__ import annotations

import json
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lab import eventually
from lab.cni import leaves_nothing, netconf
from lab.wait import never

if TYPE_CHECKING:
    from lab import Daemon, Host, Lan


def test_fault_26_a_second_add_is_an_error_and_the_lease_stays(lan: Lan, host: Host, daemon: Daemon) -> None:
    box = host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface
    again = host.cni.call("ADD", netconf(), box)
    assert "attached already" in again.error["msg"]
    assert box.interfaces() == [address]
    assert lan.server.addresses() == {address.ip}
    host.cni.delete(netconf(), box)
    lan.server.wait_for_release(address.ip)


def test_fault_27_del_comes_first_twice_and_last(lan: Lan, host: Host, daemon: Daemon) -> None:
    box = host.cni.sandbox()
    host.cni.delete(netconf(), box)
    address = host.cni.add(netconf(), box).interface.ip
    host.cni.delete(netconf(), box)
    host.cni.delete(netconf(), box)
    host.cni.delete(netconf(), box, env={"CNI_NETNS": None})
    lan.server.wait_for_release(address)
    assert daemon.leases() == []


def test_fault_28_a_del_cancels_the_add_that_is_under_way_and_cleans(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    lan.server.stop()
    box = host.cni.sandbox()
    with ThreadPoolExecutor(1) as runtime:
        adding = runtime.submit(host.cni.call, "ADD", netconf(timeout=8), box)
        eventually(box.links, what="the ADD is under way")
        removed = host.cni.delete(netconf(), box)
        assert removed.ms < 3000
        added = adding.result(timeout=3)
    assert "cancelled" in added.error["msg"]
    leaves_nothing(box)
    lan.server.start()
    host.cni.add(netconf(), box)


def test_fault_28_adds_and_dels_of_one_attachment_at_once_end_in_one_of_both(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    box = host.cni.sandbox()
    for _ in range(3):
        with ThreadPoolExecutor(6) as crowd:
            calls = [crowd.submit(host.cni.call, verb, netconf(), box) for verb in ("ADD", "DEL") * 3]
            codes = {call.result().command: call.result().code for call in calls}
        assert codes["DEL hooknet"] == 0
        held = {lease["address"].partition("/")[0] for lease in daemon.leases()}
        assert held == {str(interface.ip) for interface in box.interfaces()}
    host.cni.delete(netconf(), box)
    leaves_nothing(box)
    eventually(lambda: lan.server.leases() == [], what="no lease is left")


def test_fault_28_two_of_one_name_at_once_never_share_an_address(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """Two podmans may each have a container of that name: the identity is one's, even while a third gives it up."""
    boxes = [host.cni.sandbox() for _ in range(4)]
    name = {"args": "K8S_POD_NAME=web"}
    for _ in range(3):
        first, *others = boxes
        host.cni.add(netconf(), first, **name)
        with ThreadPoolExecutor(len(boxes)) as crowd:
            crowd.submit(host.cni.delete, netconf(), first, **name)
            replies = list(crowd.map(lambda box: host.cni.add(netconf(), box, **name), others))
        addresses = {reply.interface.ip for reply in replies}
        assert len(addresses) == len(others)
        assert lan.server.addresses() >= addresses
        for box in others:
            host.cni.delete(netconf(), box)
    eventually(lambda: lan.server.leases() == [], what="no lease is left")


def test_fault_31_a_shim_that_is_killed_in_mid_add_leaves_nothing(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """The server is frozen, so that the ADD waits; it answers when nobody asks any more."""
    server = lan.server.process
    server.signal(signal.SIGSTOP)
    box = host.cni.sandbox()
    config = host.folder / "netconf"
    config.write_text(json.dumps(netconf()))
    shim = host.program(
        "env", "CNI_COMMAND=ADD", f"CNI_CONTAINERID={box.container_id}", f"CNI_NETNS={box.path}", "CNI_IFNAME=eth0",
        "CNI_PATH=/usr/lib/cni", "sh", "-c", f"exec {host.cni.plugin('hooknet')} <{config}", log="shim.log",
    )  # fmt: skip
    eventually(box.links, what="the ADD is under way")
    shim.kill()
    leaves_nothing(box)
    server.signal(signal.SIGCONT)
    eventually(lambda: "DHCPDISCOVER" in lan.server.log.text(), what="the server wakes")
    never(lan.server.leases, during=3, what="an orphan lease")
    assert daemon.leases() == []


def test_fault_32_status_without_a_daemon_is_code_50(host: Host) -> None:
    reply = host.cni.call("STATUS", netconf(version="1.1.0"))
    assert reply.error["code"] == 50


STRANGER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
KNOCK = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
try:
    line.sendall(sys.argv[2].encode())
except BrokenPipeError:
    pass  # refused before it was asked: the answer is there all the same
print(line.recv(65536).decode())
"""


def knock(daemon: Daemon, path: Path, text: str) -> str:
    """What a caller without root hears, or why it can't even ask."""
    done = daemon.netns.run(*STRANGER, "/usr/bin/python3", "-c", KNOCK, path, text, check=False)
    return done.stdout + done.stderr


def test_fault_37_a_caller_without_root_is_refused_by_mode_and_by_credentials(daemon: Daemon) -> None:
    assert stat.S_IMODE(daemon.cni_socket.stat().st_mode) == 0o600
    assert not stat.S_IMODE(daemon.control_socket.stat().st_mode) & 0o007, "others may not even ask"
    change = "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    for socket in (daemon.cni_socket, daemon.control_socket):
        assert "PermissionError" in knock(daemon, socket, change)
        socket.chmod(0o666)
    assert "only root may use CNI" in knock(daemon, daemon.cni_socket, "hooknet/1 0 0 0\n")
    assert "HTTP/1.1 403" in knock(daemon, daemon.control_socket, change)
    assert "DAEMON_RELOADED" not in daemon.log.text()
