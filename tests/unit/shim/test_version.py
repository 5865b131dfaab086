"""sh answers VERSION, and what can be said without a daemon, by itself."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from fake_daemon import QUICK, run

from hooknet.cni.render import render_versions
from hooknet.cni.versions import SUPPORTED_VERSIONS


@pytest.fixture
def without_python(make_shim):
    return make_shim(interpreter=Path("/nonexistent/python3"))


def version(shim, stdin):
    answer = run(shim, stdin=stdin, env={"CNI_COMMAND": "VERSION"})
    assert (answer.returncode, answer.stderr) == (0, b"")
    return json.loads(answer.stdout)


@pytest.mark.parametrize("asked", SUPPORTED_VERSIONS)
def test_version_is_answered_without_python_in_the_version_that_was_asked_in(without_python, asked):
    for stdin in (
        b'{"cniVersion":"%s"}',
        b'{ "cniVersion" : "%s" }\n',
        b'{"x": "y", "cniVersion":"%s","a":"b"}',
    ):
        assert version(without_python, stdin % asked.encode()) == render_versions(asked)


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b"{}",
        b'{"cniVersion":"2.0.0"}',
        b'{"cniVersion":"$(id)"}',
        b"rubbish",
        b'{\n"x": 1}',
        b'{"cniVersion":"*"}',
    ],
)
def test_version_is_answered_in_our_newest_otherwise(without_python, stdin):
    assert version(without_python, stdin) == render_versions(None)


def test_a_call_by_hand_says_what_this_is(without_python):
    answer = run(without_python, env={})
    assert (answer.returncode, json.loads(answer.stdout)["code"]) == (1, 4)


def test_a_missing_interpreter_is_an_error_that_a_runtime_can_show(without_python):
    answer = run(without_python, env={"CNI_COMMAND": "ADD"})
    error = json.loads(answer.stdout)
    assert (answer.returncode, error["code"]) == (1, 5)
    assert "/nonexistent/python3" in error["msg"]


# `dhcp daemon`, as the reference's units say it


@pytest.fixture
def daemon(folder):
    """A daemon that tells what it was given."""
    path = folder / "daemon"
    path.write_text('#!/bin/sh\necho "$$|$*|$LISTEN_FDS|$LISTEN_PID"\n')
    path.chmod(0o755)
    return path


def test_dhcp_daemon_becomes_the_daemon_in_the_same_process(make_shim, daemon):
    shim = make_shim("dhcp", daemon=daemon)
    process = subprocess.Popen(
        [shim, "daemon"],
        env=QUICK | {"LISTEN_FDS": "1", "LISTEN_PID": "77"},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=30)
    assert output.strip() == f"{process.pid}|daemon|1|77"


@pytest.mark.parametrize("words", [("-pidfile", "{}"), ("--pidfile={}",)])
def test_dhcp_daemon_writes_the_pid_file_that_it_is_asked_for(make_shim, daemon, folder, words):
    shim = make_shim("dhcp", daemon=daemon)
    pid_file = folder / "pid"
    answer = run(shim, "daemon", *(word.format(pid_file) for word in words), env={})
    assert answer.stdout.decode().split("|")[0] == pid_file.read_text().strip()


def test_dhcp_daemon_says_which_flags_it_does_not_take(make_shim, daemon):
    answer = run(make_shim("dhcp", daemon=daemon), "daemon", "-broadcast", env={})
    assert answer.returncode == 0
    assert b"-broadcast" in answer.stderr


@pytest.mark.parametrize("words", [("-socketpath", "/x.sock"), ("--socketpath=/x.sock",), ("-socketpath",)])
def test_dhcp_daemon_says_what_to_do_for_a_socket_of_another_path(make_shim, daemon, words):
    answer = run(make_shim("dhcp", daemon=daemon), "daemon", *words, env={})
    assert answer.returncode == 0
    [line] = answer.stderr.decode().splitlines()
    assert "let a systemd socket unit hand that path over" in line


def test_dhcp_daemon_says_when_there_is_none(make_shim):
    answer = run(make_shim("dhcp", daemon=Path("/nonexistent/hooknet")), "daemon", env={})
    assert answer.returncode == 127
    assert b"/nonexistent/hooknet" in answer.stderr


def test_a_plugin_call_never_starts_a_daemon(make_shim, daemon):
    answer = run(make_shim("dhcp", daemon=daemon), "daemon", env={"CNI_COMMAND": "VERSION"})
    assert "supportedVersions" in json.loads(answer.stdout)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_any_posix_shell_will_do(without_python, shell):
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    if not any((Path(p) / shell).exists() for p in os.defpath.split(":")):
        pytest.skip(f"there is no {shell} on this machine")
    answer = subprocess.run(
        [*words, without_python],
        env=QUICK | {"CNI_COMMAND": "VERSION"},
        input=b"",
        capture_output=True,
        check=True,
    )
    assert json.loads(answer.stdout) == render_versions(None)
