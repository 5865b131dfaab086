"""What the shim sends, and what it makes of the answer."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from fake_daemon import ADD, QUICK, FakeDaemon, run, said

from hooknet.cni.envelope import LARGEST_STDIN

RESULT = b'{"cniVersion":"1.0.0","dns":{}}\n'


def test_the_daemon_gets_name_arguments_variables_and_stdin(make_shim, socket_path):
    stdin = b'{"name":"lan","note":"\xc3\xbc"}\n'
    with FakeDaemon(socket_path, said(0, RESULT)) as daemon:
        answer = run(make_shim("macvlan"), "one", "two", stdin=stdin, env=ADD | {"CNI_ARGS": "MAC=ü"})
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, RESULT, b"")
    (request,) = daemon.requests
    assert request.args == ("macvlan", "one", "two")
    assert (request.env, request.stdin) == (ADD | {"CNI_ARGS": "MAC=ü"}, stdin)


def test_only_cni_variables_are_sent_and_none_of_ours_is_trusted(shim, socket_path):
    evil = {"HOOKNET_SOCKET": "/tmp/evil.sock", "PYTHONPATH": "/tmp/evil", "LD_DEBUG_X": "1"}
    with FakeDaemon(socket_path, said(0, b"")) as daemon:
        assert run(shim, env=ADD | evil).returncode == 0
    assert daemon.requests[0].env == ADD


def test_an_error_of_the_daemon_goes_to_stdout_with_its_exit_code(shim, socket_path):
    error = b'{"cniVersion":"1.0.0","code":101,"msg":"no such parent"}\n'
    with FakeDaemon(socket_path, said(1, error)):
        answer = run(shim)
    assert (answer.returncode, answer.stdout) == (1, error)


def test_an_answer_may_come_in_pieces(shim, socket_path):
    def dribble(line):
        for byte in said(0, RESULT):
            line.sendall(bytes([byte]))

    with FakeDaemon(socket_path, dribble):
        assert run(shim).stdout == RESULT


def test_large_configurations_and_answers_pass(shim, socket_path):
    stdin, stdout = b'{"x":"' + b"a" * 900_000 + b'"}', b"b" * 900_000
    with FakeDaemon(socket_path, said(0, stdout)) as daemon:
        assert run(shim, stdin=stdin).stdout == stdout
    assert daemon.requests[0].stdin == stdin


def test_an_endless_configuration_is_not_read_for_ever(shim, socket_path):
    with FakeDaemon(socket_path, said(1, b"too large\n"), read=lambda line: line.recv(100)) as daemon:
        answer = run(shim, stdin=b"x" * 3_000_000)
    assert (answer.returncode, answer.stdout) == (1, b"too large\n")
    size = int(daemon.requests[0].split()[3])
    assert LARGEST_STDIN < size < 2 * LARGEST_STDIN


def test_the_daemon_is_told_when_nobody_can_hear_the_answer(shim, socket_path):
    with FakeDaemon(socket_path, said(0, RESULT)) as daemon:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as deaf:
            process = subprocess.run(
                [shim], input=b"{}", env=QUICK | ADD, stdout=deaf, timeout=30, check=False
            )
    assert process.returncode == 1
    assert daemon.farewells == [b"!"]


def test_the_daemon_is_told_nothing_when_the_answer_was_heard(shim, socket_path):
    with FakeDaemon(socket_path, said(0, RESULT)) as daemon:
        run(shim)
    assert daemon.farewells == [b""]


def test_a_closed_stdin_is_an_empty_one(shim, socket_path):
    with FakeDaemon(socket_path, said(0, b"")) as daemon:
        subprocess.run(["sh", "-c", 'exec "$0" <&-', shim], env=QUICK | ADD, timeout=30, check=True)
    assert daemon.requests[0].stdin == b""


def test_a_full_backlog_is_waited_for(shim, socket_path):
    daemon = FakeDaemon(socket_path, said(0, RESULT), backlog=0)
    crowd = [
        subprocess.Popen([shim], env=QUICK | ADD, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for _ in range(8)
    ]
    wait_until(lambda: all(is_waiting(process.pid) for process in crowd))
    with daemon:
        answers = [process.communicate(timeout=30)[0] for process in crowd]
    assert answers == [RESULT] * 8


def is_waiting(pid):
    """The Python half runs and sleeps: it is connecting, or waiting for its answer."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"python" in words and " S " in Path(f"/proc/{pid}/stat").read_text()


def wait_until(condition):
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up, "the condition became true in time"
        time.sleep(0.01)


# which socket


@pytest.mark.parametrize(
    "section", [{"ipam": {"type": "dhcp", "daemonSocketPath": "{}"}}, {"daemonSocketPath": "{}"}]
)
def test_the_configuration_may_name_another_socket(shim, folder, section):
    other = folder / "other.sock"
    stdin = json.dumps({"name": "lan"} | section).replace("{}", str(other)).encode()
    with FakeDaemon(other, said(0, RESULT)):
        assert run(shim, stdin=stdin).stdout == RESULT


def test_a_socket_in_ipam_goes_before_one_beside_type(shim, folder, socket_path):
    document = {
        "daemonSocketPath": str(socket_path),
        "ipam": {"daemonSocketPath": str(folder / "other.sock")},
    }
    with FakeDaemon(folder / "other.sock", said(0, RESULT)):
        assert run(shim, stdin=json.dumps(document).encode()).stdout == RESULT


def test_a_named_socket_that_is_dead_is_not_replaced_by_another(shim, folder, socket_path):
    document = {"daemonSocketPath": str(folder / "gone.sock")}
    with FakeDaemon(socket_path, said(0, RESULT)) as daemon:
        answer = run(shim, stdin=json.dumps(document).encode())
    assert (answer.returncode, daemon.requests) == (1, [])
    assert "gone.sock" in json.loads(answer.stdout)["msg"]


def test_the_references_own_default_means_no_daemon_in_particular(shim, socket_path):
    document = {"ipam": {"type": "dhcp", "daemonSocketPath": "/run/cni/dhcp.sock"}}
    with FakeDaemon(socket_path, said(0, RESULT)):
        assert run(shim, stdin=json.dumps(document).encode()).stdout == RESULT


@pytest.mark.parametrize("value", ["7", "[]", '""', "null", '"\\u0000"', '"\\ud800"', '"' + "x" * 200 + '"'])
def test_a_socket_path_that_is_none_does_not_break_the_shim(shim, socket_path, value):
    with FakeDaemon(socket_path, said(0, RESULT)):
        answer = run(shim, stdin=b'{"daemonSocketPath": %s}' % value.encode())
    assert answer.stderr == b""
    assert answer.stdout == RESULT or json.loads(answer.stdout)["code"] == 11


# what start-up time is spent on


def test_the_way_of_an_add_imports_next_to_nothing(make_shim, folder, socket_path):
    telling = folder / "python3"
    telling.write_text('#!/bin/sh\nexec /usr/bin/python3 -X importtime "$@"\n')
    telling.chmod(0o755)
    shim = make_shim(interpreter=telling)
    with FakeDaemon(socket_path, said(0, RESULT)):
        answer = run(shim, env=QUICK | ADD)
    assert answer.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.decode().splitlines()}
    assert "posix" in imported, "the report names what was imported"
    assert not imported & {"json", "socket", "os", "site", "struct", "re", "typing", "subprocess", "base64"}
