"""Reload, disable, enable: without losing a strike, a statistic or a delivery."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

import hooknet
from hooknet.errors import HooknetError, Kind


@dataclass(frozen=True)
class Settings:
    seconds: int = 1


class Tunable:
    Config = Settings
    made = 0

    def __init__(self, context):
        type(self).made += 1
        self.seconds = context.config.seconds
        self.seen = []

    @hooknet.hookimpl
    def pre_lease(self, request):
        return replace(request, lease_time=self.seconds)


@pytest.fixture
def tunable():
    return type("Fresh", (Tunable,), {"made": 0})


class Notes:
    def __init__(self, act=None):
        self.seen = []
        self.act = act or (lambda: None)

    @hooknet.hookimpl
    def post_lease(self, reason):
        self.seen.append(str(reason))
        self.act()


async def test_a_reload_gives_a_plugin_its_new_settings(lab, kit, tunable):
    plugins = lab.plugins(t=tunable, settings={"t": {"seconds": 5}})
    assert (await kit.fold(plugins)).request.lease_time == 5
    changed = await plugins.reload(lab.config({"t": {"seconds": 6}}))
    assert (await kit.fold(plugins)).request.lease_time == 6
    assert changed == ["plugin t: loaded again with its new settings"]


async def test_a_plugin_whose_settings_are_the_same_is_left_alone(lab, kit, tunable):
    plugins = lab.plugins(t=tunable, settings={"t": {"seconds": 5}})
    await kit.fold(plugins)
    assert await plugins.reload(lab.config({"t": {"seconds": 5}}, budget=3.0)) == []
    assert (tunable.made, plugins.report()[0].calls) == (1, 1)


async def test_wrong_new_settings_leave_the_old_ones_in_force_and_the_report_says_so(lab, kit, tunable):
    plugins = lab.plugins(t=tunable, settings={"t": {"seconds": 5}})
    changed = await plugins.reload(lab.config({"t": {"secs": 6}}))
    assert (await kit.fold(plugins)).request.lease_time == 5
    report = plugins.report()[0]
    assert report.state == "active"
    assert report.reason.startswith("goes on with its old settings: [plugins.t]: unknown key 'secs'")
    assert len(changed) == 1
    await plugins.reload(lab.config({"t": {"seconds": 7}}))
    assert (plugins.report()[0].reason, (await kit.fold(plugins)).request.lease_time) == ("", 7)


async def test_new_and_removed_plugins_are_seen(lab, kit, tunable):
    plugins = lab.plugins(old=Notes())
    lab.offers[:] = [kit.offer("new", tunable, kit.distribution("pkg"))]
    assert await plugins.reload(lab.config()) == ["plugin old: gone", "plugin new: active"]
    assert (await kit.fold(plugins)).request.lease_time == 1


async def test_what_is_owed_and_what_waits_survives_a_reload(timed, clock, kit, outbox):
    class Down:
        Config = Settings
        all_seen: ClassVar[list] = []

        def __init__(self, context):
            self.mended = context.config.seconds == 2

        @hooknet.hookimpl
        def post_lease(self, reason):
            self.all_seen.append((str(reason), self.mended))
            if not self.mended:
                raise hooknet.Retry

    plugins = timed.plugins(dns=Down)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: clock.sleepers == 1)
    await plugins.reload(timed.config({"dns": {"seconds": 2}}))
    assert plugins.report()[0].pending == 1
    await clock.advance(1)
    await kit.until(lambda: not outbox.rows)
    assert Down.all_seen == [("BOUND", False), ("BOUND", True)]
    await plugins.stop(1)


async def test_a_call_that_runs_during_a_reload_may_end(lab, kit, outbox):
    release, made = threading.Event(), []

    class Slow:
        Config = Settings

        def __init__(self, context):
            made.append(context.config.seconds)

        @hooknet.hookimpl
        async def post_lease(self, reason):
            import asyncio

            await asyncio.to_thread(release.wait, 5)

    plugins = lab.plugins(slow=Slow)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    old = plugins._roster.cells["slow"]
    await kit.until(lambda: old._running)
    await plugins.reload(lab.config({"slow": {"seconds": 2}}))
    release.set()
    await kit.until(lambda: not outbox.rows)
    assert made == [1, 2]
    assert old.statistics.failures == 0
    await plugins.stop(1)


async def test_quarantine_survives_a_reload_without_change_and_ends_with_new_settings(timed, kit):
    class Bad:
        Config = Settings

        def __init__(self, context): ...

        @hooknet.hookimpl
        def pre_lease(self):
            raise ValueError

    plugins = timed.plugins(bad=Bad)
    for _ in range(3):
        await kit.fold(plugins)
    await plugins.reload(timed.config())
    assert plugins.report()[0].state == "quarantined"
    await plugins.reload(timed.config({"bad": {"seconds": 2}}))
    assert plugins.report()[0].state == "active"
    await plugins.stop(0)


async def test_disable_stops_calls_and_gives_up_what_is_owed_until_enabled(timed, clock, kit, outbox):
    def down():
        raise hooknet.Retry

    notes = Notes(down)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: clock.sleepers == 1)
    await plugins.disable("dns")
    assert plugins.report()[0].state == "disabled"
    assert not outbox.rows
    await kit.owe(plugins, outbox, "BOUND")
    assert not outbox.rows

    notes.act = lambda: None
    await plugins.enable("dns")
    assert plugins.report()[0].state == "active"
    await kit.owe(plugins, outbox, "RENEWED")
    await kit.until(lambda: not outbox.rows)
    assert notes.seen[-1] == "RENEWED"
    assert timed.outcomes("dns") == ["loaded", "retry", "disabled", "loaded", "enabled", "ok"]
    await plugins.stop(1)


async def test_disabling_survives_a_reload(lab):
    plugins = lab.plugins(dns=Notes())
    await plugins.disable("dns")
    await plugins.reload(lab.config())
    assert plugins.report()[0].state == "disabled"


async def test_what_the_configuration_disables_can_not_be_enabled_over_the_socket(lab):
    plugins = lab.plugins(dns=Notes())
    await plugins.reload(lab.config(disable=("dns",)))
    with pytest.raises(HooknetError, match=r"named in \[plugins\] disable") as caught:
        await plugins.enable("dns")
    assert "hooknet.toml" in caught.value.hint


async def test_enable_loads_a_plugin_again_that_failed_to_load(lab, kit, tunable):
    plugins = lab.plugins(t=object())
    assert plugins.report()[0].state == "failed"
    lab.offers[:] = [kit.offer("t", tunable, kit.distribution("pkg"))]
    await plugins.enable("t")
    assert plugins.report()[0].state == "active"


@pytest.mark.parametrize("verb", ["enable", "disable"])
async def test_an_unknown_name_is_not_found(lab, verb):
    plugins = lab.plugins(dns=Notes())
    with pytest.raises(HooknetError, match="there is no plugin 'dsn'") as caught:
        await getattr(plugins, verb)("dsn")
    assert caught.value.kind is Kind.NOT_FOUND
    assert "dns" in caught.value.hint


async def test_events_go_on_over_a_reload(lab, kit):
    from datetime import UTC, datetime

    seen = []

    class Hears:
        @hooknet.hookimpl
        def container_event(self, event):
            seen.append(event.action)

    plugins = lab.plugins(hears=Hears())
    event = hooknet.ContainerEvent(
        type="container", action="start", container=kit.container(), time=datetime(2024, 1, 1, tzinfo=UTC)
    )
    plugins.container_event(event)
    await plugins.reload(lab.config())
    plugins.container_event(event)
    await kit.until(lambda: seen == ["start", "start"])
