"""The way into a lab that was kept: scripts that run a command on its host, as its administrator."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.podman import CGROUP

if TYPE_CHECKING:
    from lab import Host
    from lab.podman import Podman

ENTER = """\
#!/bin/bash
{exports}
PATH={bin}:{hooknet}:$PATH
[ $# -gt 0 ] || set -- bash
exec {enter} "$@"
"""
PODMAN = """\
#!/bin/bash
# The lab's podman, its containers under the lab's control group: nothing of them outlives the lab.
PATH={path}
case $1 in run | create) set -- "$1" --cgroup-parent={cgroup} "${{@:2}}" ;; esac
exec {podman} "$@"
"""


def write_entrance(folder: Path, host: Host, podman: Podman | None) -> None:
    """`folder`/enter, and the lab's podman where it has one."""
    tools = folder / "bin"
    tools.mkdir()
    environment = podman.environment if podman else {}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    if podman:
        words = {
            "path": shlex.quote(os.environ["PATH"]),
            "cgroup": CGROUP,
            "podman": shlex.join(podman.command),
        }
        write_script(tools / "podman", PODMAN.format(**words))
    hooknet = Path(sys.executable).parent
    enter = shlex.join(host.netns.enter)
    write_script(folder / "enter", ENTER.format(exports=exports, bin=tools, hooknet=hooknet, enter=enter))


def write_script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
