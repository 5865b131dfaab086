"""One life of a container: how it starts, what happens to it, how it ends. Chosen by the seed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab.podman import IDLE, IMAGE

if TYPE_CHECKING:
    import random

    from lab import Host

NETWORKS = ("red", "blue")
TRIES = 6
MIDDLES = ("nothing", "nothing", "restart", "stop and start", "another network", "a second network")
ENDS = ("rm", "rm", "stop", "kill", "process", "process", "conmon", "netns", "stays")
PATIENCE = 40.0


class Lives:
    """Lives on one host. `tally` counts what happened."""

    def __init__(self, host: Host, tally: dict[str, int]) -> None:
        self.host = host
        self.tally = tally

    def count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1

    def podman(self, *words: str) -> bool:
        """Whether it worked. A podman that hangs is a failure of its own."""
        try:
            return self.host.podman(*words, check=False, timeout=PATIENCE).returncode == 0
        except subprocess.TimeoutExpired:
            self.count("podman hung")
            return False

    def live(self, name: str, chance: random.Random) -> None:
        """From birth to death, or to the end of the storm for those that stay."""
        if not self.born(name, chance):
            self.count("never born")
            return
        for _ in range(chance.randint(0, 2)):
            middle = chance.choice(MIDDLES)
            self.count(middle)
            self.middle(name, middle)
        end = chance.choice(ENDS)
        self.count(f"end: {end}")
        self.end(name, end)

    def born(self, name: str, chance: random.Random) -> bool:
        """A runtime that is told to try again (code 11) does so."""
        self.podman("rm", "-f", "-i", "-t", "0", name)
        network = chance.choice(NETWORKS)
        for _ in range(TRIES):
            if self.podman("run", "-d", f"--name={name}", f"--network={network}", IMAGE, *IDLE):
                return True
            self.count("ADD refused")
            self.podman("rm", "-f", "-i", "-t", "0", name)
            time.sleep(chance.uniform(0.1, 0.6))
        return False

    def middle(self, name: str, what: str) -> None:
        match what:
            case "restart":
                self.podman("restart", "-t", "0", name)
            case "stop and start":
                self.podman("stop", "-t", "0", name)
                self.podman("start", name)
            case "another network":
                for network in NETWORKS:
                    self.podman("network", "disconnect", network, name)
                self.podman("network", "connect", NETWORKS[0], name)
            case "a second network":
                for network in NETWORKS:
                    self.podman("network", "connect", network, name)

    def end(self, name: str, how: str) -> None:
        match how:
            case "rm":
                self.podman("rm", "-f", "-t", "0", name)
            case "stop":
                self.podman("stop", "-t", "0", name)
            case "kill":
                self.podman("kill", name)
            case "process":
                self.shoot(name, "{{.State.Pid}}")
            case "conmon":
                self.shoot(name, "{{.State.ConmonPid}}", "{{.State.Pid}}")
            case "netns":
                path = self.inspect(name, "{{.NetworkSettings.SandboxKey}}")
                self.shoot(name, "{{.State.ConmonPid}}", "{{.State.Pid}}")
                if path.startswith("/run/netns/"):
                    subprocess.run(["umount", "-l", path], check=False, capture_output=True)
                    Path(path).unlink(missing_ok=True)
                self.podman("rm", "-f", "-t", "0", name)  # until then, podman 4.3 can't even list the others

    def inspect(self, name: str, format_: str) -> str:
        done = self.host.podman("inspect", "-f", format_, name, check=False)
        return done.stdout.strip()

    def shoot(self, name: str, *formats: str) -> None:
        """kill -9, by the pids that podman tells; those of our own container only."""
        for format_ in formats:
            pid = self.inspect(name, format_)
            if pid.isdecimal() and int(pid) > 1:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
