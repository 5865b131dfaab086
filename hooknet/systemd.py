"""What systemd hands a service and wants to hear from it: sockets by name, readiness, the watchdog.

sd_listen_fds(3) and sd_notify(3) are a few environment variables and one datagram, which is less than a dependency
(docs/decisions/systemd-protocols.md). A socket without a name is cni.sock: the reference's units, and
`systemd-socket-activate` without `--fdname`, hand over exactly that.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

FIRST_FD = 3
CNI = "cni"
CONTROL = "control"
PROXY = "nv-proxy"
NAMES = frozenset({CNI, CONTROL, PROXY})


def listen_sockets(environment: MutableMapping[str, str]) -> dict[str, socket.socket]:
    """The sockets that were handed over, by name (`cni`, `control`, `nv-proxy`), and the variables taken away.

    Nothing when they are meant for another process. Only the first of a name counts.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return {}
    found: dict[str, socket.socket] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) and names[index] in NAMES else CNI
        descriptor = FIRST_FD + index
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's own signature
        if name in found:
            os.close(descriptor)
        else:
            found[name] = socket.socket(fileno=descriptor)
    return found


class Notifier:
    """Tells systemd how the service is; says nothing where nobody listens."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        meant = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environment.pop("WATCHDOG_USEC", "")
        self.watchdog_interval = int(usec) / 2_000_000 if meant and usec.isdigit() else None
        """Seconds between two `watchdog` calls: half of what the unit allows. None without a watchdog."""

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def extend(self, seconds: float) -> None:
        """The start may take this long from now, also where the unit allows less (EXTEND_TIMEOUT_USEC)."""
        if seconds > 0:
            self._send(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000:.0f}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            try:
                notify.sendto(message.encode(), address)
            except OSError:
                return  # nobody listens any more: readiness is a courtesy
