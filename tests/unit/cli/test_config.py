"""`hooknet config`: what is in force, where it comes from, and nothing that is secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from hooknet.cli.main import main
from hooknet.cli.settings import DEFAULT, MASK, effective

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
[daemon]
log-level = "debug"
grace_period = "10s"

[podman]
url = ["unix:///run/podman/podman.sock", "http://me:hunter2@host:8080"]

[plugins]
budget = 1

[plugins.dns]
server = "192.168.1.1"
ttl = 300
zones = ["lan.example"]
key_file = "KEYFILE"
tsig_key = "/aGVsbG8gd29ybGQ/hunter2="
hook = "https://user:hunter2@example.com/x"

[plugins.dns.keys]
home = "hunter2"
list = ["hunter2", "KEYFILE"]

[plugins.dns.keys.deep]
anything = "hunter2"

[plugins.webhook]
API-Token = "hunter2"
Password = "hunter2"

[network.lan]
timeout = 5
lease_time = "5m"
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    key = tmp_path / "tsig.key"
    key.write_text("secret")
    path = tmp_path / "hooknet.toml"
    path.write_text(FILE.replace("KEYFILE", str(key)))
    return path


@pytest.fixture
def settings(file: Path) -> Any:
    return {setting.key: setting for setting in effective(file)}


def test_what_the_file_says_comes_from_the_file_and_the_rest_is_default(file: Path, settings: Any) -> None:
    assert (settings["daemon.log_level"].value, settings["daemon.log_level"].origin) == ("debug", str(file))
    assert (settings["daemon.grace_period"].value, settings["daemon.grace_period"].origin) == (
        10.0,
        str(file),
    )
    assert settings["daemon.stop_timeout"].origin == DEFAULT
    assert (settings["plugins.budget"].value, settings["plugins.budget"].origin) == (1.0, str(file))


def test_a_network_shows_all_its_settings_and_the_others_have_the_defaults(file: Path, settings: Any) -> None:
    assert (settings["network.lan.lease_time"].value, settings["network.lan.lease_time"].origin) == (
        300.0,
        str(file),
    )
    assert settings["network.lan.acd"].origin == DEFAULT
    assert (settings["network.*.timeout"].value, settings["network.*.timeout"].origin) == (10.0, DEFAULT)


def test_no_secret_is_shown_in_any_form(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--origin"], ["--format", "json"]):
        assert main(["config", "show", "--config", str(file), *words]) == 0
        assert "hunter2" not in capsys.readouterr().out


def test_what_is_not_secret_is_shown(file: Path, settings: Any) -> None:
    assert settings["plugins.dns.server"].value == "192.168.1.1"
    assert settings["plugins.dns.ttl"].value == 300
    assert settings["plugins.dns.zones"].value == ["lan.example"]
    assert settings["plugins.dns.hook"].value == f"https://user:{MASK}@example.com/x"


def test_the_path_of_a_key_is_shown_since_that_is_how_keys_should_be_given(file: Path, settings: Any) -> None:
    key = str(file.with_name("tsig.key"))
    assert settings["plugins.dns.key_file"].value == key
    assert settings["plugins.dns.keys.list"].value == [MASK, key]


def test_a_key_that_begins_with_a_slash_is_no_path(settings: Any) -> None:
    assert settings["plugins.dns.tsig_key"].value == MASK


def test_json_has_key_value_and_origin(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "show", "--config", str(file), "--format", "json"])
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["daemon.log_level"] == {"key": "daemon.log_level", "value": "debug", "origin": str(file)}


def test_show_is_written_as_the_file_would_be(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "show", "--config", str(file)])
    assert 'daemon.log_level = "debug"\n' in capsys.readouterr().out


def test_a_good_file_is_ok(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith(f"ok: {file}, ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ok: nothing is set, everything has its default\n"),
        ("[network.lan]\nacd = 'off'", ", 1 setting\n"),
        ("[network.lan]\nacd = 'off'\nmetric = 5", ", 2 settings\n"),
    ],
)
def test_what_is_set_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: Any, says: Any
) -> None:
    path = tmp_path / "hooknet.toml"
    path.write_text(text)
    assert main(["config", "check", "--config", str(path)]) == 0
    assert capsys.readouterr().out.endswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[daemon]\nlog_levle = 'debug'", "did you mean 'log_level'?"),
        ("[deamon]", "did you mean 'daemon'?"),
        ("[network.lan]\ntimeout = 0", "give a time from 1 to 300 seconds"),
        ("x = ", "not valid TOML"),
    ],
)
def test_a_bad_file_exits_2_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: Any, says: Any
) -> None:
    path = tmp_path / "hooknet.toml"
    path.write_text(text)
    assert main(["config", "check", "--config", str(path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("hooknet: ")
    assert says in errors


def test_a_file_that_is_not_there_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--config", str(tmp_path / "none.toml")]) == 2
    assert "there is no configuration file" in capsys.readouterr().err
