"""README shows only what works: its configuration is loaded as a daemon would load it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hooknet import config
from hooknet.cni.netconf import Addresses
from hooknet.cni.request import parse
from hooknet.hooks.checking import check_all

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_its_configuration_is_valid_and_its_plugins_load(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "hooknet.toml"
    file.write_text(text, encoding="utf-8")
    loaded = config.load(file)
    reports = {report.name: report for report in check_all(loaded)}
    assert loaded.plugins.settings
    for name in loaded.plugins.settings:
        assert (reports[name].state, reports[name].reason) == ("active", "")


@pytest.mark.parametrize("text", blocks("json"))
def test_its_conflists_are_understood(text: str) -> None:
    conflist = json.loads(text)
    (plugin,) = conflist.pop("plugins")
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c0ffee",
        "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/x",
    }
    request = parse(plugin["type"], env, json.dumps(conflist | plugin).encode())
    assert (request.wanted.parent, request.wanted.addresses) == ("enp0s31f6", Addresses.LEASED)
