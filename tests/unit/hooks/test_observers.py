"""`post_lease` and `release` through the outbox, and `container_event` (DESIGN, "Hooks"; faults 19, 20, 22)."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import hooknet
from hooknet.hooks.payload import Payload, decode, encode
from hooknet.outbox import Delivery


class Notes:
    """Remembers what it was told; does what `act` says."""

    def __init__(self, act=None):
        self.seen = []
        self.act = act

    @hooknet.hookimpl
    def post_lease(self, attachment, lease, reason, previous, container):
        self.seen.append((attachment.container_name, str(reason), str(lease.address.ip)))
        if self.act:
            self.act(attachment.container_name, str(reason))

    @hooknet.hookimpl
    def release(self, attachment, lease, reason):
        self.seen.append((attachment.container_name, str(reason), str(lease.address.ip)))
        if self.act:
            self.act(attachment.container_name, str(reason))

    @property
    def reasons(self):
        return [reason for _, reason, _ in self.seen]


def down(*_):
    raise hooknet.Retry("the server is down")


async def test_an_observer_gets_the_arguments_that_it_names_as_the_lifecycle_gave_them(lab, kit, outbox):
    got = []

    class All:
        @hooknet.hookimpl
        async def post_lease(self, container, previous, reason, lease, attachment):
            got.append((attachment, lease, reason, previous, container))

    plugins = lab.plugins(all=All())
    await plugins.start(outbox)
    old = kit.lease(lease_time=None)
    rows = plugins.deliveries_for_post_lease(
        kit.attachment(), kit.lease(), hooknet.PostLeaseReason.CHANGED, old, kit.container()
    )
    outbox.commit(rows)
    plugins.wake()
    await kit.until(lambda: not outbox.rows)
    assert got == [
        (kit.attachment(), kit.lease(), hooknet.PostLeaseReason.CHANGED, old, kit.container()),
    ]
    await plugins.stop(1)


async def test_only_plugins_that_implement_the_hook_are_owed_anything(lab, kit):
    class OnlyRelease:
        @hooknet.hookimpl
        def release(self): ...

    plugins = lab.plugins(a=Notes(), b=OnlyRelease())
    bound = plugins.deliveries_for_post_lease(
        kit.attachment(), kit.lease(), hooknet.PostLeaseReason.BOUND, None, None
    )
    gone = plugins.deliveries_for_release(kit.attachment(), kit.lease(), hooknet.ReleaseReason.NAK, None)
    assert [row.plugin for row in bound] == ["a"]
    assert [row.plugin for row in gone] == ["a", "b"]
    assert len({row.stream for row in bound + gone}) == 1


async def test_a_recreated_container_with_another_client_id_is_still_the_same_stream(lab, kit):
    plugins = lab.plugins(a=Notes())
    streams = {
        plugins.deliveries_for_post_lease(
            kit.attachment(), kit.lease(client_id=client_id), hooknet.PostLeaseReason.BOUND, None, None
        )[0].stream
        for client_id in (b"aa", b"bb")
    }
    assert len(streams) == 1


async def test_deliveries_of_one_identity_are_made_in_order(lab, kit, outbox):
    notes = Notes(lambda *_: time.sleep(0.005))
    plugins = lab.plugins(notes=notes)
    await plugins.start(outbox)
    order = ["BOUND", "CHANGED", "NAK", "BOUND", "REBOUND", "DETACHED"]
    for reason in order:
        await kit.owe(plugins, outbox, reason)
    await kit.until(lambda: not outbox.rows)
    assert notes.reasons == order
    await plugins.stop(1)


async def test_identities_and_plugins_do_not_wait_for_each_other(lab, kit, outbox):
    together = threading.Barrier(4)

    def meet(*_):
        together.wait(5)

    first, second = Notes(meet), Notes(meet)
    plugins = lab.plugins(first=first, second=second)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND", "web")
    await kit.owe(plugins, outbox, "BOUND", "db")
    await kit.until(lambda: not outbox.rows)
    assert [report.failures for report in plugins.report()] == [0, 0]
    await plugins.stop(1)


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


async def test_a_coroutine_that_is_left_half_way_is_unwound_on_the_plugins_own_thread(lab, kit, outbox):
    tasks, unwound = [], []

    class Waits:
        @hooknet.hookimpl
        async def post_lease(self):
            tasks.append(asyncio.current_task())
            try:
                await asyncio.sleep(30)
            finally:
                unwound.append(threading.current_thread().name)

    plugins = lab.plugins(waits=Waits())
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: tasks)
    plugins._roster.cells["waits"].close()
    await kit.until(lambda: unwound)
    assert unwound == ["plugin-waits"]
    await plugins.stop(0)


async def test_a_renewal_that_is_being_delivered_is_not_merged_away(lab, kit, outbox):
    running = threading.Event()

    def act(*_):
        running.set()
        lab.hang()

    notes = Notes(act)
    plugins = lab.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "RENEWED")
    await kit.until(running.is_set)
    await kit.owe(plugins, outbox, "RENEWED")
    await kit.until(lambda: plugins.report()[0].pending == 2)
    lab.hangs.set()
    await kit.until(lambda: not outbox.rows)
    assert notes.reasons == ["RENEWED", "RENEWED"]
    await plugins.stop(1)


async def test_renewals_of_two_generations_are_not_one(timed, clock, kit, outbox):
    notes = Notes(down)
    plugins = timed.plugins(dns=notes)
    await plugins.start(outbox)
    for generation in (1, 2):
        outbox.commit(
            plugins.deliveries_for_post_lease(
                kit.attachment(generation=generation),
                kit.lease(),
                hooknet.PostLeaseReason.RENEWED,
                None,
                None,
            )
        )
    plugins.wake()
    await kit.until(lambda: plugins.report()[0].pending == 2)
    assert len(outbox.rows) == 2
    await plugins.stop(1)


async def test_what_waits_is_bounded_and_the_oldest_goes_first(timed, clock, kit, outbox):
    plugins = timed.plugins(dns=Notes(down), limits={"pending": 3})
    await plugins.start(outbox)
    for number, name in enumerate("abcdef", start=1):
        await kit.owe(plugins, outbox, "BOUND", name)
        await kit.until(lambda number=number: outbox.rows[number].attempts)
    await kit.until(lambda: len(outbox.rows) == 3)
    assert [row.stream for row in outbox.rows.values()] == ["lan/d", "lan/e", "lan/f"]
    assert plugins.report()[0].dropped == 3
    await plugins.stop(1)


async def test_a_row_is_done_only_after_the_call_so_a_crash_repeats_it(lab, kit, outbox):
    notes = Notes(lambda *_: lab.hang())
    plugins = lab.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: notes.seen)
    assert outbox.rows
    await plugins.stop(0)
    assert outbox.rows

    again = Notes()
    lab.offers.clear()
    restarted = lab.plugins(dns=again)
    await restarted.start(outbox)
    await kit.until(lambda: not outbox.rows)
    assert again.reasons == ["BOUND"]
    await restarted.stop(1)


async def test_a_stop_lets_a_running_call_end(lab, kit, outbox):
    notes = Notes(lambda *_: time.sleep(0.05))
    plugins = lab.plugins(dns=notes)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: notes.seen)
    await plugins.stop(2)
    assert not outbox.rows


async def test_a_stop_does_not_wait_for_a_hung_call_beyond_its_grace(lab, kit, outbox):
    plugins = lab.plugins(dns=Notes(lambda *_: lab.hang()))
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: plugins.report()[0].pending)
    began = time.perf_counter()
    await plugins.stop(0.05)
    assert time.perf_counter() - began < 0.5


async def test_what_is_owed_to_a_plugin_that_is_gone_is_given_up_and_to_a_broken_one_is_kept(
    lab, kit, outbox
):
    for plugin in ("gone", "broken"):
        outbox.commit([Delivery(hook="release", plugin=plugin, stream="s", payload=b"{}")])
    plugins = lab.plugins(broken=object())
    await plugins.start(outbox)
    await kit.until(lambda: len(outbox.rows) == 1)
    assert [row.plugin for row in outbox.rows.values()] == ["broken"]
    await plugins.stop(1)


async def test_a_payload_that_can_not_be_read_is_given_up_and_the_next_is_delivered(lab, kit, outbox):
    notes = Notes()
    plugins = lab.plugins(dns=notes)
    good = plugins.deliveries_for_post_lease(
        kit.attachment(), kit.lease(), hooknet.PostLeaseReason.BOUND, None, None
    )[0]
    for bad in (b"not json", b"{}", good.payload.replace(b"BOUND", b"BORED")):
        outbox.commit([replace(good, payload=bad)])
    outbox.commit([replace(good, hook="post_mortem"), good])
    await plugins.start(outbox)
    await kit.until(lambda: not outbox.rows)
    assert notes.reasons == ["BOUND"]
    await plugins.stop(1)


async def test_a_row_that_settles_while_the_outbox_is_read_is_not_delivered_twice(lab, kit, outbox):
    notes = Notes()
    plugins = lab.plugins(dns=notes)
    slow, read = asyncio.Event(), outbox.pending

    async def pending():
        snapshot = await read()
        if outbox.reads > 1:
            slow.set()
            await kit.until(lambda: not outbox.rows)
        return snapshot

    outbox.pending = pending
    release = threading.Event()
    notes.act = lambda *_: release.wait(5)
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: notes.seen)
    plugins.wake()
    await slow.wait()
    release.set()
    await kit.until(lambda: not outbox.rows)
    await asyncio.sleep(0.02)
    assert notes.reasons == ["BOUND"]
    await plugins.stop(1)


async def test_an_outbox_that_can_not_be_read_is_read_again(timed, clock, kit, outbox):
    notes, read = Notes(), outbox.pending
    failures = iter([OSError("disk")])

    async def pending():
        if (error := next(failures, None)) is not None:
            raise error
        return await read()

    outbox.pending = pending
    plugins = timed.plugins(dns=notes)
    await kit.owe(plugins, outbox, "BOUND")
    await plugins.start(outbox)
    await kit.until(lambda: clock.sleepers == 1)
    await clock.advance(1)
    await kit.until(lambda: not outbox.rows)
    await plugins.stop(1)


async def test_refused_means_nothing_to_an_observer(lab, kit, outbox):
    def refuse(*_):
        raise hooknet.Refused("no")

    plugins = lab.plugins(dns=Notes(refuse))
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: plugins.report()[0].strikes == 1)
    assert "raised Refused" in plugins.report()[0].last_error
    await plugins.stop(1)


def test_a_payload_survives_json(kit):
    payload = Payload(
        attachment=kit.attachment(),
        lease=kit.lease(lease_time=None),
        reason="NAK",
        previous=kit.lease(),
        container=kit.container(pod="p"),
    )
    assert decode(encode(payload)) == payload


def test_a_payload_of_an_older_or_newer_hooknet_is_read(kit):
    text = encode(Payload(attachment=kit.attachment(), lease=kit.lease(), reason="NAK"))
    older = text.replace(b',"previous":null', b"").replace(b',"generation":0', b"")
    newer = text.replace(b'{"attachment"', b'{"later":[1],"attachment"')
    assert older != text != newer
    assert decode(older) == decode(newer) == decode(text)


def an_event(kit, number):
    return hooknet.ContainerEvent(
        type="container",
        action=f"e{number}",
        container=kit.container(),
        time=datetime(2024, 1, 1, tzinfo=UTC),
    )


class Hears:
    def __init__(self, act=None):
        self.seen = []
        self.act = act

    @hooknet.hookimpl
    def container_event(self, event):
        self.seen.append(event.action)
        if self.act:
            self.act()


async def test_container_events_arrive_in_order_and_are_never_repeated(lab, kit):
    hears = Hears(down)
    plugins = lab.plugins(hears=hears)
    for number in range(20):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: len(hears.seen) == 20)
    assert hears.seen == [f"e{number}" for number in range(20)]
    assert plugins.report()[0].strikes == 0
    assert lab.outcomes("hears") == ["loaded"], (
        "a storm of events would push everything else out of the history"
    )


async def test_a_storm_of_events_is_bounded_and_the_newest_are_kept(lab, kit):
    hears = Hears()
    plugins = lab.plugins(hears=hears, limits={"events": 5})
    for number in range(1000):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: hears.seen[-1:] == ["e999"])
    assert hears.seen == ["e995", "e996", "e997", "e998", "e999"]
    assert plugins.report()[0].dropped == 995


async def test_a_plugin_that_fails_on_events_is_quarantined_and_another_hears_them_all(timed, kit):
    def broken():
        raise ValueError

    bad, good = Hears(broken), Hears()
    plugins = timed.plugins(bad=bad, good=good)
    for number in range(10):
        plugins.container_event(an_event(kit, number))
    await kit.until(lambda: len(good.seen) == 10)
    await kit.until(lambda: plugins.report()[0].state == "quarantined")
    assert len(bad.seen) == 3
    await plugins.stop(0)
