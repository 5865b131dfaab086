"""HOOKNET_LAB_HARDENED=1 starts a daemon as the unit runs it: its capabilities, its limits, its mounts.

What is done with it: test_hardened_scenarios.py.
"""

from __future__ import annotations

import resource
from pathlib import Path

from lab.hardened import SWITCH, setting, settings

from hooknet.kernel.capabilities import NEEDED


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


def test_the_switch_means_the_units_limits(lan, host, monkeypatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    daemon = host.daemon()
    daemon.start()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(setting("LimitNOFILE"), most)
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE) == (files, files)
    assert resource.prlimit(daemon.pid, resource.RLIMIT_CORE) == (0, 0)
