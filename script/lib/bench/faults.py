"""What is lost when things break: the same probes for every peer, told as a table.

A probe breaks one thing, waits, and looks at the server's own lease database, the wire and the container's namespace.
Each runs on a ground of its own, with a server whose leases are renewed every few seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from calls import Running, run
from containers import NETWORK, write_network
from ground import Ground
from lab.netns import Netns
from lab.wait import eventually
from peers import Reference, hooknet_peers
from single import must

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Address

    from calls import Outcome
    from ground import Box
    from lab import Daemon
    from lab.process import Program
    from lab.servers import DhcpServer
    from peers import Peer

T1 = 3
"""Seconds until a lease is renewed; the lease itself lasts longer than any probe."""
LONG_ENOUGH = 12.0
"""Seconds in which a daemon that does something about a fault has done it."""
RECONCILE = 5


class Subject(Protocol):
    """A peer whose daemon can be ended and started again."""

    ground: Ground
    peer: Peer

    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> str:
        """Start the daemon again; returns what stood in the way, in words, or nothing."""


class OfHooknet:
    """Its reconcile period is shortened from 60 s, so that a probe need not wait for minutes."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.daemon: Daemon = ground.daemon(f"[daemon]\nreconcile_interval = {RECONCILE}\n")
        self.peer = hooknet_peers(self.daemon, ground.shims)[0]

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        self.daemon.kill()

    def start(self) -> str:
        self.daemon.start()
        return ""


class OfReference:
    def __init__(self, ground: Ground, reference: Reference) -> None:
        self.ground = ground
        self.peer = reference.start(ground.host)
        self.socket = Path(self.peer.config["ipam"]["daemonSocketPath"])
        self.daemon: Program = self.peer.daemon

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        self.daemon.kill()

    def start(self) -> str:
        self.daemon.log.mark()
        self.daemon.start()
        if self._serves():
            return ""
        self.daemon.stop()
        self.socket.unlink()
        self.daemon.start()
        eventually(self._serves, what=f"the daemon of {self.peer.name} starts without its stale socket")
        return "; does not start before its stale socket is removed by hand"

    def _serves(self) -> bool:
        time.sleep(0.3)
        return self.daemon.alive and self.socket.is_socket()


# what can be seen


@dataclass(frozen=True, slots=True)
class Scene:
    """A container with a lease, and those who know about it."""

    subject: Subject
    box: Box
    address: IPv4Address

    @property
    def server(self) -> DhcpServer:
        return self.subject.ground.lan.server

    def is_leased(self) -> bool:
        return self.address in self.server.addresses()

    def renewals(self, during: float = LONG_ENOUGH) -> int:
        """How often the server renews the lease from now on; returns at the second time."""
        log = self.server.log
        log.mark()
        wait_until(lambda: self.server.acknowledged(self.address) > 1, during)
        return self.server.acknowledged(self.address)

    def on_interface(self) -> set[str]:
        return {str(found.ip) for found in look_into(self.box).interfaces()}


def attached(subject: Subject) -> Scene:
    box = subject.ground.boxes(1)[0]
    outcome = must(run(subject.peer.call("ADD", box)), f"ADD of {subject.peer.name}")
    return Scene(subject, box, address_of(subject, outcome))


def address_of(subject: Subject, outcome: Outcome) -> IPv4Address:
    return next(a for a in subject.ground.lan.server.addresses() if str(a) == outcome.address)


def look_into(box: Box) -> Netns:
    """The lab's eyes for a namespace that it did not make."""
    found = Netns.__new__(Netns)
    found.name, found.path = box.netns, box.path
    return found


def wait_until(condition: Callable[[], bool], during: float = LONG_ENOUGH) -> float | None:
    """Seconds until it was true; None when it did not come to that."""
    began = time.monotonic()
    while time.monotonic() - began < during:
        if condition():
            return time.monotonic() - began
        time.sleep(0.05)
    return None


def given_back(scene: Scene) -> str:
    after = wait_until(lambda: not scene.is_leased())
    if after is not None:
        return f"lease given back after {after:.1f} s"
    return f"lease **kept**, and renewed {'on and on' if scene.renewals(2.5 * T1) else 'no more'}"


def renewed(scene: Scene) -> str:
    return "renewed" if scene.renewals() else "**never renewed again**, and the address stays in use"


# the probes


def ends(subject: Subject) -> str:
    """The container ends (DEL)"""
    scene = attached(subject)
    must(run(subject.peer.call("DEL", scene.box)), "DEL")
    return given_back(scene)


def restarted(subject: Subject) -> str:
    """The daemon is restarted"""
    scene = attached(subject)
    subject.stop()
    hindrance = subject.start()
    return renewed(scene) + hindrance


def killed(subject: Subject) -> str:
    """The daemon is killed (kill -9) and started again"""
    scene = attached(subject)
    subject.kill()
    hindrance = subject.start()
    return renewed(scene) + hindrance


def ends_after_restart(subject: Subject) -> str:
    """The container ends (DEL) after a restart of the daemon"""
    scene = attached(subject)
    subject.stop()
    subject.start()
    outcome = run(subject.peer.call("DEL", scene.box))
    return given_back(scene) + ("" if outcome.is_good else "; DEL fails")


def ends_without_daemon(subject: Subject) -> str:
    """The container ends (DEL) while the daemon is down, which is started later"""
    scene = attached(subject)
    subject.stop()
    outcome = run(subject.peer.call("DEL", scene.box))
    subject.start()
    return ("DEL succeeds" if outcome.is_good else "DEL **fails**") + ", " + given_back(scene)


def namespace_goes(subject: Subject) -> str:
    """The container's namespace is deleted without a DEL"""
    scene = attached(subject)
    look_into(scene.box).delete()
    return given_back(scene)


def refused(subject: Subject) -> str:
    """The server refuses a renewal (NAK), as its range has changed"""
    scene = attached(subject)
    scene.server.restart(forget=True, first=2000, last=3000)
    return followed(scene)


def moved(subject: Subject) -> str:
    """The server wants the container to have another address (a reservation)"""
    scene = attached(subject)
    mac = look_into(scene.box).mac()
    offering = scene.server.offering
    wanted = offering.network[5000]
    scene.server.restart(extra=(*offering.extra, f"dhcp-host={mac},{wanted}"))
    return followed(scene)


def followed(scene: Scene) -> str:
    """Whether the interface has, in the end, what the server says; and how long it had what the server refused."""
    after = wait_until(lambda: str(scene.address) not in scene.on_interface())
    if after is None:
        return "**keeps** the old address"
    settled = wait_until(lambda: bool(scene.on_interface() & {str(a) for a in scene.server.addresses()}))
    return f"address dropped after {after:.1f} s, " + (
        "the new one set" if settled is not None else "none set"
    )


def given_up(subject: Subject) -> str:
    """The runtime is killed in the middle of an ADD"""
    ground = subject.ground
    box = ground.boxes(1)[0]
    server = ground.lan.server
    server.process.signal(signal.SIGSTOP)
    running = Running(subject.peer.call("ADD", box))
    eventually(lambda: "eth0" in look_into(box).links(), what="the ADD is under way")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    server.process.signal(signal.SIGCONT)
    wait_until(lambda: bool(server.addresses()), LONG_ENOUGH / 2)
    gone = wait_until(lambda: not server.addresses() and not look_into(box).links())
    if gone is not None:
        return "undone: no lease, no link"
    left = ["a lease"] * bool(server.addresses()) + ["a link"] * bool(look_into(box).links())
    return f"leaves **{' and '.join(left)}** behind"


def absent(subject: Subject) -> str:
    """The daemon is down when a container starts (ADD)"""
    subject.stop()
    box = subject.ground.boxes(1)[0]
    outcome = run(subject.peer.call("ADD", box))
    left = look_into(box).links()
    return ("**succeeds**" if outcome.is_good else "fails") + (
        ", leaves **a link** behind" if left else ", leaves nothing"
    )


def conmon_killed(subject: Subject) -> str:
    """Conmon and the container are killed together: no event, podman says Up, no DEL ever comes"""
    ground = subject.ground
    podman = ground.host.podman  # the one whose events hooknet follows
    podman.use_plugins(*subject.peer.folders)
    write_network(podman, subject.peer)
    container = podman.start("doomed", network=NETWORK)
    scene = Scene(subject, ground.boxes(1)[0], container.address())
    state = container.inspect()["State"]
    for pid in (state["ConmonPid"], state["Pid"]):
        os.kill(pid, signal.SIGKILL)
    after = wait_until(lambda: not scene.is_leased(), 4 * RECONCILE)
    if after is not None:
        return f"lease given back after {after:.0f} s (its reconcile period is {RECONCILE} s here, 60 s by default)"
    return given_back(scene)


PROBES: tuple[Callable[[Subject], str], ...] = (
    ends,
    restarted,
    killed,
    ends_after_restart,
    ends_without_daemon,
    namespace_goes,
    refused,
    moved,
    given_up,
    absent,
    conmon_killed,
)
QUICK = (ends, absent)


def compare_faults(references: Sequence[Reference], *, quick: bool = False) -> str:
    """Every probe for hooknet and each reference, as Markdown."""
    names = ["hooknet", *(reference.name for reference in references)]
    lines = [f"| what happens | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for probe in QUICK if quick else PROBES:
        print(f"… {probe.__name__}", file=sys.stderr, flush=True)
        told = [tell(probe, None), *(tell(probe, reference) for reference in references)]
        lines.append(f"| {probe.__doc__} | {' | '.join(told)} |")
    return "\n".join(lines)


def tell(probe: Callable[[Subject], str], reference: Reference | None) -> str:
    with Ground(lease_file=True) as ground:
        ground.renew_every(T1)
        return probe(OfHooknet(ground) if reference is None else OfReference(ground, reference))
