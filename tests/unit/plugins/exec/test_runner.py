"""What a program gets, what is heard of it, and that nothing of it is left."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hooknet_exec import runner
from hooknet_exec.runner import run

QUICK = 20.0
GLIBC_OWN = 0b11 << 31  # signals 32 and 33, which posix_spawn leaves ignored and every program sets itself
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOOKNET_HOOK": "post_lease"}


def started(hooks, text, *, seconds=QUICK, document=b"{}"):
    return run(hooks.program("it", text), document, ENVIRONMENT, seconds)


def python(text):
    return f"#!{sys.executable} -IS\n{text}"


def gone(pid):
    """Whether a process has ended. A zombie that nobody reaped yet has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def until(condition):
    deadline = time.monotonic() + QUICK
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_it_reads_stdin_and_its_exit_code_and_output_are_heard(hooks):
    outcome = started(hooks, "#!/bin/sh\ncat; echo one >&2; echo two >&2; exit 3\n", document=b'{"a": 1}')
    assert (outcome.code, outcome.stdout, outcome.stderr) == (3, b'{"a": 1}', ("one", "two"))


def test_it_need_not_read_what_it_is_told(hooks):
    assert started(hooks, "#!/bin/sh\nexit 0\n", document=b"x" * 1_000_000).code == 0


def test_its_environment_is_exactly_what_is_given(hooks, monkeypatch):
    monkeypatch.setenv("SECRET", "of the daemon")
    outcome = started(hooks, python("import os; print(sorted(os.environ), os.getcwd(), oct(os.umask(0)))"))
    names = outcome.stdout.decode()
    assert "SECRET" not in names
    assert "['HOOKNET_HOOK', 'PATH'] / 0o22" in names.replace("'LC_CTYPE', ", "")


def test_no_descriptor_but_the_three_is_open_in_it(hooks, tmp_path):
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)  # noqa: FBT003 - it takes no keyword
        outcome = started(
            hooks, python("import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:4])")
        )
    assert outcome.stdout == b"[0, 1, 2, 3]\n"  # 3 is the folder that is being listed


def test_signals_are_as_a_program_expects_them(hooks):
    outcome = started(hooks, "#!/bin/sh\ngrep -E '^Sig(Blk|Ign)' /proc/self/status\n")
    masks = [int(line.split()[1], 16) for line in outcome.stdout.decode().splitlines()]
    assert [mask & ~GLIBC_OWN for mask in masks] == [0, 0]


def test_a_script_without_an_interpreter_is_not_given_to_a_shell(hooks):
    outcome = started(hooks, "touch /tmp/never\n")
    assert (outcome.code, outcome.problem) == (None, "it can't be run: Exec format error")


def test_a_program_that_is_killed_has_failed(hooks):
    assert started(hooks, "#!/bin/sh\nkill -TERM $$\n").problem == "killed by SIGTERM"


def test_endless_output_is_read_and_dropped(hooks):
    outcome = started(hooks, "#!/bin/sh\nhead -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2\n")
    assert outcome.code == 0
    assert len(outcome.stdout) == runner.OUTPUT_MOST


def test_what_it_says_can_not_hurt_a_log(hooks):
    outcome = started(hooks, "#!/bin/sh\nprintf 'a\\033[2Jb\\rc\\n\\377\\n' >&2\n")
    assert all(line.isprintable() for line in outcome.stderr)


def test_when_its_time_is_up_it_is_killed(hooks):
    began = time.monotonic()
    outcome = started(hooks, "#!/bin/sh\nsleep 600\n", seconds=0.3)
    assert outcome.problem == "killed with its children after 0.3 s"
    assert time.monotonic() - began < QUICK


FAMILY = """
import os, signal, sys, time
folder = sys.argv[0] + ".family"
os.makedirs(folder)
def note(): open(f"{folder}/{os.getpid()}", "w").close()
def child(leave):
    if os.fork() == 0:
        leave()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note()
        time.sleep(600)
def daemonize():
    os.setsid()
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
child(lambda: None)          # in the group
child(lambda: os.setpgid(0, 0))
child(os.setsid)
child(daemonize)             # twice forked, twice in a session of its own
while len(os.listdir(folder)) < 4: time.sleep(0.005)
"""


def family(hooks):
    return [int(path.name) for path in (hooks.folder / "post_lease.d" / "it.family").iterdir()]


def test_children_that_outlive_it_are_killed_even_when_they_hide(hooks):
    outcome = started(hooks, python(FAMILY))
    assert outcome.code == 0
    assert len(family(hooks)) == 4
    assert all(gone(pid) for pid in family(hooks))


def test_at_the_deadline_everything_is_killed_even_what_hides(hooks):
    outcome = started(hooks, python(FAMILY + "time.sleep(600)\n"), seconds=3)
    assert "killed with its children" in outcome.problem
    assert len(family(hooks)) == 4
    assert all(gone(pid) for pid in family(hooks))


RUNNER_AWAY = """
import fcntl, os, sys, time
held = open(sys.argv[0] + ".held", "w")
fcntl.flock(held, fcntl.LOCK_EX)  # until the last of the family has ended
if os.fork():
    while not os.path.exists(sys.argv[0] + ".away"): time.sleep(0.001)
    os._exit(0)
end, generation = time.monotonic() + 20, 0  # should a killed test run leave it behind, it ends by itself
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
    generation += 1
    if generation == 5: open(sys.argv[0] + ".away", "w").close()
"""


def test_what_forks_and_runs_away_all_the_time_is_caught(hooks):
    assert started(hooks, python(RUNNER_AWAY)).code == 0
    with (hooks.folder / "post_lease.d" / "it.held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while one of them lives


def test_when_the_daemon_dies_its_programs_die_with_it(hooks, tmp_path):
    program = hooks.program("it", python(FAMILY + "time.sleep(600)\n"))
    text = f"from hooknet_exec.runner import run; import pathlib; run(pathlib.Path({str(program)!r}), b'', {{}}, 600)"
    daemon = subprocess.Popen([sys.executable, "-c", text])
    folder = program.with_name("it.family")
    until(lambda: folder.exists() and len(list(folder.iterdir())) == 4)
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    until(lambda: all(gone(pid) for pid in family(hooks)))


def test_nothing_is_left_open_here(hooks):
    started(hooks, "#!/bin/sh\nexit 0\n")
    before = hooks.descriptors()
    started(hooks, "#!/bin/sh\nexit 0\n")
    started(hooks, "#!/bin/sh\nsleep 600\n", seconds=0.2)
    assert hooks.descriptors() == before


def test_without_the_kernels_list_of_children_they_are_found_all_the_same(hooks, monkeypatch):
    text = runner.SUPERVISOR.read_text().replace("/proc/thread-self/children", "/proc/nothing")
    other = hooks.folder / "supervisor.py"
    other.write_text(text)
    monkeypatch.setattr(runner, "SUPERVISOR", other)
    assert started(hooks, python(FAMILY)).code == 0
    assert all(gone(pid) for pid in family(hooks))


@pytest.mark.parametrize(("word", "problem"), [(b"", "did not say"), (b"nonsense", "did not say")])
def test_a_supervisor_that_says_nothing_is_a_failure(word, problem):
    assert problem in runner.outcome(1, b"", b"", word).problem
