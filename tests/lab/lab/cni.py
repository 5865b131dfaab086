"""A container runtime without podman: it calls one CNI plugin exactly as libcni does, on a bare namespace.

For tests of one verb, one environment or one malformed input, and for measuring: no container is started.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any

from lab.netns import Netns
from lab.process import TIMEOUT
from lab.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

numbers = itertools.count(1)


class Sandbox(Netns):
    """A network namespace that stands for a container, with the container's id and name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.container_id = f"{name}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a plugin answered. `ms`: milliseconds of wall clock for the whole process."""

    command: str
    code: int
    stdout: str
    stderr: str
    ms: float

    @property
    def output(self) -> dict[str, Any]:
        """The JSON on stdout, {} when there was none."""
        return json.loads(self.stdout) if self.stdout.strip() else {}

    @property
    def error(self) -> dict[str, Any]:
        """CNI's error object. Fails when the plugin succeeded."""
        assert self.code != 0, f"{self.command} was expected to fail, and said {self.stdout}"
        return self.output

    @property
    def interface(self) -> IPv4Interface:
        """The first IPv4 address of a result, in any version's shape."""
        output = self.output
        first = output["ips"][0]["address"] if "ips" in output else output["ip4"]["ip"]
        return IPv4Interface(first)

    def __str__(self) -> str:
        return f"{self.command}: exit {self.code} in {self.ms:.0f} ms\n{self.stdout}{self.stderr}"


class Cni:
    """Calls the plugins of `folders` (the first that has one wins) on a host."""

    def __init__(self, host: Netns, folders: Sequence[Path], cleanup: ExitStack) -> None:
        self.host = host
        self.folders = folders
        self.cleanup = cleanup

    def sandbox(self) -> Sandbox:
        sandbox = Sandbox(f"box{next(numbers)}")
        self.cleanup.callback(sandbox.delete)
        return sandbox

    def plugin(self, type_: str) -> Path:
        return next(folder / type_ for folder in self.folders if (folder / type_).exists())

    def call(
        self,
        command: str,
        config: Mapping[str, Any] | str,
        sandbox: Sandbox | None = None,
        *,
        ifname: str = "eth0",
        args: str = "",
        env: Mapping[str, str | None] | None = None,
    ) -> Reply:
        """Run the plugin that `config` names. `env` changes single CNI variables; None leaves one away."""
        plugin, stdin = (
            ("hooknet", config) if isinstance(config, str) else (config["type"], json.dumps(config))
        )
        variables: dict[str, str | None] = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": sandbox.container_id if sandbox else "nobody",
            "CNI_NETNS": str(sandbox.path) if sandbox else "",
            "CNI_IFNAME": ifname,
            "CNI_ARGS": args or (f"IgnoreUnknown=1;K8S_POD_NAME={sandbox.name}" if sandbox else ""),
            "CNI_PATH": ":".join(map(str, self.folders)),
            **(env or {}),
        }
        began = time.perf_counter()
        done = subprocess.run(
            [*self.host.enter, str(self.plugin(plugin))],
            env={
                "PATH": os.environ["PATH"],
                **{name: text for name, text in variables.items() if text is not None},
            },
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        ms = (time.perf_counter() - began) * 1000
        return Reply(f"{command} {plugin}", done.returncode, done.stdout, done.stderr, ms)

    def add(self, config: Mapping[str, Any], sandbox: Sandbox, **how: Any) -> Reply:
        """ADD that must succeed."""
        reply = self.call("ADD", config, sandbox, **how)
        assert reply.code == 0, str(reply)
        return reply

    def delete(self, config: Mapping[str, Any], sandbox: Sandbox, **how: Any) -> Reply:
        """DEL, which must always succeed and say nothing."""
        reply = self.call("DEL", config, sandbox, **how)
        assert (reply.code, reply.stdout) == (0, ""), str(reply)
        return reply

    def check(self, config: Mapping[str, Any], sandbox: Sandbox, result: Reply, **how: Any) -> Reply:
        """CHECK against the result of the ADD."""
        return self.call("CHECK", {**config, "prevResult": result.output}, sandbox, **how)


def netconf(
    name: str = "lan", type_: str = "hooknet", *, version: str = "1.0.0", **keys: Any
) -> dict[str, Any]:
    """The configuration that libcni would hand to one plugin of a network."""
    config = {"cniVersion": version, "name": name, "type": type_, **keys}
    return (
        config if "master" in keys or type_ not in {"hooknet", "macvlan"} else {**config, "master": "host0"}
    )


def leaves_nothing(sandbox: Sandbox) -> None:
    """Nothing but the loopback is in the namespace."""
    eventually(lambda: not sandbox.links(), within=2, what=f"{sandbox.name} is empty")
