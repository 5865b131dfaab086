"""`hooknet reload` and SIGHUP: new settings are picked up, and nobody who has a lease notices."""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from lab import Daemon, Host, Lan, eventually
from lab.cni import netconf

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = """
[network.lan]
metric = {metric}

[plugins.short-lease]
lease_time = "{lease_time}"
"""

PHASE = 4
"""Its place in a row of the journal."""


def by_command(daemon: Daemon) -> None:
    said = daemon.hooknet("reload").stdout
    assert "[network] changed" in said
    assert "plugin short-lease: loaded again with its new settings" in said


def by_signal(daemon: Daemon) -> None:
    daemon.log.mark()
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("DAEMON_RELOADED")


def kept_of(daemon: Daemon) -> list[tuple[Any, ...]]:
    """What the journal holds of every attachment, the times of its lease included."""
    with sqlite3.connect(daemon.state_dir / "hooknet.db") as database:
        return database.execute("SELECT * FROM attachments ORDER BY generation").fetchall()


def metrics(sandbox: Any) -> set[int]:
    return {route["metric"] for route in sandbox.ip_json("-4", "route", "show") if "metric" in route}


@pytest.mark.parametrize("reload", [by_command, by_signal])
def test_new_settings_hold_for_new_containers_and_leases_and_timers_stay(
    lan: Lan, host: Host, reload: Callable[[Daemon], None]
) -> None:
    daemon = host.daemon(SETTINGS.format(metric=50, lease_time="10m"))
    daemon.start()
    before = host.cni.sandbox()
    address = host.cni.add(netconf(), before).interface
    eventually(lambda: kept_of(daemon)[0][PHASE] == "REPLIED", what="the ADD is over, on disk too")
    shown, kept, heard = daemon.leases(), kept_of(daemon), lan.server.log.text()
    daemon.config.write_text(SETTINGS.format(metric=77, lease_time="20m"), encoding="utf-8")
    reload(daemon)
    assert (daemon.leases(), kept_of(daemon)) == (shown, kept), "a lease or its times were touched"
    assert lan.server.log.text() == heard, "the server was bothered"
    assert before.interfaces() == [address]
    after = host.cni.sandbox()
    host.cni.add(netconf(), after)
    assert {lease["container_id"]: lease["lease_time"] for lease in daemon.leases()} == {
        before.container_id: 600,
        after.container_id: 1200,
    }
    assert (metrics(before), metrics(after)) == ({50}, {77})


def test_a_renewal_that_was_due_before_a_reload_comes_when_it_was_due(lan: Lan, host: Host) -> None:
    lan.server.restart(t1=4, t2=60, lease_time=120)
    daemon = host.daemon(SETTINGS.format(metric=50, lease_time="10m"))
    daemon.start()
    address = host.cni.add(netconf(), host.cni.sandbox()).interface.ip
    for metric in (51, 52, 53):
        daemon.config.write_text(SETTINGS.format(metric=metric, lease_time="10m"), encoding="utf-8")
        assert "[network] changed" in daemon.hooknet("reload").stdout
    eventually(lambda: lan.server.acknowledged(address) >= 2, within=10, what="the renewal at T1")
    assert daemon.leases()[0]["address"] == f"{address}/24"


def test_settings_with_an_error_leave_everything_as_it_was(lan: Lan, host: Host) -> None:
    daemon = host.daemon(SETTINGS.format(metric=50, lease_time="10m"))
    daemon.start()
    host.cni.add(netconf(), host.cni.sandbox())
    daemon.config.write_text(SETTINGS.replace("metric", "metrik").format(metrik=50, lease_time="1h"))
    refused = daemon.hooknet("reload", check=False)
    assert refused.returncode != 0
    assert "did you mean 'metric'" in refused.stderr
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("the configuration is left as it was.*did you mean 'metric'")
    host.cni.add(netconf(), host.cni.sandbox())
    assert [lease["lease_time"] for lease in daemon.leases()] == [600, 600]


def test_a_plugin_whose_new_settings_are_wrong_goes_on_with_the_old_ones(lan: Lan, host: Host) -> None:
    daemon = host.daemon(SETTINGS.format(metric=50, lease_time="10m"))
    daemon.start()
    daemon.config.write_text(SETTINGS.format(metric=60, lease_time="1s"), encoding="utf-8")
    said = daemon.hooknet("reload").stdout
    assert "goes on with its old settings" in said
    assert "give 10 seconds or more" in said
    sandbox = host.cni.sandbox()
    host.cni.add(netconf(), sandbox)
    assert [lease["lease_time"] for lease in daemon.leases()] == [600]
    assert metrics(sandbox) == {60}
