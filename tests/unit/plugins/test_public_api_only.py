"""hooknet's own plugins are made of what any author has: `import hooknet`, and nothing below it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"
LIBRARIES = {
    "hooknet_dns": {"dns"},
    "hooknet_exec": set(),
    "hooknet_host_access": {"pyroute2"},
    "hooknet_short_lease": set(),
    "hooknet_static_mac": set(),
}


def imported(path):
    """The modules that a file imports, whole names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("plugin", sorted(LIBRARIES))
def test_a_plugin_imports_hooknet_and_nothing_below_it(plugin):
    files = sorted((PLUGINS / plugin).rglob("*.py"))
    assert files
    found = {name for path in files for name in imported(path)}
    foreign = {
        name
        for name in found
        if name.split(".")[0] not in sys.stdlib_module_names | {plugin, *LIBRARIES[plugin]}
    }
    assert foreign == {"hooknet"}


@pytest.mark.parametrize("plugin", sorted(LIBRARIES))
def test_a_plugin_tells_type_checkers_that_it_is_typed(plugin):
    assert (PLUGINS / plugin / "py.typed").exists()
