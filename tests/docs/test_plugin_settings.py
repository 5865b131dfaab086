"""Every setting of hooknet's own plugins is in the plugin's page, down to the tables within tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from hooknet.hooks.loading import FIRST_PARTY
from hooknet.hooks.settings import config_type_of

PAGES = Path(__file__).parents[2] / "docs" / "plugins"
OURS = sorted(
    (one for one in entry_points(group="hooknet") if one.dist is not None and one.dist.name == FIRST_PARTY),
    key=lambda one: one.name,
)


def settings_of(kind: Any) -> Iterator[str]:
    """The names of a dataclass's fields, and those of the dataclasses in their annotations."""
    annotations = get_type_hints(kind)
    for field in fields(kind):
        yield field.name
        for inner in dataclasses_in(annotations[field.name]):
            yield from settings_of(inner)


def dataclasses_in(annotation: Any) -> Iterator[Any]:
    if is_dataclass(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from dataclasses_in(argument)


def test_the_plugins_of_hooknet_are_these() -> None:
    assert [one.name for one in OURS] == ["dns", "exec", "host-access", "short-lease", "static-mac"]


@pytest.mark.parametrize("plugin", OURS, ids=lambda one: one.name)
def test_each_setting_of_a_plugin_is_in_its_page(plugin: Any) -> None:
    page = (PAGES / f"{plugin.name}.md").read_text(encoding="utf-8")
    kind = config_type_of(plugin.load())
    missing = [] if kind is None else [name for name in settings_of(kind) if f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize("plugin", OURS, ids=lambda one: one.name)
def test_each_plugin_is_in_the_list_of_plugins(plugin: Any) -> None:
    assert f"[{plugin.name}]({plugin.name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")
