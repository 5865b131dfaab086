"""What is owed to an observer that fails, hangs or asks for patience (DESIGN, "Hooks"; faults 19, 20, 22)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sample_plugins import Notes, down

import hooknet


async def test_fault_22_retry_is_called_again_with_growing_pauses_and_is_no_strike(timed, clock, kit, outbox):
    notes = Notes(down)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    for attempts, pause in enumerate((1, 2, 4, 8, 16), start=1):
        await kit.until(lambda attempts=attempts: outbox.rows[1].attempts == attempts)
        assert outbox.rows[1].not_before == clock.wall() + pause
        assert outbox.rows[1].error == "the server is down"
        await kit.until(lambda: clock.sleepers == 1)
        await clock.advance(pause - 0.5)
        assert len(notes.seen) == attempts
        assert plugins.report()[0].last_error == "post_lease: asks for another try: the server is down"
        await clock.advance(0.5)
    notes.act = None
    await kit.until(lambda: not outbox.rows)
    report = plugins.report()[0]
    assert (report.strikes, report.failures, report.state) == (0, 0, "active")
    assert report.last_error is None, "what was wrong is mended"
    await plugins.stop(1)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [(7, 7), (0, 0), (1e9, 3600), (-1, 1), (float("nan"), 1), ("soon", 1), (None, 1)],
)
async def test_retry_after_is_honoured_within_bounds(timed, clock, kit, outbox, after, seconds):
    answers = iter([hooknet.Retry(after=after)])

    def once(*_):
        if (error := next(answers, None)) is not None:
            raise error

    notes = Notes(once)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    began = clock.time
    await kit.owe(plugins, outbox, "BOUND")
    while outbox.rows:
        if clock.sleepers:
            await clock.advance(0.5)
        await asyncio.sleep(0.001)
        if clock.time - began > 10 and seconds > 10:
            await clock.advance(seconds - 11)
            seconds = clock.time - began + 1
    assert len(notes.seen) == 2
    assert clock.time - began == pytest.approx(seconds, abs=1)
    await plugins.stop(1)


async def test_fault_22_an_hour_of_a_dead_server_over_a_restart_ends_right_and_in_order(
    timed, clock, kit, outbox
):
    before = Notes(down)
    plugins = timed.plugins(dns=before)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.owe(plugins, outbox, "DETACHED")
    for _ in range(12):
        await kit.until(lambda: clock.sleepers >= 1)
        await clock.advance(300)
    await kit.until(lambda: outbox.rows[1].attempts >= 10)
    await plugins.stop(1)
    assert set(before.reasons) == {"BOUND"}, "the removal overtook the record that it removes"

    after = Notes()
    timed.offers.clear()
    restarted = timed.plugins(dns=after)
    await restarted.start(outbox)
    await kit.owe(restarted, outbox, "BOUND", address=kit.lease().address + 5)
    await kit.until(lambda: clock.sleepers >= 1)
    await clock.advance(300)
    await kit.until(lambda: not outbox.rows)
    assert after.reasons == ["BOUND", "DETACHED", "BOUND"]
    assert restarted.report()[0].strikes == 0
    await restarted.stop(1)


async def test_a_clock_that_jumps_a_year_does_not_make_a_delivery_wait_a_year(timed, clock, kit, outbox):
    notes = Notes()
    plugins = timed.plugins(dns=notes)
    await kit.owe(plugins, outbox, "BOUND")
    outbox.rows[1] = replace(outbox.rows[1], not_before=clock.wall() + 365 * 86400)
    await plugins.start(outbox)
    await kit.until(lambda: clock.sleepers == 1)
    await clock.advance(3600)
    await kit.until(lambda: not outbox.rows)
    await plugins.stop(1)


async def test_while_one_identity_waits_the_others_go_on(timed, kit, outbox):
    notes = Notes(lambda name, _: down() if name == "web" else None)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND", "web")
    await kit.owe(plugins, outbox, "BOUND", "db")
    await kit.until(lambda: [row.stream for row in outbox.rows.values()] == ["lan/web"])
    assert [name for name, *_ in notes.seen] == ["web", "db"]
    await plugins.stop(1)


async def test_fault_19_an_exception_is_a_strike_is_tried_again_and_given_up_after_five_calls(
    timed, clock, kit, outbox
):
    def broken(*_):
        raise KeyError("bug")

    notes = Notes(broken)
    plugins = timed.plugins(dns=notes, limits={"strikes": 100})
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    while outbox.rows:
        if clock.sleepers:
            await clock.advance(300)
        await asyncio.sleep(0.001)
    report = plugins.report()[0]
    assert (len(notes.seen), report.strikes, report.dropped) == (5, 5, 1)
    assert "KeyError" in report.last_error
    await plugins.stop(1)


async def test_deliveries_of_a_quarantined_plugin_wait_for_the_end_of_the_cool_off(timed, clock, kit, outbox):
    def broken(*_):
        raise KeyError("bug")

    notes, witness = Notes(broken), Notes()
    plugins = timed.plugins(dns=notes, witness=witness)
    await plugins.start(outbox)
    for name in ("a", "b", "c"):
        await kit.owe(plugins, outbox, "BOUND", name)
    await kit.until(lambda: plugins.report()[0].state == "quarantined")
    notes.act = None
    await clock.advance(200)
    for name in ("d", "e"):
        await kit.owe(plugins, outbox, "BOUND", name)
        await kit.until(lambda name=name: witness.seen[-1][0] == name)
    assert len(notes.seen) == 3
    assert plugins.report()[0].pending == 5
    await clock.advance(100)
    await kit.until(lambda: not outbox.rows)
    assert sorted(name for name, *_ in notes.seen[3:]) == ["a", "b", "c", "d", "e"]
    await plugins.stop(1)


async def test_fault_20_a_hung_call_holds_its_own_identity_only_and_a_late_release_never_overtakes(
    lab, kit, outbox
):
    notes = Notes(lambda name, reason: lab.hang() if (name, reason) == ("web", "DETACHED") else None)
    plugins = lab.plugins(dns=notes, settings={"dns": {"observer_timeout": 0.05}}, limits={"backoff": 0.01})
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "DETACHED", "web")
    await kit.until(lambda: plugins.report()[0].failures == 1)
    await kit.owe(plugins, outbox, "BOUND", "web")
    await kit.owe(plugins, outbox, "BOUND", "db")
    await kit.until(lambda: len(notes.seen) == 2)
    await asyncio.sleep(0.1)
    assert [row[:2] for row in notes.seen] == [("web", "DETACHED"), ("db", "BOUND")]
    lab.hangs.set()
    await kit.until(lambda: not outbox.rows)
    assert [row[:2] for row in notes.seen[2:]] == [("web", "DETACHED"), ("web", "BOUND")]
    await plugins.stop(1)


async def test_fault_20_an_observer_that_blocks_its_loop_is_struck_and_its_other_identities_go_on(
    lab, kit, outbox
):
    seen = []

    class Blocks:
        @hooknet.hookimpl
        async def post_lease(self, attachment):
            seen.append(attachment.container_name)
            if attachment.container_name == "web":
                lab.hang()

    plugins = lab.plugins(bad=Blocks(), settings={"bad": {"observer_timeout": 0.5}})
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND", "web")
    await kit.until(lambda: seen)
    await kit.until(lambda: plugins.report()[0].strikes == 1)
    await kit.owe(plugins, outbox, "BOUND", "db")
    async with kit.heartbeat() as beat:
        await kit.until(lambda: [row.stream for row in outbox.rows.values()] == ["lan/web"])
    assert beat.longest < 2
    assert seen == ["web", "db"]
    assert plugins.report()[0].failures == 1, "what waited for the blocked loop is not to blame"
    await plugins.stop(0)


async def test_renewals_that_wait_are_delivered_as_one_and_nothing_else_is_merged(timed, clock, kit, outbox):
    notes = Notes(down)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: clock.sleepers == 1)
    for seconds in (100, 200, 300):
        await kit.owe(plugins, outbox, "RENEWED", lease_time=seconds)
    await kit.owe(plugins, outbox, "CHANGED")
    await kit.owe(plugins, outbox, "CHANGED")
    await kit.until(lambda: len(outbox.rows) == 4)
    assert [row.renews for row in outbox.rows.values()] == [False, True, False, False]
    notes.act = None
    await clock.advance(1)
    await kit.until(lambda: not outbox.rows)
    assert notes.reasons == ["BOUND", "BOUND", "RENEWED", "CHANGED", "CHANGED"]
    await plugins.stop(1)


async def test_a_renewal_does_not_cut_short_the_pause_of_the_one_that_it_replaces(timed, clock, kit, outbox):
    notes = Notes(lambda name, _: down() if name == "web" else None)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "RENEWED", "web")
    await kit.until(lambda: clock.sleepers == 1)
    await kit.owe(plugins, outbox, "RENEWED", "web")
    await kit.until(lambda: list(outbox.rows) == [2])
    await clock.advance(0.5)
    await kit.owe(plugins, outbox, "BOUND", "db")
    await kit.until(lambda: notes.seen[-1][0] == "db")
    assert [name for name, *_ in notes.seen] == ["web", "db"]
    await clock.advance(0.5)
    await kit.until(lambda: outbox.rows[2].attempts == 2)
    await plugins.stop(1)
