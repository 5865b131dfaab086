"""The plugin as hooknet loads it: inert until configured, with dnspython and labels only where they are needed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import tomllib
from pathlib import Path

import pytest

import hooknet
from hooknet.testing.plugins import PluginHarness
from hooknet_dns import make_plugin
from hooknet_dns.keys import KeyFileError
from hooknet_dns.turns import Turns

EXAMPLES = Path(__file__).parents[4] / "examples/dns"


def settings(tmp_path: Path, **more: object) -> dict[str, object]:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("k:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZg==\n", encoding="utf-8")
    return {"name": "{name}.lan.example", "servers": ["192.0.2.53"], "key_file": str(key), **more}


def test_it_is_inert_where_every_network_is_off() -> None:
    assert PluginHarness(make_plugin, settings={"mode": "off"}, name="dns").inert


def test_it_listens_to_leases_and_asks_nothing_of_podman(tmp_path: Path) -> None:
    plugin = PluginHarness(make_plugin, settings=settings(tmp_path), name="dns")
    assert plugin.hooks == ("post_lease", "release")
    assert "container" not in plugin.takes("post_lease") | plugin.takes("release")


def test_a_template_with_a_label_asks_podman_for_the_container(tmp_path: Path) -> None:
    labelled = {"networks": {"lan": {"name": "{label:dns}.lan.example"}}}
    plugin = PluginHarness(make_plugin, settings=settings(tmp_path, **labelled), name="dns")
    assert "container" in plugin.takes("post_lease")


def test_a_key_that_can_not_be_had_is_said_when_the_plugin_is_loaded(tmp_path: Path) -> None:
    given = settings(tmp_path)
    Path(str(given["key_file"])).chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        PluginHarness(make_plugin, settings=given, name="dns")


def test_it_is_not_loaded_with_a_key_in_its_representation(tmp_path: Path) -> None:
    plugin = PluginHarness(make_plugin, settings=settings(tmp_path), name="dns")
    assert "MDEyMzQ1" not in repr(plugin.plugin) + repr(vars(plugin.plugin))


def run(code: str) -> str:
    """In an interpreter of its own: what is imported can't be told here."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hosts_mode_does_not_import_dnspython(tmp_path: Path) -> None:
    code = f"""
        import sys
        from hooknet.testing.plugins import PluginHarness
        from hooknet_dns import make_plugin
        given = {{"mode": "hosts", "name": "{{name}}", "hosts_dir": "{tmp_path / "hosts"}"}}
        PluginHarness(make_plugin, settings=given, name="dns").post_lease()
        print("dns" in sys.modules)
    """
    assert run(code) == "False"


def test_without_dnspython_the_update_mode_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
        import sys
        sys.modules["dns"] = None
        from hooknet.hooks.loading import import_hint, within
        from hooknet.testing.plugins import PluginHarness
        from hooknet_dns import make_plugin
        try:
            within(5, lambda: PluginHarness(make_plugin, settings={settings(tmp_path)!r}, name="dns"))
        except Exception as error:
            print(error)
    """
    assert "pip install dnspython beside hooknet" in run(code)


def test_a_disk_that_is_full_means_retry(tmp_path: Path) -> None:
    given = {"mode": "hosts", "name": "{name}", "hosts_dir": str(tmp_path / "hosts")}
    plugin = PluginHarness(make_plugin, settings=given, name="dns", state_dir=tmp_path)
    (tmp_path / "registered.db").unlink()
    (tmp_path / "registered.db").mkdir()
    with pytest.raises(hooknet.Retry, match="unable to open database file"):
        plugin.post_lease()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tomllib.loads(path.read_text(encoding="utf-8"))["plugins"]["dns"]
    key = Path(str(settings(tmp_path)["key_file"]))
    key.write_text(
        "\n".join(f"{name}:hmac-sha256:MDEyMzQ1" for name in ("hooknet", "guests")), encoding="utf-8"
    )
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "dns-key").hardlink_to(key)
    ours = {"key_file": str(key)} if "key_file" in table else {}
    where = {"hosts_dir": str(tmp_path / "hosts")} | ours
    table |= where | ({"key": "hooknet"} if "key_file" in table or "key_credential" in table else {})
    assert not PluginHarness(make_plugin, settings=table, name="dns", state_dir=tmp_path).inert


def test_there_are_examples_of_both_modes() -> None:
    assert {path.name for path in EXAMPLES.glob("*.toml")} >= {"update.toml", "hosts.toml"}


def test_one_attachment_has_one_thread_at_a_time() -> None:
    turns, key, other = Turns(), ("a", "b", "c"), ("x", "y", "z")
    with turns.wait(key):
        with turns.attempt(key) as alone:
            assert not alone
        with turns.attempt(other) as alone:
            assert alone
        entered = threading.Event()
        waiter = threading.Thread(target=lambda: enter_and_set(turns, key, entered))
        waiter.start()
        assert not entered.wait(0.05)
    waiter.join(5)
    assert entered.is_set()
    with turns.attempt(key) as alone:
        assert alone


def enter_and_set(turns: Turns, key: tuple[str, str, str], entered: threading.Event) -> None:
    with turns.wait(key):
        entered.set()
