"""What the shim says and leaves when nobody, or somebody else, answers."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from fake_daemon import ADD, FakeDaemon, run, said

from hooknet.cni.envelope import parse_tombstone

NOBODY = 65534
GOPHER = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request"
CODES = {"ADD": 11, "CHECK": 11, "GC": 11, "STATUS": 50}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes the uid of a process")


def call(verb):
    return ADD | {"CNI_COMMAND": verb}


def error_of(answer):
    assert (answer.returncode, answer.stderr) == (1, b"")
    return json.loads(answer.stdout)


@pytest.mark.parametrize("verb", CODES)
def test_no_daemon_is_told_with_the_command_that_starts_it(shim, verb):
    error = error_of(run(shim, stdin=b'{"cniVersion":"0.4.0"}', env=call(verb)))
    assert (error["cniVersion"], error["code"]) == ("0.4.0", CODES[verb])
    assert "does not answer" in error["msg"]
    assert "No such file or directory" in error["details"]
    assert "/opt/x/bin/hooknet daemon" in error["details"]


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b"\xff", b"[" * 99999])
def test_no_daemon_is_told_whatever_came_on_stdin(shim, stdin):
    error = error_of(run(shim, stdin=stdin))
    assert (error["cniVersion"], error["code"]) == ("1.1.0", 11)


def test_an_error_that_nobody_reads_is_no_trace(shim):
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as nobody:
        ended = subprocess.run(
            [shim], stdin=subprocess.DEVNULL, stdout=nobody, stderr=subprocess.PIPE, env=ADD, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_stale_socket_is_no_daemon(shim, socket_path):
    with FakeDaemon(socket_path, b""):
        pass
    assert "Connection refused" in error_of(run(shim))["details"]


def test_all_default_sockets_are_tried_and_the_first_is_named(make_shim, monkeypatch):
    shim = make_shim()
    written = shim.read_text()
    shim.write_text(written.replace('SOCKETS = ("', 'SOCKETS = ("/nonexistent/first.sock", "'))
    assert "/nonexistent/first.sock" in error_of(run(shim))["msg"]


def test_the_second_socket_serves_where_the_first_is_missing(make_shim, socket_path):
    shim = make_shim()
    shim.write_text(shim.read_text().replace('SOCKETS = ("', 'SOCKETS = ("/nonexistent/first.sock", "'))
    with FakeDaemon(socket_path, said(0, b"{}\n")):
        assert run(shim).stdout == b"{}\n"


@pytest.mark.parametrize("verb", CODES)
def test_an_answer_without_our_magic_is_somebody_else(shim, socket_path, verb):
    with FakeDaemon(socket_path, GOPHER):
        error = error_of(run(shim, env=call(verb)))
    assert error["code"] == CODES[verb]
    assert "is not hooknet" in error["msg"]
    assert "io.podman.dhcp.socket" in error["details"]


@pytest.mark.parametrize("answer", [b"hooknet/2 0 0\n", b"hooknet/1 x 0\n", b"hooknet/1 0\n", b"hook", b"\n"])
def test_a_garbled_answer_is_somebody_else(shim, socket_path, answer):
    def say_and_leave(line):
        line.sendall(answer)
        line.close()

    with FakeDaemon(socket_path, say_and_leave):
        assert error_of(run(shim))["code"] == 11


@pytest.mark.parametrize("answer", [b"", b"hooknet/1 0 99\nhalf"])
def test_a_daemon_that_dies_over_an_add_is_told(shim, socket_path, answer):
    def die(line):
        line.sendall(answer)
        line.close()

    with FakeDaemon(socket_path, die):
        error = error_of(run(shim))
    assert error["code"] == 11
    assert "hung up" in error["details"]


# DEL


def tombstones(socket_path):
    folder = socket_path.parent / "tombstones"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_del_leaves_a_tombstone_and_succeeds(shim, socket_path, folder):
    netns = folder / "netns"
    netns.touch()
    stdin = b'{"cniVersion":"1.0.0","name":"lan","type":"hooknet"}'
    answer = run(shim, stdin=stdin, env=call("DEL") | {"CNI_NETNS": str(netns)})
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")
    (file,) = tombstones(socket_path)
    found = parse_tombstone(file.read_bytes())
    assert found.netns == (netns.stat().st_dev, netns.stat().st_ino)
    assert abs(found.at - file.stat().st_mtime) < 60
    assert (found.envelope.args, found.envelope.stdin) == (("hooknet",), stdin)
    assert found.envelope.env["CNI_COMMAND"] == "DEL"


def test_tombstones_are_for_root_alone(shim, socket_path):
    run(shim, env=call("DEL"))
    (file,) = tombstones(socket_path)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("netns", ["", "/nonexistent/netns", None])
def test_a_del_whose_netns_is_gone_leaves_a_tombstone_that_says_so(shim, socket_path, netns):
    env = {key: value for key, value in (call("DEL") | {"CNI_NETNS": netns}).items() if value is not None}
    assert run(shim, env=env).returncode == 0
    (file,) = tombstones(socket_path)
    assert parse_tombstone(file.read_bytes()).netns is None


def test_a_del_makes_the_folder_where_no_daemon_ever_ran(make_shim, folder):
    shim = make_shim(socket=folder / "never" / "cni.sock")
    assert run(shim, env=call("DEL")).returncode == 0
    assert len(tombstones(folder / "never" / "cni.sock")) == 1


def test_two_dels_leave_two_tombstones_in_order(shim, socket_path):
    for container in ("first", "second"):
        run(shim, env=call("DEL") | {"CNI_CONTAINERID": container})
    found = [
        parse_tombstone(file.read_bytes()).envelope.env["CNI_CONTAINERID"] for file in tombstones(socket_path)
    ]
    assert found == ["first", "second"]


def test_a_del_under_a_named_socket_is_left_beside_that_one(shim, folder, socket_path):
    (folder / "b").mkdir()
    run(shim, stdin=json.dumps({"daemonSocketPath": f"{folder}/b/x.sock"}).encode(), env=call("DEL"))
    assert tombstones(socket_path) == []
    assert len(tombstones(folder / "b" / "x.sock")) == 1


@pytest.mark.parametrize("answer", [b"", GOPHER, b"hooknet/1 0 99\nhalf"])
def test_a_del_that_nobody_finished_leaves_a_tombstone(shim, socket_path, answer):
    def die(line):
        line.sendall(answer)
        line.close()

    with FakeDaemon(socket_path, die):
        assert run(shim, env=call("DEL")).returncode == 0
    assert len(tombstones(socket_path)) == 1


def test_a_tombstone_is_left_where_the_daemon_looks_whichever_socket_failed(make_shim, socket_path, folder):
    shim = make_shim()
    second = folder / "second.sock"
    shim.write_text(shim.read_text().replace(f'("{socket_path}",)', f'("{socket_path}", "{second}")'))
    with FakeDaemon(second, GOPHER):
        assert run(shim, env=call("DEL")).returncode == 0
    assert len(tombstones(socket_path)) == 1
    assert not (folder / "tombstones").exists()


def test_a_del_that_the_daemon_answered_leaves_none(shim, socket_path):
    with FakeDaemon(socket_path, said(0, b"")):
        assert run(shim, env=call("DEL")).returncode == 0
    assert tombstones(socket_path) == []


def test_a_link_in_the_place_of_the_folder_is_not_followed(shim, socket_path, folder):
    target = folder / "target"
    target.mkdir()
    (socket_path.parent / "tombstones").symlink_to(target)
    answer = run(shim, env=call("DEL"))
    assert (answer.returncode, list(target.iterdir())) == (0, [])
    assert b"no tombstone" in answer.stderr


# rootless


@needs_root
def test_a_rootless_caller_is_told_what_to_do_instead(shim):
    error = error_of(run(shim, user=NOBODY, group=NOBODY))
    assert error["code"] == 105
    assert "sudo podman run" in error["details"]


@needs_root
def test_a_rootless_del_succeeds_and_leaves_nothing(shim, socket_path):
    answer = run(shim, env=call("DEL"), user=NOBODY, group=NOBODY)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")
    assert tombstones(socket_path) == []


@needs_root
def test_the_root_of_an_ordinary_users_namespace_is_rootless_too(shim):
    words = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "unshare",
        "--user",
        "--map-root-user",
    ]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets no user make a user namespace")
    answer = subprocess.run(
        [*words, shim],
        input=b"{}",
        env=ADD | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert error_of(answer)["code"] == 105


def test_root_without_a_daemon_is_not_called_rootless(shim):
    if Path("/proc/self/uid_map").read_text().split()[1:] == ["0", "1"]:
        pytest.skip("this run is in a user namespace itself")
    assert error_of(run(shim))["code"] == (11 if os.geteuid() == 0 else 105)
