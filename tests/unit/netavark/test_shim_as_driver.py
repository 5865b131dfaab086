"""The shim, run as netavark runs a driver: arguments, no CNI_COMMAND."""

import json
from pathlib import Path

import pytest
from driver_calls import NETNS, setup_document
from fake_daemon import FakeDaemon, run, said

from hooknet.cni.envelope import parse_tombstone
from hooknet.shim.install import Choices, text

DOCUMENT = json.dumps(setup_document()).encode()


@pytest.fixture
def socket_path(folder):
    (folder / "run").mkdir()
    return folder / "run" / "cni.sock"


@pytest.fixture
def make_shim(folder, socket_path):
    def make(**choices):
        path = folder / "hooknet"
        path.write_text(
            text(Choices(**({"daemon": Path("/opt/x/bin/hooknet"), "socket": socket_path} | choices)))
        )
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def shim(make_shim):
    return make_shim()


def call(shim, *words, stdin=DOCUMENT):
    return run(shim, *words, stdin=stdin, env={})


def error_of(done):
    assert (done.returncode, done.stderr) == (1, b"")
    (said_,) = json.loads(done.stdout).items()
    assert said_[0] == "error"
    return said_[1]


@pytest.mark.parametrize("words", [("create",), ("setup", NETNS), ("teardown", NETNS), ("info",)])
def test_the_daemon_gets_verb_netns_and_document(shim, socket_path, words):
    with FakeDaemon(socket_path, said(0, b"{}\n")) as daemon:
        done = call(shim, *words)
    assert (done.returncode, done.stdout) == (0, b"{}\n")
    (request,) = daemon.requests
    assert (request.args, request.env, request.stdin) == (("hooknet", *words), {}, DOCUMENT)


@pytest.mark.parametrize("words", [("create",), ("setup", NETNS), ("info",)])
def test_no_daemon_is_told_with_the_command_that_starts_it(shim, words):
    error = error_of(call(shim, *words))
    assert "does not answer" in error
    assert "systemctl start hooknet, or by hand" in error


def test_a_daemon_that_hangs_up_is_told(shim, socket_path):
    with FakeDaemon(socket_path, lambda line: line.close()):
        assert "hung up" in error_of(call(shim, "setup", NETNS))


def test_a_teardown_without_a_daemon_succeeds_and_leaves_a_tombstone(shim, socket_path, folder):
    done = call(shim, "teardown", str(folder))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (left,) = (socket_path.parent / "tombstones").iterdir()
    found = parse_tombstone(left.read_bytes())
    stat = folder.stat()
    assert (found.envelope.args, found.envelope.stdin) == (("hooknet", "teardown", str(folder)), DOCUMENT)
    assert found.netns == (stat.st_dev, stat.st_ino)


def test_a_teardown_of_a_netns_that_is_gone_leaves_a_tombstone_too(shim, socket_path):
    assert call(shim, "teardown", NETNS).returncode == 0
    (left,) = (socket_path.parent / "tombstones").iterdir()
    assert parse_tombstone(left.read_bytes()).netns is None


def test_without_python_it_says_so_in_netavarks_form(make_shim):
    assert "there is no /nonexistent/python3" in error_of(
        call(make_shim(interpreter=Path("/nonexistent/python3")), "setup", NETNS)
    )


def test_other_words_are_cnis_business(shim):
    assert json.loads(call(shim, "destroy").stdout)["code"] == 4
