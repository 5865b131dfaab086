"""Every lab scenario with daemons that run as the unit runs them: its capabilities, its mounts, a read-only system.

What differs between a daemon that a test starts and the one that is installed must make no difference to any test.
`HOOKNET_LAB_HARDENED=1 pytest tests/lab/…` does the same for one file by hand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from lab.hardened import SWITCH, settings
from lab.process import run
from lab.world import SCRIPT

from hooknet.kernel.capabilities import NEEDED

HERE = Path(__file__).parent
HAVE_NO_DAEMON_OF_THE_LAB = {
    "test_activation.py",
    "test_doctor.py",
    "test_hardened.py",
    "test_install.py",
    "test_lab_itself.py",
    "test_readme_install.py",
    "test_scripts.py",
    "test_systemd.py",
}
FOLDERS = {"cni", "plugins"}
SCENARIOS = sorted({path.name for path in HERE.glob("test_*.py")} - HAVE_NO_DAEMON_OF_THE_LAB | FOLDERS)
PATIENCE = 1800.0


def test_the_switch_means_the_units_capabilities(lan, host, monkeypatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    daemon = host.daemon()
    daemon.start()
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    held = next(line for line in status.splitlines() if line.startswith("CapBnd"))
    assert int(held.split()[1], 16) == sum(1 << bit for bit in NEEDED.values())
    assert len(settings("CapabilityBoundingSet")) == len(NEEDED)
    assert "NoNewPrivs:\t1" in status


def test_the_switch_means_a_slave_of_the_mounts_and_a_read_only_system(lan, host, monkeypatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    daemon = host.daemon()
    daemon.start()
    mounts = Path(f"/proc/{daemon.pid}/mountinfo").read_text().splitlines()
    assert all("shared:" not in line for line in mounts)
    [root] = [line for line in mounts if line.split()[4] == "/"]
    assert root.split()[5].split(",")[0] == "ro"


@pytest.mark.long
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("name", SCENARIOS)
def test_everything_works_as_the_unit_runs_it(name: str) -> None:
    tests = [sys.executable, "-m", "pytest", "-q", "--long", "-p", "no:cacheprovider", HERE / name]
    done = run([SCRIPT, *tests], env={**os.environ, SWITCH: "1"}, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-20_000:]
    assert "passed" in done.stdout
