"""A fake daemon behind a real control socket, for the commands to talk to."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hooknet.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "control_fakes"
here = Path(__file__).parent
spec = importlib.util.spec_from_file_location(NAME, here.parent / "control" / "fakes.py")
fakes = sys.modules.get(NAME)
if fakes is None:
    fakes = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fakes)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of the terminal that runs the tests is nobody's business."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def fake() -> Any:
    """The module of the fakes: `fake.view(…)`, `fake.FakeSources(…)`."""
    return fakes


@pytest.fixture
def folder() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="hn-cli-") as path:
        yield Path(path)


@pytest.fixture
def serve(folder: Path) -> Any:
    """`with serve(sources=…) as running`: a daemon that takes orders from this test's user."""

    def start(**options: Any) -> Any:
        return fakes.running(folder, **({"owner": os.getuid()} | options))

    return start


@pytest.fixture
def daemon(serve: Any) -> Iterator[Any]:
    with serve() as running:
        yield running


@pytest.fixture
def hooknet(capsys: pytest.CaptureFixture[str], folder: Path) -> Any:
    """`hooknet("leases", "web")` runs the command against the fake daemon: exit code, output, errors."""

    def run(*words: Any) -> Any:
        code = main([*words, "--run-dir", str(folder)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
