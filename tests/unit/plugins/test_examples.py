"""The examples of hooknet's own plugins are valid, and do what their comments say."""

from __future__ import annotations

import json
import os
import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import hooknet
from hooknet import config
from hooknet.testing import make_attachment, make_container, make_request
from hooknet.testing.plugins import PluginHarness
from hooknet_exec.calls import Calls
from hooknet_exec.programs import Trust

EXAMPLES = Path(__file__).parents[3] / "examples"
OURS = ("exec", "host-access", "short-lease", "static-mac")


def configured(name):
    """The plugin as the example's hooknet.toml makes it, by its entry point."""
    path = EXAMPLES / name / "hooknet.toml"
    settings = dict(config.parse(path.read_text(encoding="utf-8"), str(path)).plugins.settings[name])
    for common in ("on_failure", "budget", "observer_timeout"):
        settings.pop(common, None)
    [entry_point] = [one for one in entry_points(group="hooknet") if one.name == name]
    return PluginHarness(entry_point.load(), settings=settings, name=name)


@pytest.mark.parametrize("name", OURS)
def test_the_configuration_of_an_example_makes_the_plugin(name):
    assert not configured(name).inert


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.conflist")), ids=lambda path: path.parent.name)
def test_a_conflist_of_an_example_is_a_network_of_hooknet(path):
    conflist = json.loads(path.read_text(encoding="utf-8"))
    assert path.stem == f"90-{conflist['name']}"
    assert conflist["plugins"][0]["type"] == "hooknet"


def test_short_lease():
    harness = configured("short-lease")

    def asked(name, network="lan", **labels):
        attachment = make_attachment(container_name=name, network=network)
        return harness.pre_lease(attachment, container=make_container(name=name, labels=labels)).lease_time

    assert (asked("web"), asked("db-1"), asked("x", "ci")) == (43200, None, 300)
    assert asked("db-1", **{"hooknet.lease": "2m"}) == 120


def test_static_mac():
    harness = configured("static-mac")
    assert harness.pre_lease(make_attachment()).mac == "02:00:00:00:10:01"
    other = harness.pre_lease(make_attachment(container_name="other")).mac
    assert other not in {make_request().mac, "02:00:00:00:10:01"}


def test_exec(tmp_path):
    hooks = tmp_path / "hooks"
    shutil.copytree(EXAMPLES / "exec" / "hooks", hooks)
    for path in (hooks, *hooks.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o022)  # whatever the umask of the checkout was
    trust = Trust(owner=os.getuid(), anchor=hooks)
    calls = Calls(hooks, {"pre_lease": 20.0}, None, trust)

    def asked(name):
        return calls.fold({"attachment": make_attachment(container_name=name), "request": make_request()})

    assert asked("web") == make_request()
    assert (asked("guest-1").lease_time, asked("guest-1").user_class) == (600, ("guest",))
    with pytest.raises(hooknet.Refused, match="reserved"):
        asked("admin")
    assert [len(trust.programs(hooks / f"{hook}.d").programs) for hook in ("post_lease", "release")] == [1, 1]
