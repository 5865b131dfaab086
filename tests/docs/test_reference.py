"""The reference knows everything: a command, option, key, metric, log id, path, event kind that it lacks fails here.

And the other way round where it is cheap: what the reference lists must exist, and its samples must be real output.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hooknet import config
from hooknet.cli.completion import Node, tree
from hooknet.cli.main import COMMANDS, main, parser_for
from hooknet.cli.settings import as_toml
from hooknet.errors import EXIT_DAEMON_UNREACHABLE, EXIT_NOT_FOUND, EXIT_OK, EXIT_UNHEALTHY, EXIT_USAGE
from hooknet.frontends.control.access import LIMITS
from hooknet.frontends.control.openapi import PATHS
from hooknet.frontends.control.schemas import LEASE
from hooknet.frontends.metrics import Metrics
from hooknet.hooks.settings import CommonSettings
from hooknet.lifecycle import bus
from hooknet.lifecycle.planner import Act
from hooknet.logids import LogId
from hooknet.logs import LIMIT, plain
from hooknet.netavark.options import LINK_KEYS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error"}


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    assert f"\n{heading}\n" in text, f"there is no heading {heading!r}"
    rest = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The rows of every table, cell by cell, without titles."""
    found = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [cells for cells in found if cells[0].startswith("`")]


def in_code(text: str) -> set[str]:
    """Every word that stands in `code`; blocks of code are samples and document nothing."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {word for code in re.findall(r"`([^`\n]+)`", prose) for word in re.split(r"[\s|\\,]+", code)}


COMMAND_NODES = [node for node in tree("hooknet", parser_for(COMMANDS)) if node.path.count(" ") == 1]
BELOW = [node for node in tree("hooknet", parser_for(COMMANDS)) if node.path.count(" ") == 2]


@pytest.mark.parametrize("node", COMMAND_NODES, ids=lambda node: node.path)
def test_every_command_has_its_section_with_every_option(node: Node) -> None:
    text = section(page("cli.md"), f"## {node.path}")
    known = in_code(text)
    for option in node.options:
        for name in option.names:
            assert name in known or name in {"-h", "--help"}, f"{node.path} {name} is not documented"


@pytest.mark.parametrize("node", BELOW, ids=lambda node: node.path)
def test_every_command_below_a_command_is_named_with_every_option(node: Node) -> None:
    parent = node.path.rpartition(" ")[0]
    text = section(page("cli.md"), f"## {parent}")
    assert f"`{node.path}" in text, f"{node.path} is not documented"
    for option in node.options:
        for name in option.names:
            assert name in in_code(text) or name in {"-h", "--help"}, f"{node.path} {name} is not documented"


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    text = page("cli.md")
    assert set(re.findall(r"^## (hooknet .+)$", text, re.MULTILINE)) == {node.path for node in COMMAND_NODES}
    known = {name for node in (*COMMAND_NODES, *BELOW) for option in node.options for name in option.names}
    assert {word for word in in_code(text) if word.startswith("--")} <= known | {"--version", "--help"}


def test_the_exit_codes_are_documented() -> None:
    codes = re.findall(r"^\| (\d) \|", section(page("cli.md"), "## Exit codes"), re.MULTILINE)
    expected = [EXIT_OK, EXIT_UNHEALTHY, EXIT_USAGE, EXIT_DAEMON_UNREACHABLE, EXIT_NOT_FOUND]
    assert [int(code) for code in codes] == expected


def test_every_action_of_a_reconcile_is_documented() -> None:
    known = {cells[0].strip("`") for cells in rows(section(page("cli.md"), "## hooknet reconcile"))}
    assert {act.value for act in Act} == {name for name in known if not name.startswith("-")}


SECTIONS = [
    ("## [daemon]", config.DaemonConfig()),
    ("## [podman]", config.PodmanConfig()),
    ("## [netavark]", config.NetavarkConfig()),
    ("## [plugins]", config.PluginsConfig()),
    ("### [plugins.NAME]", CommonSettings()),
    ("## [network.NAME]", config.NetworkSettings()),
]


@pytest.mark.parametrize(("heading", "defaults"), SECTIONS, ids=lambda value: str(value)[:20])
def test_every_key_of_the_configuration_is_documented_with_its_default(heading: str, defaults: Any) -> None:
    text = section(page("configuration.md"), heading).split("\n### ")[0]
    documented = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(text)}
    expected = {
        field.name: as_toml(plain(getattr(defaults, field.name)))
        for field in fields(defaults)
        if field.name != "settings"
    }
    assert documented == expected


def test_every_option_of_the_driver_is_documented_and_no_other() -> None:
    text = section(page("netavark.md"), "### Options of a network")
    documented = {cells[0].strip("`") for cells in rows(text)}
    assert documented == set(LINK_KEYS)
    assert in_code(text) >= {"acd", "lease_time"}
    assert "(configuration.md#networkname)" in text


def test_the_example_of_a_configuration_is_valid() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", page("configuration.md"), re.DOTALL)
    parsed = config.parse(example, "the example")
    assert parsed.settings_for("lan", {}).timeout == 15


def test_everything_that_can_be_suppressed_is_documented() -> None:
    (row,) = [cells for cells in rows(page("configuration.md")) if cells[0] == "`suppress`"]
    assert set(config.SUPPRESSIBLE) <= in_code(row[2])


def test_every_metric_is_documented_and_no_other() -> None:
    text = section(page("control-api.md"), "## Metrics")
    assert {cells[0].strip("`") for cells in rows(text)} == Metrics().names()


def test_every_log_id_is_documented_with_its_level_and_no_other() -> None:
    documented = {cells[0].strip("`"): cells[1] for cells in rows(section(page("logs.md"), "## Ids"))}
    expected = {log_id.name: LEVELS[log_id.level] for log_id in LogId} | {"NOTE": "any"}
    assert documented == expected
    assert str(LIMIT) in page("logs.md")


def test_every_path_of_the_control_api_is_documented_with_its_methods_and_no_other() -> None:
    documented = {
        cells[0].strip("`"): cells[1] for cells in rows(section(page("control-api.md"), "## Paths"))
    }
    assert documented == {path: ", ".join(methods).upper() for path, methods in PATHS.items()}


def test_every_parameter_of_a_path_is_documented() -> None:
    text = section(page("control-api.md"), "## Paths")
    for path, methods in PATHS.items():
        (row,) = [cells for cells in rows(text) if cells[0] == f"`{path}`"]
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    assert f"?{parameter['name']}=" in row[2]


def test_every_field_of_a_lease_is_documented_and_no_other() -> None:
    table = rows(section(page("control-api.md"), "## A lease"))
    assert {name for cells in table for name in in_code(cells[0]) if name} == set(LEASE["properties"])


def test_every_kind_of_event_is_documented_and_no_other() -> None:
    table = rows(section(page("control-api.md"), "## Events"))
    assert [cells[0].strip("`") for cells in table] == [kind.value for kind in bus.EventKind]


def test_the_bounds_in_the_text_are_those_of_the_code() -> None:
    text = " ".join(page("control-api.md").split())
    assert f"{LIMITS.head_deadline:g} seconds for its head" in text
    assert f"an answer within {LIMITS.answer_deadline:g} seconds" in text
    assert f"longer than {LIMITS.body // 1024} KiB" in text
    assert f"{LIMITS.connections} connections at once, {LIMITS.streams} of them event streams" in text
    assert f"latest {bus.HISTORY} events; a stream holds back {bus.DEPTH} for" in text
    assert f"latest {bus.HISTORY} events" in " ".join(page("cli.md").split())


def fakes() -> Any:
    """The fake daemon of the control API's tests."""
    name = "control_fakes"
    if name not in sys.modules:
        place = ROOT / "tests" / "unit" / "control" / "fakes.py"
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


SAMPLES = dict(re.findall(r"<!-- sample: (.+?) -->\n```\n(.*?)```", page("cli.md"), re.DOTALL))


@pytest.mark.parametrize("words", SAMPLES)
def test_the_samples_of_output_are_real(words: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with (
        tempfile.TemporaryDirectory(prefix="hn-docs-") as folder,
        fakes().running(Path(folder), owner=os.getuid()),
    ):
        assert main([*words.split(), "--run-dir", folder]) == 0
    assert capsys.readouterr().out == SAMPLES[words]


def test_there_are_samples() -> None:
    assert set(SAMPLES) == {"status", "leases", "leases web --timing"}
