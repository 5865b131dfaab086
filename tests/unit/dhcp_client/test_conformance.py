"""docs/reference/dhcp-client-conformance.md: what it names exists, and every fault of the client has a test."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = "tests/unit/dhcp_client"
PAGE = (ROOT / "docs" / "reference" / "dhcp-client-conformance.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]
FAULTS = (7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 35)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_row_names_code_and_tests_that_exist(row: str) -> None:
    _, _, where, shown, _ = row.split("|")
    for module, name in re.findall(r"`(\w+)\.(\w+)`", where):
        assert hasattr(importlib.import_module(f"hooknet.dhcp.{module}"), name), f"{module}.{name}"
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", shown)
    assert named
    for path, function in named:
        file = ROOT / (path if "/" in path else f"{HERE}/{path}")
        assert f"\ndef {function}(" in file.read_text(encoding="utf-8"), f"{path} has no {function}"


def test_every_departure_that_a_row_claims_is_explained() -> None:
    claimed = {int(number) for number in re.findall(r"\*\*departure (\d+)\*\*", PAGE)}
    explained = {int(number) for number in re.findall(r"^(\d+)\. \*\*", PAGE, flags=re.MULTILINE)}
    assert claimed <= explained
    assert explained == set(range(1, max(explained) + 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_the_client_has_a_test_by_name(fault: int) -> None:
    files = [*(ROOT / "tests" / "sim").glob("test_*.py"), *(ROOT / HERE).glob("test_*.py")]
    assert any(f"def test_fault_{fault}_" in file.read_text(encoding="utf-8") for file in files)
