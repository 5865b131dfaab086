"""CNI calls as a runtime makes them, timed: one whole process each, one after the other or all at once.

What the caller itself costs is kept out of the number: no `nsenter` in front (this process lives on the
host of the lab), no pipes and no threads; a call is a spawn, its end is an event of its pidfd.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a call has hung."""
ANSWER = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one plugin. `name`: the container's."""

    plugin: Path
    verb: str
    config: Mapping[str, Any]
    container_id: str
    netns: Path
    name: str
    path: str
    ifname: str = "eth0"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": self.verb,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": str(self.netns),
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME={self.name}",
            "CNI_PATH": self.path,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended. `began`, `ended`: seconds, from just before the spawn until the process was gone."""

    code: int
    stdout: str
    began: float
    ended: float

    @property
    def ms(self) -> float:
        return (self.ended - self.began) * 1000

    @property
    def is_good(self) -> bool:
        return self.code == 0

    @property
    def result(self) -> Mapping[str, Any]:
        """What an ADD answered; empty for anything else."""
        return json.loads(self.stdout) if self.is_good and self.stdout.strip() else {}

    @property
    def address(self) -> str | None:
        """The first IPv4 address of an ADD's result."""
        ips = self.result.get("ips", [])
        return str(ips[0]["address"]).partition("/")[0] if ips else None

    @property
    def mac(self) -> str | None:
        """The MAC of the container's interface in an ADD's result."""
        found = self.result.get("interfaces", [])
        return str(found[0]["mac"]) if found else None


class Running:
    """A call under way. `ended`: readable when the process is gone."""

    def __init__(self, call: Call) -> None:
        given = os.memfd_create("stdin")
        os.write(given, json.dumps(call.config).encode())
        os.lseek(given, 0, os.SEEK_SET)
        self._answer = os.memfd_create("stdout")
        redirect = [(os.POSIX_SPAWN_DUP2, given, 0), (os.POSIX_SPAWN_DUP2, self._answer, 1)]
        self.began = time.perf_counter()
        self.pid = os.posix_spawn(call.plugin, [str(call.plugin)], call.environment, file_actions=redirect)
        self.ended = os.pidfd_open(self.pid)
        os.close(given)

    def wait(self) -> Outcome:
        """Wait for its end."""
        select.select([self.ended], [], [], PATIENCE)
        return self.outcome()

    def outcome(self) -> Outcome:
        """The process is gone: take what is left of it."""
        ended = time.perf_counter()
        _, status = os.waitpid(self.pid, 0)
        stdout = os.pread(self._answer, ANSWER, 0).decode("utf-8", "replace")
        os.close(self._answer)
        os.close(self.ended)
        code = os.waitstatus_to_exitcode(status)
        return Outcome(code=code, stdout=stdout, began=self.began, ended=ended)


def run(call: Call) -> Outcome:
    """One call, to its end."""
    return at_once([call])[0]


def at_once(calls: Sequence[Call]) -> list[Outcome]:
    """All calls, each spawned as soon as the one before it was; their outcomes in the order of the calls.

    One that hangs is killed, as runtimes do: its code is -9.
    """
    poller = select.poll()
    running: dict[int, tuple[int, Running]] = {}
    outcomes: list[Outcome | None] = [None] * len(calls)

    def reap(timeout: float) -> None:
        for descriptor, _ in poller.poll(timeout * 1000):
            number, done = running.pop(descriptor)
            poller.unregister(descriptor)
            outcomes[number] = done.outcome()

    for number, call in enumerate(calls):
        one = Running(call)
        running[one.ended] = (number, one)
        poller.register(one.ended, select.POLLIN)
        reap(0)
    deadline = time.monotonic() + PATIENCE
    while running:
        if time.monotonic() > deadline:
            for _, hanging in running.values():
                os.kill(hanging.pid, signal.SIGKILL)
        reap(1)
    return [outcome for outcome in outcomes if outcome is not None]
