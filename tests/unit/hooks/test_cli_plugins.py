"""`hooknet plugins …`: what it prints, what it asks the daemon, how it exits."""

from __future__ import annotations

import argparse
import json
import sys

import pytest

from hooknet.cli import plugins, reading
from hooknet.errors import CODES, EXIT_USAGE, HooknetError
from hooknet.hooks import checking

ROW = {
    "name": "dns",
    "version": "1.2",
    "distribution": "acme-dns",
    "hooks": ["post_lease", "release"],
    "state": "active",
    "calls": 7,
    "failures": 0,
    "p50_ms": 1.5,
    "p95_ms": 3.0,
    "last_error": None,
}


class FakeClient:
    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    def get(self, path):
        self.asked.append(("GET", path))
        return {"plugins": list(self.rows)}

    def post(self, path):
        self.asked.append(("POST", path))
        return self.rows[0] | {"state": "disabled" if path.endswith("disable") else "active"}


@pytest.fixture
def client(monkeypatch):
    made = FakeClient(ROW)
    monkeypatch.setattr(reading, "client", lambda _args: made)
    monkeypatch.delenv("COLUMNS", raising=False)
    return made


def hooknet(*words):
    parser = argparse.ArgumentParser()
    plugins.add_parser(parser.add_subparsers(dest="command"))
    return plugins.run(parser.parse_args(["plugins", *words]))


@pytest.mark.parametrize("words", [(), ("list",)])
def test_list_shows_who_from_where_what_and_how_it_went(client, capsys, words):
    assert hooknet(*words) == 0
    assert client.asked == [("GET", "/v1/plugins")]
    out = capsys.readouterr().out
    for word in ("dns", "acme-dns", "1.2", "post_lease,release", "active", "7", "1.5", "3.0"):
        assert word in out


@pytest.mark.parametrize(
    ("state", "code"), [("active", 0), ("inert", 0), ("disabled", 0), ("failed", 1), ("quarantined", 1)]
)
def test_fault_21_a_plugin_that_can_not_be_used_is_exit_code_1_with_the_reason(client, capsys, state, code):
    client.rows = (ROW | {"state": state, "last_error": "it exploded"},)
    assert hooknet() == code
    assert "it exploded" in capsys.readouterr().out


def test_what_is_wrong_is_shown_uncut_in_a_narrow_terminal_too(client, capsys, monkeypatch):
    complaint = (
        "post_lease: asks for another try: " + "the DNS server has another secret for the key hooknet " * 3
    )
    client.rows = (
        ROW | {"last_error": complaint},
        ROW | {"name": "exec", "state": "inert", "reason": "idle"},
    )
    monkeypatch.setenv("COLUMNS", "80")
    assert hooknet() == 0
    *rows, below = capsys.readouterr().out.rstrip("\n").split("\n")
    assert below == f"dns: {complaint}"
    assert [len(row) <= 80 for row in rows] == [True] * 3


def test_list_without_plugins_says_so(client, capsys):
    client.rows = ()
    assert hooknet() == 0
    assert "no plugins" in capsys.readouterr().out


def test_list_as_json_is_what_the_api_says(client, capsys):
    hooknet("list", "--format", "json")
    assert json.loads(capsys.readouterr().out) == {"plugins": [ROW]}


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_enable_and_disable_go_to_the_daemon(client, capsys, verb):
    assert hooknet(verb, "dns") == 0
    assert client.asked == [("POST", f"/v1/plugins/dns/{verb}")]
    assert capsys.readouterr().out.strip() == f"dns: {'active' if verb == 'enable' else 'disabled'}"


@pytest.fixture
def installed(site, monkeypatch):
    """`check` finds only what the test installs."""
    real = checking.Plugins

    class Here(real):
        @classmethod
        def load(cls, config, state_dir, **_):
            return real(site.loader(state_dir), config)

    monkeypatch.setattr(checking, "Plugins", Here)
    return site


def test_fault_21_check_validates_everything_without_a_daemon(installed, capsys, tmp_path):
    good = "import hooknet\n@hooknet.hookimpl\ndef release(): ...\n"
    installed.install("check_good", good, entry_points={"good": "check_good"})
    config = tmp_path / "hooknet.toml"
    config.write_text("")
    assert hooknet("check", "--config", str(config)) == 0
    assert "good" in capsys.readouterr().out
    installed.install("check_bad", "1 / 0", entry_points={"bad": "check_bad"})
    assert hooknet("check", "--config", str(config), "--format", "json") == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["plugins"]}
    assert rows["good"]["state"] == "active"
    assert rows["bad"]["state"] == "failed"
    assert "ZeroDivisionError" in rows["bad"]["reason"]


def test_check_says_what_is_wrong_with_settings(installed, capsys, tmp_path):
    installed.install(
        "check_two",
        "import hooknet\n@hooknet.hookimpl\ndef release(): ...\n",
        entry_points={"x": "check_two"},
    )
    config = tmp_path / "hooknet.toml"
    config.write_text("[plugins.x]\nurl = 1\n[plugins.y]\n")
    assert hooknet("check", "--config", str(config)) == 1
    out = capsys.readouterr().out
    assert "unknown key 'url'" in out
    assert "no installed package offers it" in out


def test_new_writes_a_package_and_never_over_another(capsys, tmp_path):
    assert hooknet("new", "mine", "--directory", str(tmp_path)) == 0
    assert (tmp_path / "hooknet-mine" / "pyproject.toml").exists()
    said = capsys.readouterr().out
    assert f"cd {tmp_path / 'hooknet-mine'} && {sys.executable} -m pip install '.[test]'" in said
    with pytest.raises(HooknetError, match="is there already"):
        hooknet("new", "mine", "--directory", str(tmp_path))
    with pytest.raises(
        HooknetError, match="No such file or directory; --directory names a folder that is there"
    ):
        hooknet("new", "mine", "--directory", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["Mine", "my plugin", "../x", "allow", ""])
def test_new_refuses_names_that_a_plugin_can_not_have(tmp_path, name):
    with pytest.raises(HooknetError, match="can't be a plugin's name") as caught:
        hooknet("new", name, "--directory", str(tmp_path))
    assert CODES[caught.value.kind].exit == EXIT_USAGE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["dns", "static-mac", "static_mac"])
def test_new_refuses_a_name_that_is_taken_because_neither_would_be_loaded(tmp_path, name):
    taken = name.replace("_", "-")
    with pytest.raises(HooknetError, match=f"a plugin {taken} already.*from hooknet.*choose another name"):
        hooknet("new", name, "--directory", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
