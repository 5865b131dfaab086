"""Every lab scenario with daemons that run as the unit runs them: its capabilities, its mounts, a read-only system.

What differs between a daemon that a test starts and the one that is installed must make no difference to any test.
`HOOKNET_LAB_HARDENED=1 pytest tests/lab/…` does the same for one file by hand.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from lab.hardened import SWITCH
from lab.process import run
from lab.world import SCRIPT

TESTS = Path(__file__).parents[1]
HAVE_NO_DAEMON_OF_THE_LAB = {
    "lab/kernel",
    "lab/podman",
    "lab/test_hardened.py",
    "lab/test_hardened_scenarios.py",
    "lab/test_install.py",  # these three boot a systemd, which runs the unit itself
    "lab/test_readme_install.py",
    "lab/test_systemd.py",
    "lab/test_lab_itself.py",
    "lab/test_scripts.py",
}
FILES = {str(path.relative_to(TESTS)) for path in TESTS.glob("lab/test_*.py")}
FOLDERS = {"crash"} | {str(path.parent.relative_to(TESTS)) for path in TESTS.glob("lab/*/test_*.py")}
PATIENCE = 1800.0
"""Seconds for one of them."""
SKIPPED = re.compile(r"^SKIPPED \[\d+\] \S+ (.*)$", re.MULTILINE)

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("world")]


@pytest.mark.parametrize("name", sorted(FILES - HAVE_NO_DAEMON_OF_THE_LAB))
def test_every_file_works_as_the_unit_runs_it(name: str) -> None:
    works_as_the_unit_runs_it(name)


@pytest.mark.parametrize("name", sorted(FOLDERS - HAVE_NO_DAEMON_OF_THE_LAB))
def test_every_folder_works_as_the_unit_runs_it(name: str) -> None:
    works_as_the_unit_runs_it(name)


def works_as_the_unit_runs_it(name: str) -> None:
    """Nothing is skipped but for what the kernel lacks, which has nothing to do with the unit."""
    tests = [sys.executable, "-m", "pytest", "-q", "--long", "-p", "no:cacheprovider", TESTS / name]
    done = run([SCRIPT, *tests], env={**os.environ, SWITCH: "1"}, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    why = SKIPPED.findall(done.stdout)
    assert all("this kernel has no" in reason for reason in why), f"what hardening may not skip: {why}"
