"""The operator's log: one line per event, who, what and how long; nothing hostile gets through."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hooknet import logs
from hooknet.lifecycle.bus import EventBus, EventKind
from hooknet.logids import CHOICES, LogId, id_of
from hooknet.model import PostLeaseReason, ReleaseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = {"container": "web", "container_id": "f" * 64, "network": "lan", "ifname": "eth0"}


@pytest.fixture
def lines() -> Iterator[Any]:
    """`lines(format, level)` sets the log up; what it returns gives the lines so far."""
    root, ours = logging.getLogger(), logging.getLogger("hooknet")
    before = (root.level, ours.level)
    handlers = []

    def start(log_format: Any = "text", level: Any = "info") -> Any:
        stream = io.StringIO()
        handlers.append(logs.setup(log_format, level, stream=stream))
        return lambda: stream.getvalue().splitlines()

    yield start
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(before[0])
    ours.setLevel(before[1])


def test_an_attach_is_one_line_that_says_who_what_and_how_long(lines: Any) -> None:
    shown = lines()
    logs.say(LogId.ADD, **WEB, address="192.168.1.7/24", server="192.168.1.1", ms=14.23)
    (line,) = shown()
    time, level, rest = line.split(None, 2)
    assert time.endswith("Z")
    assert level == "info"
    assert rest == "ADD web/eth0@lan: attached address=192.168.1.7/24 server=192.168.1.1 took=14.2ms"


def test_json_has_the_same_and_every_field_by_name(lines: Any) -> None:
    shown = lines("json")
    logs.say(LogId.ADD, **WEB, address="192.168.1.7/24", ms=14.23)
    (line,) = map(json.loads, shown())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "id": "ADD", "message": "attached", **WEB, "address": "192.168.1.7/24", "ms": 14.23,
    }  # fmt: skip


def test_an_event_of_the_bus_becomes_its_line(lines: Any) -> None:
    shown = lines()
    bus = EventBus()
    bus.listen(logs.log_event)
    bus.publish("release", **WEB, reason=ReleaseReason.NAK, address="192.168.1.7")
    (line,) = shown()
    assert "warning RELEASE_NAK web/eth0@lan: lease taken away by the server" in line
    assert line.endswith("by the server address=192.168.1.7")


def test_dhcp_messages_are_for_the_level_debug(lines: Any) -> None:
    shown = lines(level="info")
    event = {"kind": "dhcp", "direction": "sent", "message": "DISCOVER", **WEB}
    logs.log_event(event)
    assert shown() == []
    logs.set_level("debug")
    logs.log_event(event)
    assert "DHCP_SENT web/eth0@lan: sent message=DISCOVER" in shown()[0]


def test_every_kind_of_event_has_a_row_and_every_reason_an_id_of_its_own() -> None:
    assert set(CHOICES) | {"dropped"} == {kind.value for kind in EventKind}
    for kind, reasons in (("lease", PostLeaseReason), ("release", ReleaseReason)):
        ids = [id_of({"kind": kind, "reason": reason}) for reason in reasons]
        assert len(set(ids)) == len(reasons)
        assert CHOICES[kind].otherwise not in ids


def test_an_event_that_the_table_does_not_know_still_gets_a_line() -> None:
    assert id_of({"kind": "podman", "state": "surprised"}) is LogId.PODMAN_EVENT
    assert id_of({"kind": "lease"}) is LogId.LEASE_EVENT
    assert id_of({"kind": "something"}) is LogId.NOTE


@pytest.mark.parametrize(
    "evil", ["a\nb", "a\rb", "\x1b[2J", "\x9b31m", "a\u2028b", "a\u202eb", "\x00", "\x7f"]
)
def test_nothing_hostile_ends_a_line_or_steers_a_terminal(lines: Any, evil: Any) -> None:
    shown = lines()
    logs.say(LogId.ADD, container=evil, network="lan", ifname="eth0", hostname=evil)
    logging.getLogger("hooknet.dhcp").warning("the server says %s", evil)
    assert len(shown()) == 2
    assert not any(character in line for line in shown() for character in evil if not character.isprintable())


def test_a_line_is_bounded(lines: Any) -> None:
    shown = lines()
    logs.say(LogId.ADD, hostname="x" * 100_000)
    assert len(shown()[0]) <= logs.LIMIT


def test_a_line_without_an_id_says_where_it_comes_from(lines: Any) -> None:
    shown = lines()
    logging.getLogger("hooknet.podman.stream").warning("trying again in %s s", 2)
    assert shown()[0].endswith("warning NOTE podman.stream: trying again in 2 s")


def test_a_line_with_words_of_its_own_and_fields_has_both(lines: Any) -> None:
    shown = lines()
    extra = {"log_id": LogId.CNI_FAILED, "fields": {**WEB, "code": 11, "ms": 3.0}}
    logging.getLogger("hooknet.frontends").warning("%s failed", "ADD", extra=extra)
    assert shown()[0].endswith("warning CNI_FAILED web/eth0@lan: ADD failed code=11 took=3.0ms")


def test_other_libraries_are_heard_from_warning_on(lines: Any) -> None:
    shown = lines(level="debug")
    logging.getLogger("urllib3").info("chatter")
    logging.getLogger("urllib3").warning("careful")
    assert [line.split("NOTE ")[1] for line in shown()] == ["urllib3: careful"]


def failing() -> None:
    try:
        int("no\nnumber")
    except ValueError:
        logging.getLogger("hooknet.store").exception("can't write")


def test_an_exception_is_one_line_with_its_place_and_its_traceback_is_for_debug(lines: Any) -> None:
    shown = lines()
    failing()
    (line,) = shown()
    assert "can't write; ValueError: invalid literal" in line
    assert "no\nnumber" not in line
    assert "test_logs.py:" in line
    logs.set_level("debug")
    failing()
    assert any("Traceback" in line for line in shown())


def test_json_has_the_traceback_always(lines: Any) -> None:
    shown = lines("json")
    failing()
    (line,) = map(json.loads, shown())
    assert line["logger"] == "hooknet.store"
    assert "Traceback" in line["traceback"]


def test_setting_up_again_replaces_and_does_not_double(lines: Any) -> None:
    lines()
    shown = lines()
    logs.say(LogId.DAEMON_STARTED)
    assert len(shown()) == 1
    assert sum(handler.get_name() == "hooknet" for handler in logging.getLogger().handlers) == 1


def test_under_the_journal_lines_carry_a_priority_and_no_time() -> None:
    script = (
        "import os, sys; s = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}'\n"
        "from hooknet import logs; from hooknet.logids import LogId; logs.setup(); logs.say(LogId.ADD_FAILED)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, env=os.environ
    )
    assert done.stderr == "<4>warning ADD_FAILED attach failed\n"
