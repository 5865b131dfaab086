"""What `plugins new` writes and the example are complete: their own tests pass, and a loader finds them."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hooknet.config import PluginsConfig
from hooknet.hooks.loading import Loader
from hooknet.hooks.scaffold import write_package

EXAMPLE = Path(__file__).parents[3] / "examples" / "hooknet-webhook"


def own_tests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.ExitCode:
    """Run a package's tests in this process, with the package's own pytest settings."""
    monkeypatch.chdir(folder)
    return pytest.main([str(folder), "-q", "-p", "no:cacheprovider", "--import-mode=importlib"])


def forget(prefix: str) -> None:
    for name in [name for name in sys.modules if name == prefix or name.startswith(prefix + ".")]:
        del sys.modules[name]


def offered(folder: Path) -> list[EntryPoint]:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return [EntryPoint(name, value, "hooknet") for name, value in project["entry-points"]["hooknet"].items()]


def test_a_new_package_passes_its_own_tests_and_loads_by_its_entry_point(tmp_path, monkeypatch):
    folder = write_package("first-try", tmp_path)
    try:
        assert own_tests(folder, monkeypatch) == pytest.ExitCode.OK
        monkeypatch.syspath_prepend(str(folder))
        config = PluginsConfig(settings={"first-try": {"prefix": "lab-"}})
        rows = Loader(state_dir=tmp_path, discover=lambda: offered(folder)).load_all(config)
        assert [(row.name, row.state, row.reason) for row in rows] == [("first-try", "active", "")]
    finally:
        forget("hooknet_first_try")


def test_the_example_passes_its_own_tests_and_loads_by_its_entry_point(tmp_path, monkeypatch):
    try:
        assert own_tests(EXAMPLE, monkeypatch) == pytest.ExitCode.OK
        monkeypatch.syspath_prepend(str(EXAMPLE))
        config = PluginsConfig(settings={"webhook": {"url": "http://127.0.0.1:1/"}})
        rows = Loader(state_dir=tmp_path, discover=lambda: offered(EXAMPLE)).load_all(config)
        assert [(row.state, row.hooks) for row in rows] == [("active", ("post_lease", "release"))]
    finally:
        forget("hooknet_webhook")


def test_a_new_package_has_nothing_left_to_fill_in(tmp_path):
    folder = write_package("mine", tmp_path)
    for file in folder.rglob("*"):
        if file.is_file():
            assert "$" not in file.read_text(), file
