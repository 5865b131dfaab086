"""The commented hooknet.toml: complete, and true."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

import pytest

from hooknet import config
from hooknet.binding import parse_duration
from hooknet.cli.settings import as_toml
from hooknet.install.plan import default_config
from hooknet.logs import plain

TEXT = default_config().decode()
WITHOUT_DEFAULT = {"hostname", "metric", "lease_time", "vendor_class"}


def uncommented():
    return re.sub(r"^#(?=[a-z_]+ = |\[)", "", TEXT, flags=re.MULTILINE)


def test_as_it_is_installed_it_changes_nothing():
    parsed = config.parse(TEXT, "hooknet.toml")
    assert parsed == config.Config()


def test_every_setting_may_be_uncommented():
    assert config.parse(uncommented(), "hooknet.toml").network["lan"]


def test_every_section_is_there():
    assert set(tomllib.loads(uncommented())) == {field.name for field in fields(config.Config)} - {"path"}


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("daemon", config.DaemonConfig()),
        ("podman", config.PodmanConfig()),
        ("netavark", config.NetavarkConfig()),
        ("plugins", config.PluginsConfig()),
        ("network", config.NetworkSettings()),
    ],
)
def test_every_setting_is_there_with_its_default(section, settings):
    written = tomllib.loads(uncommented())[section]
    written = written["lan"] if section == "network" else written
    wanted = {
        field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "settings"
    }
    assert {key for key, value in written.items() if not isinstance(value, dict)} == set(wanted)
    for key in set(wanted) - WITHOUT_DEFAULT:
        if isinstance(wanted[key], float):
            assert parse_duration(written[key]) == wanted[key]
        else:
            assert as_toml(written[key]) == as_toml(plain(wanted[key]))
