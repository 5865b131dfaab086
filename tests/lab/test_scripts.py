"""The commands in script/ do what they say: a world that leaves nothing, and a demo that tells the whole story."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from lab import eventually
from lab.process import Program, run

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "script" / "world"
DEMO = [WORLD, sys.executable, ROOT / "script" / "lib" / "demo"]

pytestmark = pytest.mark.usefixtures("world")


def test_a_world_has_a_network_processes_and_a_run_folder_of_its_own() -> None:
    inside = "ip -brief link | wc -l; ls /run; ps -e -o comm= | wc -l"
    links, *names, processes = run([WORLD, "sh", "-c", inside]).stdout.split()
    assert links == "1"
    assert names == ["lock", "netns"]
    assert int(processes) < 8


def test_a_world_answers_with_the_exit_code_of_its_command() -> None:
    assert run([WORLD, "sh", "-c", "exit 7"], check=False).returncode == 7
    assert run([WORLD, "sh", "-c", "kill -9 $$"], check=False).returncode == 128 + signal.SIGKILL
    assert run([WORLD, "no-such-command"], check=False).returncode == 127


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_world_that_is_killed_takes_all_its_processes_along(tmp_path: Path, end: signal.Signals) -> None:
    mark = f"3600.{os.getpid()}{int(end)}"
    program = Program([WORLD, "sh", "-c", f"setsid sleep {mark} & echo up; wait"], tmp_path / "log")
    program.start()
    program.wait_for("up")
    eventually(lambda: running(mark), what="the sleeper runs")
    program.signal(end)
    program.wait()
    eventually(lambda: not running(mark), what="the sleeper is gone")


def running(mark: str) -> bool:
    return run(["pgrep", "-x", "-f", f"sleep {mark}"], check=False).returncode == 0


def test_a_world_may_be_kept_entered_and_ended(tmp_path: Path) -> None:
    memory = tmp_path / "kept"
    run([WORLD, "--keep", memory, "sh", "-c", "echo here > /run/place"])
    assert run([WORLD, "--enter", memory, "cat", "/run/place"]).stdout == "here\n"
    run([WORLD, "--end", memory])
    assert not memory.exists()
    assert run([WORLD, "--enter", memory, "true"], check=False).returncode != 0


def test_a_world_whose_command_fails_is_not_kept(tmp_path: Path) -> None:
    memory = tmp_path / "kept"
    assert run([WORLD, "--keep", memory, "false"], check=False).returncode == 1
    assert not memory.exists()


def test_the_demo_tells_the_story_of_a_real_container() -> None:
    story = run(DEMO).stdout
    happens_in_order(
        story,
        ["podman version", "DHCPDISCOVER", "DHCPACK", "inet 192.168.", "hooknet leases", "DHCPRELEASE"],
    )
    happens_in_order(story, ["pre_lease ", "post_lease ", "release ", "--network none", "the network, lease"])


def test_where_podman_has_no_cni_the_demo_says_so_and_tells_the_same_story(tmp_path: Path) -> None:
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho 'Error: cni support is not enabled in this build' >&2; exit 125\n")
    podman.chmod(0o755)
    story = run(DEMO, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}).stdout
    happens_in_order(
        story,
        [
            "cni support is not enabled",
            "DHCPDISCOVER",
            "DHCPACK",
            "inet 192.168.",
            "DHCPRELEASE",
            "ADD, as a",
        ],
    )


def happens_in_order(story: str, moments: list[str]) -> None:
    at = 0
    for moment in moments:
        found = story.find(moment, at)
        assert found >= 0, f"{moment!r} does not come in its turn in:\n{story}"
        at = found
