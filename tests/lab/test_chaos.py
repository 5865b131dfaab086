"""script/chaos in small, as CI runs it: two hundred lives, and nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab.process import run

ROOT = Path(__file__).resolve().parents[2]
LIVES = 200
SEED = 1
AT_MOST = 900.0
"""Seconds; it takes about 300 on two busy cores."""


@pytest.mark.long
@pytest.mark.usefixtures("world")
def test_two_hundred_lives_among_crashes_lose_nothing() -> None:
    chaos = [sys.executable, "-m", "chaos", f"--lives={LIVES}", f"--seed={SEED}"]
    environment = {"PYTHONPATH": str(ROOT / "tests/lab")}
    done = run([ROOT / "script/world", *chaos], env=environment, timeout=AT_MOST)
    assert f"{LIVES} lives, seed {SEED}" in done.stdout
    assert "0 duplicate addresses" in done.stdout
    assert "nothing is left: no lease, no link" in done.stdout
