"""docs/reference/dhcp-conformance.md: the modules and tests that it names exist, and no line is left out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = "tests/unit/dhcp"
PAGE = (ROOT / "docs" / "reference" / "dhcp-conformance.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
CODECS_LINES = {1, *range(4, 13), 15, 16, 17, 18, *range(23, 30), 38}
MODULES = ("accept", "compose", "leases", "messages", "names", "options", "values", "wire")


def test_every_line_of_the_codec_has_a_row() -> None:
    numbered = [row for row in ROWS if row not in PAGE.partition("## Hostile input")[2]]
    lines = {int(number) for row in numbered for number in row.split("|")[1].split(",")}
    assert lines >= CODECS_LINES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "row " + row.split("|")[1].strip())
def test_every_row_names_tests_that_exist(row: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
    assert named
    for path, function in named:
        file = ROOT / (path if "/" in path else f"{HERE}/{path}")
        assert f"\ndef {function}(" in file.read_text(encoding="utf-8"), f"{path} has no {function}"


def test_every_function_that_is_named_exists() -> None:
    named = re.findall(r"`(" + "|".join(MODULES) + r")\.(\w+)`", PAGE)
    assert len(named) > 20
    for module, function in named:
        assert hasattr(importlib.import_module(f"hooknet.dhcp.{module}"), function), f"{module}.{function}"


def test_every_file_that_is_named_exists() -> None:
    for path in re.findall(r"`((?:hooknet|script)/[\w/.]+)`", PAGE):
        assert (ROOT / path).exists(), path
