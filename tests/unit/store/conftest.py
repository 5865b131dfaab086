"""A journal on a real disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hooknet.store.journal import Journal

sys.path.insert(0, str(Path(__file__).parent))  # the samples lie beside

from journal_samples import WALL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hooknet.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path, wall=lambda: WALL)
    journal.open()
    yield journal
    journal.close()
