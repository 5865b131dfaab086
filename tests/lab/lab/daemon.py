"""hooknet itself on a host of the lab: its daemon, its shims and its command, as an administrator has them.

The daemon runs in the host's network namespace and keeps its sockets in /run/hooknet, where the shims look:
every world has its own /run. Another run folder makes room for another daemon, reached by `daemonSocketPath`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import hardened
from lab.process import Program, run
from lab.wait import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from lab.netns import Netns

HOOKNET = Path(sys.executable).with_name("hooknet")
RUN_DIR = Path("/run/hooknet")
START_WITHIN = 20.0
"""Seconds from start to `ready`: a loaded machine with two cores imports slowly."""


class Daemon(Program):
    """`hooknet daemon`, and the command line that talks to it.

    `writable`: where a test's own plugins and programs write; a hardened daemon may too, as by a drop-in of its unit.
    """

    def __init__(
        self,
        netns: Netns,
        folder: Path,
        *,
        config: str = "",
        podman_url: str | None = None,
        run_dir: Path = RUN_DIR,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        writable: Sequence[Path] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.netns = netns
        self.config = folder / "hooknet.toml"
        self.config.write_text(config, encoding="utf-8")
        self.run_dir = run_dir
        self.state_dir = folder / "state"
        command: list[str | Path] = [*netns.enter]
        command += [*hardened.confinement(run_dir, self.state_dir, *writable), HOOKNET, "daemon"]
        command += [f"--config={self.config}"]
        command += [f"--run-dir={run_dir}", f"--state-dir={self.state_dir}"]
        command += [f"--podman-url={podman_url}"] if podman_url else []
        command += arguments
        super().__init__(command, folder / "daemon.log", env=env)

    @property
    def cni_socket(self) -> Path:
        return self.run_dir / "cni.sock"

    @property
    def control_socket(self) -> Path:
        return self.run_dir / "control.sock"

    def start(self) -> None:
        """Start, and wait until it serves."""
        self.log.mark()
        super().start()
        self.wait_for("ready", within=START_WITHIN)
        sockets = (self.cni_socket, self.control_socket)
        eventually(lambda: all(socket.is_socket() for socket in sockets), what="the daemon's sockets")

    def restart(self) -> None:
        """A polite stop and a start, as an upgrade does."""
        self.stop()
        self.start()

    def crash(self) -> None:
        """kill -9 and a start."""
        self.kill()
        self.start()

    def hooknet(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The command, speaking to this daemon."""
        return self.netns.run(HOOKNET, words[0], f"--run-dir={self.run_dir}", *words[1:], check=check)

    def leases(self) -> list[dict[str, Any]]:
        """`hooknet leases --format json`."""
        rows: list[dict[str, Any]] = json.loads(self.hooknet("leases", "--format", "json").stdout)["leases"]
        return rows

    def lease(self) -> dict[str, Any]:
        """The only lease that it holds."""
        [lease] = self.leases()
        return lease

    def heard(self, kind: str, reason: str) -> bool:
        """Whether it has published such an event."""
        said = self.hooknet("events", "--format", "json").stdout.splitlines()
        events = map(json.loads, filter(None, said))
        return any(event.get("kind") == kind and event.get("reason") == reason for event in events)

    def status(self) -> dict[str, Any]:
        """`hooknet status --format json`; an unhealthy daemon is an answer too."""
        report: dict[str, Any] = json.loads(self.hooknet("status", "--format", "json", check=False).stdout)
        return report

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def peak_memory(self) -> int:
        """The most that it ever had resident, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) << 10


def install_shims(folder: Path) -> Path:
    """The shims `hooknet`, `macvlan` and `dhcp` in a folder of their own, as `hooknet install` writes."""
    folder.mkdir(parents=True, exist_ok=True)
    run([HOOKNET, "install", "--shims-only", f"--cni-dir={folder}"])
    return folder
