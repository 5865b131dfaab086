"""The commands in script/ do what they say: a world that leaves nothing, and a demo that tells the whole story."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from lab import eventually, podman5
from lab.process import Program, run

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "script" / "world"
DEMO = [WORLD, sys.executable, ROOT / "script" / "lib" / "demo"]
DEMO_SCRIPT = ROOT / "script" / "demo"

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


MACHINE = """
set -euo pipefail
. script/lib/machine.sh
units_in=("$1" "$1/missing") policy=$1/policy-rc.d
apt() { sh -c "$1" || fail "apt failed"; }
without_services apt "$2"
"""


def install(systemd: Path, command: str, then: str = "") -> tuple[int, str]:
    """Run a command as apt is run on a machine whose units are in `systemd` alone; what is said of it."""
    done = run(["bash", "-c", f"cd {ROOT}; {MACHINE}{then}", "script/test", systemd, command], check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("code", [0, 7])
def test_what_is_installed_is_neither_started_nor_left_enabled(tmp_path: Path, code: int) -> None:
    wants = tmp_path / "multi-user.target.wants"
    wants.mkdir()
    (wants / "mine.service").symlink_to("/lib/systemd/system/mine.service")
    apt = f"{tmp_path}/policy-rc.d; test $? = 101 && ln -s /lib/new.socket {wants}/new.socket; exit {code}"
    exit_code, said = install(tmp_path, apt)
    assert (exit_code == 0) is (code == 0)
    assert "new.socket" in said
    assert [path.name for path in wants.iterdir()] == ["mine.service"]
    assert not (tmp_path / "policy-rc.d").exists()


def test_a_machines_own_rule_about_starting_services_stays(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    assert install(tmp_path, "true") == (0, "")
    assert "104" in policy.read_text()


def test_a_rule_that_came_between_two_installations_stays_too(tmp_path: Path) -> None:
    between = 'echo "exit 104" >"$policy"; without_services apt true'
    assert install(tmp_path, "true", then=between) == (0, "")
    assert "104" in (tmp_path / "policy-rc.d").read_text()


def test_the_demo_tells_the_story_of_a_real_container() -> None:
    story = run(DEMO, env={"COLUMNS": "200"}).stdout
    for line in readmes_first_screen():
        assert shape(line) in shape(story), f"README shows what the demo does not:\n{line}\n{story}"
    happens_in_order(
        story,
        ["podman version", "DHCPDISCOVER", "DHCPACK", "inet 192.168.", "hooknet leases", "DHCPRELEASE"],
    )
    happens_in_order(story, ["pre_lease ", "post_lease ", "release ", "--network none", "the network, lease"])


def readmes_first_screen() -> list[str]:
    _, screen, *_ = (ROOT / "README.md").read_text(encoding="utf-8").split("```")
    lines = [line.strip() for line in screen.splitlines() if line.strip()]
    assert len(lines) > 8
    return lines


def shape(text: str) -> str:
    """The text without what is another at each run: addresses, times."""
    for pattern in (
        r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}",
        r"fe80::\S+",
        r"(?:\d+\.){3}\d+",
        r"in \d+ \w+",
        r"\d+sec",
    ):
        text = re.sub(pattern, "~", text)
    return re.sub(r" +", " ", text)


def another_podman(folder: Path, script: str) -> dict[str, str]:
    """The environment in which `podman` is this shell script."""
    podman = folder / "podman"
    podman.write_text(f"#!/bin/sh\n{script}\n")
    podman.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_where_podman_has_no_cni_the_demo_says_so_and_tells_the_same_story(tmp_path: Path) -> None:
    without = another_podman(tmp_path, "echo 'Error: cni support is not enabled in this build' >&2; exit 125")
    story = run(DEMO, env=without).stdout
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


def test_a_step_of_the_demo_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    podman = shutil.which("podman")
    broken = f"case $1 in run) echo 'Error: no luck today' >&2; exit 125;; esac; exec {podman} \"$@\""
    done = run(DEMO, env=another_podman(tmp_path, broken), check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("script/demo: failed at 'A container starts")
    assert "podman run" in line
    assert "Error: no luck today" in line


def test_a_kept_demo_can_be_entered_by_the_lines_that_it_prints_and_ends_cleanly(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    env = {"HOOKNET_DEMO_WORLD": str(kept)}
    story = run([DEMO_SCRIPT, "--keep"], env=env, timeout=300).stdout  # it may have to make .venv first
    pid, *_ = json.loads(kept.read_text()).values()
    try:
        lines = re.findall(r"try │ script/demo (enter hooknet leases|enter podman run .*)", story)
        leases, ran = (run([DEMO_SCRIPT, *line.split()], env=env).stdout for line in lines)
        assert re.search(r"^web +example +eth0 +192\.168\.", leases, re.MULTILINE), leases
        assert "inet 192.168." in ran
        again = run([DEMO_SCRIPT, "--keep"], env=env, check=False)
        assert again.returncode == 1
        assert "script/demo end" in again.stderr
    finally:
        assert "script/demo end" in story
        run([DEMO_SCRIPT, "end"], env=env)
    assert not kept.exists()
    assert not Path(f"/proc/{pid}").exists()


PODMAN_OF_ANOTHER_ROOT = """
set -e
place=/run/another-root
if [ ! -e $place/ready ]; then
  mkdir -p $place /run/podman
  ip netns add shared && ip netns delete shared
  words="{root} $place /proc/self/ns/net $place/ready"
  unshare --mount --propagation=unchanged sh -c {enter} sh $words >/dev/null 2>&1 &
  echo $! >$place/pid
  for _ in $(seq 200); do [ -e $place/ready ] && break; sleep 0.05; done
fi
exec nsenter --mount=/proc/$(cat $place/pid)/ns/mnt -- podman "$@"
"""
"""Debian trixie's podman as if it were this machine's: /run is the same on both sides."""


@pytest.mark.long
def test_where_podman_has_netavark_alone_the_demo_is_told_with_its_driver(tmp_path: Path) -> None:
    reason = podman5.missing()
    if reason:
        pytest.fail(reason, pytrace=False)
    script = PODMAN_OF_ANOTHER_ROOT.format(enter=shlex.quote(podman5.ENTER), root=podman5.ROOT)
    story = run(DEMO, env=another_podman(tmp_path, script)).stdout
    happens_in_order(
        story,
        [
            "podman version 5.",
            "can't use CNI plugins here",
            "hooknet comes in as netavark's driver",
            "podman network create -d hooknet",
            "DHCPACK",
            "inet 192.168.",
            "DHCPRELEASE",
            "--network none",
        ],
    )


@pytest.mark.long
def test_with_podman_5_the_demo_tells_its_story_through_netavarks_driver() -> None:
    reason = podman5.missing()
    if reason:
        pytest.fail(reason, pytrace=False)
    story = run([*DEMO, "--podman5"]).stdout
    happens_in_order(
        story,
        [
            "hooknet comes in as netavark's driver",
            "podman version 5.",
            "podman network create -d hooknet",
            "DHCPDISCOVER",
            "DHCPACK",
            "post_lease ",
            "inet 192.168.",
            "hooknet leases",
            "DHCPRELEASE",
            "--network none",
        ],
    )


def happens_in_order(story: str, moments: list[str]) -> None:
    at = 0
    for moment in moments:
        found = story.find(moment, at)
        assert found >= 0, f"{moment!r} does not come in its turn in:\n{story}"
        at = found
