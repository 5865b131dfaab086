"""The bench's rooms are modules of `script/lib/bench`, which use the tests' lab."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "script" / "lib" / "bench"), str(ROOT / "tests" / "lab")]
