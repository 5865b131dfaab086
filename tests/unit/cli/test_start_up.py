"""A command must not pay for the daemon: what it imports, and that the daemon gets its options."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from hooknet import config
from hooknet.cli import client
from hooknet.cli.main import COMMANDS, main, parser_for

HEAVY = {
    "aiohttp",
    "asyncio",
    "scapy",
    "pyroute2",
    "podman",
    "prometheus_client",
    "sqlite3",
}


@pytest.mark.parametrize(
    "words",
    [["leases"], ["status"], ["events"], ["reload"], ["reconcile", "--dry-run"]],
    ids=lambda words: words[0],
)
def test_a_client_command_imports_none_of_the_daemon_s_libraries(tmp_path: Path, words: Any) -> None:
    script = (
        "import sys; from hooknet.cli.main import main; code = main(sys.argv[1:]); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--run-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert set(done.stdout.split()) & HEAVY == set()


def test_the_client_knows_where_the_daemon_puts_its_sockets() -> None:
    assert client.RUN_DIR == config.DEFAULT_RUN_DIR
    defaults = parser_for(["daemon"]).parse_args(["daemon"])
    assert (defaults.run_dir, defaults.state_dir) == (config.DEFAULT_RUN_DIR, config.DEFAULT_STATE_DIR)


@dataclasses.dataclass
class Options:
    config: Path | None
    run_dir: Path
    state_dir: Path
    podman_urls: tuple[str, ...] | None
    log_format: str | None
    log_level: str | None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The options that each `hooknet daemon` was started with."""
    seen = []
    module = types.ModuleType("hooknet.daemon")
    module.Options = Options
    module.run = lambda options: seen.append(options) or 0
    monkeypatch.setitem(sys.modules, "hooknet.daemon", module)
    return seen


def test_the_daemon_gets_its_options(started: Any) -> None:
    words = [
        "--config",
        "/c",
        "--run-dir",
        "/r",
        "--state-dir",
        "/s",
        "--podman-url",
        "unix:///a",
        "--podman-url",
        "unix:///b",
    ]
    assert main(["daemon", *words, "--log-format", "json", "--log-level", "debug"]) == 0
    assert started == [
        Options(Path("/c"), Path("/r"), Path("/s"), ("unix:///a", "unix:///b"), "json", "debug")
    ]


def test_the_daemon_s_defaults_leave_the_choice_to_the_configuration(started: Any) -> None:
    main(["daemon"])
    assert started == [Options(None, Path("/run/hooknet"), Path("/var/lib/hooknet"), None, None, None)]


def test_an_empty_podman_url_follows_nobody(started: Any) -> None:
    main(["daemon", "--podman-url", ""])
    assert started[0].podman_urls == ()


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    script = "import sys; from hooknet.cli.main import main; sys.exit(main(['completion', 'bash']))"
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1" | head -c 1', sys.executable, script],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_each_command_is_found_by_its_module() -> None:
    assert set(COMMANDS) == set(parser_for(COMMANDS)._subparsers._group_actions[0].choices)
