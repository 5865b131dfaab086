"""`post_lease` and `release` through the outbox (DESIGN, "Hooks")."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

from sample_plugins import Notes, down

import hooknet
from hooknet.outbox import Delivery


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
