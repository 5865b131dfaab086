"""The commands against a (fake) daemon behind a real socket: what a person sees, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hooknet.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from pathlib import Path


def test_leases_are_a_table_with_aligned_columns(daemon: Any, hooknet: Any) -> None:
    code, shown, errors = hooknet("leases")
    assert (code, errors) == (0, "")
    title, *rows = shown.splitlines()
    assert title.split() == [
        "CONTAINER",
        "NETWORK",
        "IF",
        "ADDRESS",
        "STATE",
        "EXPIRES",
        "MAC",
        "SERVER",
        "PARENT",
    ]
    assert [row.split()[0] for row in rows] == ["db", "web"]
    for row in rows:
        assert row[title.index("ADDRESS") :].startswith("192.168.1.222/24")
        assert row[title.index("EXPIRES") :].startswith("in 12 h")


def test_leases_in_json_are_what_the_api_says(daemon: Any, hooknet: Any) -> None:
    code, shown, _ = hooknet("leases", "--format", "json")
    assert code == 0
    assert {lease["container"] for lease in json.loads(shown)["leases"]} == {"web", "db"}


def test_leases_of_one_network(daemon: Any, hooknet: Any) -> None:
    for words in (("leases", "--network", "iot"), ("leases", "db", "--network", "iot")):
        assert "db" in hooknet(*words)[1]
        assert "web" not in hooknet(*words)[1]


def test_no_leases_are_said_so(serve: Any, fake: Any, hooknet: Any) -> None:
    with serve(sources=fake.FakeSources(held=[])):
        assert hooknet("leases")[:2] == (0, "hooknet holds no leases\n")
        assert hooknet("leases", "--timing")[:2] == (0, "hooknet holds no leases\n")


def test_a_network_without_leases_is_named(daemon: Any, hooknet: Any) -> None:
    for words in (("leases", "--network", "iott"), ("leases", "web", "--network", "iott")):
        assert hooknet(*words)[:2] == (0, "hooknet holds no leases on network 'iott'\n")


def test_one_lease_in_full_says_who_changed_what(daemon: Any, hooknet: Any) -> None:
    code, shown, _ = hooknet("leases", "web")
    assert code == 0
    assert "mac        02:00:00:00:00:01 (static-mac)" in shown
    assert "routes     0.0.0.0/0 via 192.168.1.1, 10.0.0.0/8 on link" in shown
    assert "expires    in 12 h (" in shown
    assert "renews     6 h after it was obtained" in shown


def test_an_attachment_without_a_lease_of_ours_is_shown_without_one(
    serve: Any, fake: Any, hooknet: Any
) -> None:
    with serve(sources=fake.FakeSources(held=[fake.view("l2", state="L2", lease=None)])):
        assert "none of hooknet's" in hooknet("leases", "l2")[1]
        assert hooknet("leases")[1].splitlines()[1].split()[3:5] == ["-", "L2"]


def test_an_infinite_lease_never_expires(serve: Any, fake: Any, hooknet: Any) -> None:
    endless = fake.lease(lease_time=None, t1=None, t2=None)
    with serve(sources=fake.FakeSources(held=[fake.view(lease=endless)])):
        assert "never" in hooknet("leases")[1]
        assert "expires    never" in hooknet("leases", "web")[1]


def test_timing_shows_where_the_last_add_spent_its_time(daemon: Any, hooknet: Any) -> None:
    _, shown, _ = hooknet("leases", "web", "--timing")
    rows = [line.split() for line in shown.splitlines()[2:]]
    assert rows == [
        ["parsed", "0.40", "0.40"],
        ["linked", "5.00", "4.60"],
        ["bound", "9.75", "4.75"],
        ["configured", "12.50", "2.75"],
    ]


def test_timing_of_a_restored_attachment_says_why_there_is_none(serve: Any, fake: Any, hooknet: Any) -> None:
    with serve(sources=fake.FakeSources(held=[fake.view(timing={})])):
        assert "no timing" in hooknet("leases", "web", "--timing")[1]


def test_a_name_that_nobody_has_exits_4(daemon: Any, hooknet: Any) -> None:
    code, shown, errors = hooknet("leases", "nobody")
    assert (code, shown) == (4, "")
    assert errors == "hooknet: hooknet holds nothing for 'nobody'; `hooknet leases` lists what it holds\n"


@pytest.mark.parametrize("name", ["a b", "a/b", "ü", "..", "%41"])
def test_a_strange_name_is_asked_for_as_it_is(daemon: Any, hooknet: Any, name: Any) -> None:
    code, _, errors = hooknet("leases", name)
    assert code == 4
    assert errors.count("\n") == 1


def test_status_of_a_healthy_daemon(daemon: Any, hooknet: Any) -> None:
    code, shown, _ = hooknet("status")
    assert code == 0
    assert shown.splitlines()[0] == "hooknet 0.1.0: healthy, up 1 d 2 h, pid 4242"
    following = r"following unix:///run/podman/podman\.sock, 12 events, last event 1 min [3-5]\d s ago"
    assert re.search(following, shown)  # a minute and a half, and what a slow machine takes to say so
    assert "absent unix:///run/other.sock, 0 events: no such file" in shown
    assert "enp0s31f6 up, 2 attached" in shown
    assert "problems" not in shown


def test_status_of_a_sick_daemon_exits_1_and_says_what_why_and_what_to_do(
    serve: Any, fake: Any, hooknet: Any
) -> None:
    with serve(sources=fake.FakeSources(health=fake.sick())):
        code, shown, _ = hooknet("status")
        assert code == 1
        assert "NOT HEALTHY" in shown
        assert shown.endswith("  the journal can't be written; no space left on device; free some space\n")
        code, shown, _ = hooknet("status", "--format", "json")
        assert (code, json.loads(shown)["healthy"]) == (1, False)


@pytest.mark.parametrize(
    ("up", "carrier", "detail", "says"),
    [
        (True, True, "", "enp0s31f6 up, 2 attached"),
        (True, False, "", "enp0s31f6 up, no carrier, 2 attached"),
        (False, False, "", "enp0s31f6 down, 2 attached"),
        (False, False, "there is no such interface", "enp0s31f6 there is no such interface, 2 attached"),
    ],
)
def test_status_tells_a_parent_that_is_down_from_one_without_a_carrier(
    serve: Any, fake: Any, hooknet: Any, up: bool, carrier: bool, detail: str, says: str
) -> None:
    parent = fake.ParentView(name="enp0s31f6", up=up, carrier=carrier, attachments=2, detail=detail)
    with serve(sources=fake.FakeSources(health=fake.status(parents=(parent,)))):
        assert says in hooknet("status")[1]


def test_events_are_one_line_each_and_end_with_what_is_remembered(daemon: Any, hooknet: Any) -> None:
    daemon.publish("add", container="web", network="lan", ifname="eth0", address="192.168.1.7", ms=14.2)
    daemon.publish("podman", action="died", container="web")
    daemon.until(lambda: daemon.sources.bus._seq == 2)
    code, shown, _ = hooknet("events")
    first, second = shown.splitlines()
    assert code == 0
    assert first.endswith("  add         web/eth0@lan: attached address=192.168.1.7 took=14.2ms")
    assert second.endswith("  podman      web: podman says action=died")


def test_events_in_json_are_the_stream_as_it_is(daemon: Any, hooknet: Any) -> None:
    daemon.publish("add", container="web")
    daemon.until(lambda: daemon.sources.bus._seq == 1)
    _, shown, _ = hooknet("events", "--format", "json", "--kind", "add", "--since", "10m")
    assert json.loads(shown)["container"] == "web"


def test_following_goes_on_until_the_daemon_stops(daemon: Any, hooknet: Any) -> None:
    def life() -> None:
        daemon.until(lambda: daemon.sources.bus.subscribers == 1)
        daemon.publish("daemon", state="stopping")
        daemon.until(lambda: daemon.sources.bus._seq == 1)
        daemon.in_loop(daemon.server.stop())

    thread = threading.Thread(target=life)
    thread.start()
    code, shown, _ = hooknet("events", "--follow")
    thread.join()
    assert code == 0
    assert shown.endswith("daemon stopping, leases are kept\n")


def test_a_gap_in_the_events_is_shown(serve: Any, fake: Any, hooknet: Any) -> None:
    class Gap:
        def __init__(self) -> None:
            self.events = iter([{"kind": "dropped", "time": 0.0, "count": 7}])

        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Any:
            try:
                return next(self.events)
            except StopIteration:
                raise StopAsyncIteration from None

    sources = fake.FakeSources()
    sources.events = lambda **_options: Gap()
    with serve(sources=sources):
        assert "7 events were too fast" in hooknet("events")[1]


def test_reload_says_what_changed(daemon: Any, hooknet: Any) -> None:
    assert hooknet("reload")[:2] == (0, "daemon.log_level: info -> debug\n")


def test_reconcile_says_what_it_did_and_a_dry_run_what_it_would_do(daemon: Any, hooknet: Any) -> None:
    assert hooknet("reconcile")[1].startswith("done:\nACTION")
    assert hooknet("reconcile", "--dry-run")[1].startswith("would do:\nACTION")
    assert daemon.sources.asked == ["reconcile dry_run=False", "reconcile dry_run=True"]


def test_changing_without_being_root_says_sudo(serve: Any, hooknet: Any) -> None:
    with serve(owner=os.getuid() + 1):
        code, _, errors = hooknet("reload")
    assert code == 2
    assert "for root only" in errors
    assert "sudo" in errors


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("staus",), "did you mean status?"),
        (("plugins", "chek"), "did you mean check?"),
        (("leases", "--format", "jsn"), "did you mean json?"),
        (("leases", "--fromat", "json"), "did you mean --format?"),
        (("config",), "check|show"),
    ],
)
def test_a_slip_of_the_pen_exits_2_and_is_answered_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_help_has_a_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert [line for line in shown if re.match(rf" +{name}  +\w", line)], name


def test_no_daemon_exits_3_and_says_how_to_start_it(hooknet: Any, folder: Path) -> None:
    for words in (("status",), ("leases",), ("events",), ("reload",), ("reconcile",)):
        code, shown, errors = hooknet(*words)
        assert (code, shown) == (3, "")
        assert str(folder / "control.sock") in errors
        assert "systemctl start hooknet," in errors
        assert "hooknet daemon" in errors
        assert errors.count("\n") == 1


def test_a_socket_that_nobody_listens_on_any_more_is_no_daemon_either(hooknet: Any, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "control.sock"))
    assert hooknet("status")[0] == 3


def answering(folder: Path, answer: Any) -> Any:
    """A server that says `answer` to one caller."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "control.sock"))
    listening.listen()

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", 3),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 3),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 3),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", 3),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", 1),
        (b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}", 1),
    ],
)
def test_whatever_answers_instead_of_the_daemon_ends_in_one_sentence(
    hooknet: Any, folder: Path, answer: Any, code: Any
) -> None:
    thread = answering(folder, answer)
    found, shown, errors = hooknet("status")
    thread.join()
    assert (found, shown) == (code, "")
    assert errors.startswith("hooknet: the daemon")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("sent", [b'3\r\n{"k', b"1\r\n\n\r\n"], ids=["in a line", "between two"])
def test_a_daemon_that_breaks_off_in_the_middle_of_a_stream_exits_3(
    hooknet: Any, folder: Path, sent: bytes
) -> None:
    thread = answering(folder, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)
    code, _, errors = hooknet("events", "--follow")
    thread.join()
    assert code == 3
    assert "broke off" in errors


def test_without_a_command_all_of_them_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert set(COMMANDS) <= set(shown.err.split())


def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["nonsense"],
        ["leases", "--format", "xml"],
        ["status", "--watch", "0"],
        ["events", "--since", "x"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    assert "usage: hooknet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage", "says"),
    [
        (["leases", "--netwrk", "x"], "hooknet leases", "arguments: --netwrk; did you mean --network?"),
        (["leases", "web", "db"], "hooknet leases", "arguments: db"),
        (
            ["plugins", "list", "--wach=1"],
            "hooknet plugins list",
            "arguments: --wach=1; did you mean --watch?",
        ),
        (["install", "--dryrun"], "hooknet install", "did you mean --dry-run?"),
    ],
)
def test_an_unknown_option_shows_the_usage_of_its_command(
    capsys: pytest.CaptureFixture[str], words: Any, usage: Any, says: Any
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"usage: {usage} ")
    assert errors.rstrip().endswith(says)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("hooknet 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_that_starts_with_what_it_is_for(
    capsys: pytest.CaptureFixture[str], name: Any
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert "hooknet " + name in capsys.readouterr().out


def test_what_is_worth_knowing_is_told_by_a_healthy_daemon_too(serve: Any, fake: Any, hooknet: Any) -> None:
    known = fake.status(problems=(fake.Problem("podman is not followed", "no socket", "start it"),))
    with serve(sources=fake.FakeSources(health=known)):
        code, shown, _ = hooknet("status")
    assert code == 0
    assert shown.endswith("worth knowing:\n  podman is not followed; no socket; start it\n")
