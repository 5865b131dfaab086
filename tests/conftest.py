"""What every test run shares: the lab's fixtures, the world that it lives in, and the choice of long tests.

Labs are built in a world of their own (script/world). A run by root that may meet lab tests moves into one
before it collects anything; a run by anyone else stays where it is, and says loudly what it had to skip.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # how long an example takes says more of the machine than of the code

TESTS = Path(__file__).resolve().parent
sys.path.append(str(TESTS / "lab"))  # `lab` is a package that tests and script/demo share

from lab import world  # noqa: E402 - found on the path that was just set

pytest_plugins = ["lab.fixtures"]

LAB_FOLDERS = [TESTS / "lab", TESTS / "crash"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_cmdline_main(config: pytest.Config) -> None:
    if os.geteuid() == 0 and not world.inside() and may_meet_the_lab(config):
        world.move_in([sys.executable, "-m", "pytest", *config.invocation_params.args])


def may_meet_the_lab(config: pytest.Config) -> bool:
    """Whether an argument lies in a folder of lab tests, or above one."""
    chosen = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    return any(
        path.is_relative_to(folder) or folder.is_relative_to(path)
        for path in chosen
        for folder in LAB_FOLDERS
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `long` run when asked for by `--long`, or by name."""
    if config.getoption("--long") or any("::" in argument for argument in config.args):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Skipped labs and payloads are no success: say so where it can't be missed."""
    all_skipped = terminalreporter.stats.get("skipped", [])
    unread = [report for report in all_skipped if "no DHCP corpus" in str(report.longrepr)]
    if unread:
        terminalreporter.section("real payloads were not decoded", red=True)
        why = str(unread[0].longrepr[2]).removeprefix("Skipped: ")
        terminalreporter.line(f"{len(unread)} tests were skipped: {why}", red=True)
    skipped = [report for report in all_skipped if "no lab:" in str(report.longrepr)]
    if skipped:
        terminalreporter.section("the lab was not built", red=True)
        terminalreporter.line(
            f"{len(skipped)} lab tests were skipped, so nothing here was shown to work.", red=True
        )
        terminalreporter.line(str(skipped[0].longrepr[2]).removeprefix("Skipped: "))
