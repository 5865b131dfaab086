"""Faults 19 to 21 with a real daemon: whatever a plugin does, others, containers and the daemon go on.

The watchdog is what systemd would hear: the daemon's own loop feeds it, so it is fed only while no plugin's code runs
there.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from lab import Daemon, Host, Lan, eventually
from lab.cni import netconf
from lab.package import make_wheel, pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WATCHDOG = 4.0
"""Seconds that the unit of this test would allow; the daemon says a word in half of them."""
BEATS = 3

RAISES = """
import hooknet

@hooknet.hookimpl
def pre_lease():
    raise ValueError("no such thing")

@hooknet.hookimpl
def post_lease():
    raise ValueError("no such thing")
"""
HANGS = """
import time, hooknet

@hooknet.hookimpl
def pre_lease():
    time.sleep(3600)

@hooknet.hookimpl
def post_lease():
    time.sleep(3600)
"""
WAITS = """
import asyncio, hooknet

@hooknet.hookimpl
async def pre_lease():
    await asyncio.sleep(3600)
"""
BLOCKS = """
import time, hooknet

@hooknet.hookimpl
async def pre_lease():
    time.sleep(3600)

@hooknet.hookimpl
async def post_lease():
    time.sleep(3600)
"""
SPINS = """
import hooknet

@hooknet.hookimpl
async def pre_lease():
    while True:
        pass
"""
WITNESS = """
from dataclasses import replace
import hooknet

@hooknet.hookimpl
def pre_lease(request):
    return replace(request, lease_time=777)

@hooknet.hookimpl
def post_lease(attachment, lease):
    import logging
    logging.getLogger("hooknet.plugins.witness").warning("saw %s", attachment.container_name)
"""
BUDGETS = """
[plugins.{name}]
budget = 0.3
observer_timeout = 0.3
on_failure = "{on_failure}"
"""


class Systemd:
    """The other end of NOTIFY_SOCKET. beats: when WATCHDOG=1 came, seconds of the monotonic clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.beats: list[float] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    @property
    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(WATCHDOG * 1e6))}

    def longest_pause(self, since: float) -> float:
        """Seconds, from `since` on and up to now."""
        times = [since, *(beat for beat in self.beats if beat > since), time.monotonic()]
        return max(after - before for before, after in itertools.pairwise(times))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"END", str(self.path))
        self._listener.join()
        self._socket.close()

    def _listen(self) -> None:
        while (message := self._socket.recv(4096)) != b"END":
            if message == b"WATCHDOG=1":
                self.beats.append(time.monotonic())


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    yield made
    made.close()


def daemon_with(
    host: Host, tmp_path: Path, plugins: dict[str, str], *, on_failure: str = "skip", **env: str
) -> Daemon:
    """A daemon beside which these plugins are installed, each by pip from a wheel of its own."""
    site = tmp_path / "site"
    for name, source in plugins.items():
        pip_install(make_wheel(tmp_path, name, source), site)
    config = "".join(
        BUDGETS.format(name=name, on_failure=on_failure) for name in plugins if name != "witness"
    )
    daemon = host.daemon(config, env={"PYTHONPATH": str(site), **env}, writable=[tmp_path])
    daemon.start()
    return daemon


def reports(daemon: Daemon) -> dict[str, dict[str, Any]]:
    rows = json.loads(daemon.hooknet("plugins", "--format", "json", check=False).stdout)["plugins"]
    return {row["name"]: row for row in rows}


def add_until_quarantined(host: Host, daemon: Daemon) -> int:
    """How many ADDs it took, each of them a success. A call that only waited for a blocked loop is no strike."""
    for adds in range(1, 10):
        host.cni.add(netconf(), host.cni.sandbox())
        if reports(daemon)["bad"]["state"] == "quarantined":
            daemon.wait_for("PLUGIN_TIMEOUT.*plugin=bad.*took more than 0.3 s")
            return adds
    raise AssertionError(f"no quarantine after {adds} ADDs: {reports(daemon)['bad']}")


@pytest.mark.parametrize(
    "bad",
    [HANGS, WAITS, BLOCKS, SPINS],
    ids=["a thread hangs", "a coroutine hangs", "its loop is blocked", "its loop spins"],
)
def test_fault_20_while_a_plugin_hangs_containers_start_and_the_watchdog_is_fed(
    lan: Lan, host: Host, tmp_path: Path, systemd: Systemd, bad: str
) -> None:
    daemon = daemon_with(host, tmp_path, {"bad": bad, "witness": WITNESS}, **systemd.environment)
    eventually(lambda: systemd.beats, within=WATCHDOG, what="the watchdog is fed")
    began = time.monotonic()
    adds = add_until_quarantined(host, daemon)
    assert daemon.hooknet("plugins", check=False).returncode == 1, "a quarantined plugin needs a person"
    quick = host.cni.sandbox()
    host.cni.add(netconf(), quick)
    leases = [lease["lease_time"] for lease in daemon.leases()]
    assert leases == [777] * (adds + 1), "another plugin was not heard"
    daemon.wait_for(f"saw {quick.name}")
    asked = re.search(rf"PLUGIN_\w+ {quick.name}/.*plugin=bad", daemon.log.text())
    assert not asked, "a quarantined plugin was called, and cost its budget"
    fed = len(systemd.beats)
    eventually(lambda: len(systemd.beats) >= fed + BEATS, within=BEATS * WATCHDOG, what="it is fed on and on")
    assert systemd.longest_pause(began) < WATCHDOG, "systemd would have killed the daemon"
    assert daemon.stop() == 0, "a hung plugin held up the daemon's end"


def test_fault_20_a_quarantine_ends_when_somebody_enables_the_plugin(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    daemon = daemon_with(host, tmp_path, {"bad": WAITS})
    add_until_quarantined(host, daemon)
    assert "bad: active" in daemon.hooknet("plugins", "enable", "bad").stdout
    assert reports(daemon)["bad"]["strikes"] == 0
    assert "bad: disabled" in daemon.hooknet("plugins", "disable", "bad").stdout
    assert host.cni.add(netconf(), host.cni.sandbox()).code == 0
    assert reports(daemon)["bad"]["calls"] == 0, "a disabled plugin was called"


def test_each_plugin_that_is_loaded_is_logged_with_its_distribution_and_version(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    """Plugins run as root."""
    daemon = daemon_with(host, tmp_path, {"witness": WITNESS})
    assert re.search(r"PLUGIN_LOADED.*plugin=witness.*distribution=witness.*version=1\.0", daemon.log.text())


def test_fault_19_a_plugin_that_raises_is_told_and_costs_nobody_anything(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    daemon = daemon_with(host, tmp_path, {"bad": RAISES, "witness": WITNESS})
    box = host.cni.sandbox()
    host.cni.add(netconf(), box)
    daemon.wait_for(f"saw {box.name}")
    assert [lease["lease_time"] for lease in daemon.leases()] == [777]
    daemon.wait_for(r"bad.*pre_lease|pre_lease.*bad")
    assert "ValueError: no such thing" in reports(daemon)["bad"]["last_error"]
    assert reports(daemon)["witness"]["failures"] == 0


def test_fault_19_on_failure_fail_fails_the_add_and_leaves_nothing(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    daemon = daemon_with(host, tmp_path, {"bad": RAISES}, on_failure="fail")
    box = host.cni.sandbox()
    refused = host.cni.call("ADD", netconf(), box)
    assert refused.error["code"] == 108
    assert "plugin 'bad' failed in pre_lease" in refused.error["msg"]
    assert "no such thing" in refused.error["details"]
    assert (box.links(), daemon.leases(), lan.server.leases()) == (set(), [], [])


def test_fault_21_a_plugin_that_can_not_be_imported_stops_nobody_and_is_named(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    daemon = daemon_with(host, tmp_path, {"bad": "import no_such_library\n", "witness": WITNESS})
    host.cni.add(netconf(), host.cni.sandbox())
    assert [lease["lease_time"] for lease in daemon.leases()] == [777]
    listed = daemon.hooknet("plugins", check=False)
    assert listed.returncode == 1
    assert "no_such_library" in listed.stdout
    row = reports(daemon)["bad"]
    assert (row["state"], "install what provides 'no_such_library'" in row["reason"]) == ("failed", True)
