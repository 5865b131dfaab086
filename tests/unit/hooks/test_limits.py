"""What a plugin may cost: budgets, strikes, quarantine and threads (DESIGN, "Hooks"; faults 19, 20, 30)."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import pytest
from sample_plugins import Lease5, Raises

import hooknet
from hooknet.errors import HooknetError
from hooknet.hooks.threads import Lane
from hooknet.testing.plugins import MemoryOutbox


@pytest.mark.parametrize("kind", ["coroutine", "thread", "blocked loop", "deaf coroutine"])
async def test_fault_20_a_plugin_that_hangs_costs_an_add_its_budget_and_nothing_more(lab, kit, kind):
    class Hangs:
        @hooknet.hookimpl
        def pre_lease(self):
            lab.hang()

    class HangsInAsync:
        @hooknet.hookimpl
        async def pre_lease(self):
            if kind == "coroutine":
                await asyncio.sleep(30)
            elif kind == "blocked loop":
                lab.hang()
            while not lab.hangs.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

    target = Hangs() if kind == "thread" else HangsInAsync()
    plugins = lab.plugins(bad=target, good=Lease5(), settings={"bad": {"budget": 0.05}})
    began = time.perf_counter()
    async with kit.heartbeat() as beat:
        folded = await kit.fold(plugins)
        took = time.perf_counter() - began
    assert folded.request.lease_time == 5
    assert 0.05 <= took < 2, "the budget was not kept"
    assert beat.longest < 2, "the daemon's own loop stood still"
    report = next(row for row in plugins.report() if row.name == "bad")
    assert (report.strikes, lab.outcomes("bad")) == (1, ["loaded", "timeout"])
    assert "took more than 0.05 s" in report.last_error


async def test_fault_20_plugin_code_never_runs_on_the_loop_of_the_daemon(lab, kit):
    threads = []

    class Plain:
        @hooknet.hookimpl
        def pre_lease(self):
            threads.append(threading.current_thread())

    class Coroutine:
        @hooknet.hookimpl
        async def pre_lease(self):
            threads.append(threading.current_thread())

    await kit.fold(lab.plugins(a=Plain(), b=Coroutine()))
    assert threading.current_thread() not in threads
    assert all(thread.daemon for thread in threads), "a hung plugin would hold up the daemon's exit"
    assert len({thread.name for thread in threads}) == 2


async def test_fault_20_one_plugin_that_blocks_its_loop_does_not_delay_another_ones_coroutine(lab, kit):
    class Blocks:
        @hooknet.hookimpl
        async def post_lease(self):
            lab.hang()

    blocker, good = Blocks(), Lease5()
    plugins = lab.plugins(a=blocker, b=good)
    outbox = MemoryOutbox()
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: outbox.reads)
    began = time.perf_counter()
    assert (await kit.fold(plugins)).request.lease_time == 5
    assert time.perf_counter() - began < 2
    await plugins.stop(0)


async def test_fault_20_three_strikes_in_a_row_quarantine_a_plugin_and_others_go_on(timed, kit):
    bad = Raises()
    plugins = timed.plugins(bad=bad, good=Lease5())
    for _ in range(3):
        await kit.fold(plugins)
    report = next(row for row in plugins.report() if row.name == "bad")
    assert report.state == "quarantined"
    assert "quarantined for another 300 s" in report.reason
    assert report.calls == 3
    assert (await kit.fold(plugins)).request.lease_time == 5
    assert next(row for row in plugins.report() if row.name == "bad").calls == 3
    assert timed.outcomes("bad")[-1] == "quarantined"


async def test_a_success_between_failures_clears_the_strikes(timed, kit):
    class Every3rd:
        calls = 0

        @hooknet.hookimpl
        def pre_lease(self):
            self.calls += 1
            if self.calls % 3:
                raise ValueError

    plugins = timed.plugins(flaky=Every3rd())
    for _ in range(12):
        await kit.fold(plugins)
    assert plugins.report()[0].state == "active"


async def test_a_quarantined_plugin_that_must_not_fail_fails_adds(timed, kit):
    plugins = timed.plugins(bad=Raises(), settings={"bad": {"on_failure": "fail"}})
    for _ in range(3):
        with pytest.raises(HooknetError, match="failed in pre_lease"):
            await kit.fold(plugins)
    with pytest.raises(HooknetError, match="quarantined") as caught:
        await kit.fold(plugins)
    assert "hooknet plugins enable bad" in caught.value.hint


async def test_the_quarantine_ends_after_a_cool_off_and_comes_back_at_the_next_strike(timed, clock, kit):
    plugins = timed.plugins(bad=Raises())
    for _ in range(3):
        await kit.fold(plugins)
    await clock.advance(300)
    await kit.until(lambda: timed.outcomes("bad")[-1] == "enabled")
    assert plugins.report()[0].state == "active"
    await kit.fold(plugins)
    report = plugins.report()[0]
    assert report.state == "quarantined"
    assert report.quarantine_s == 600
    await plugins.stop(0)


async def test_enable_ends_the_quarantine(timed, kit):
    plugins = timed.plugins(bad=Raises())
    for _ in range(3):
        await kit.fold(plugins)
    await plugins.enable("bad")
    assert (plugins.report()[0].state, plugins.report()[0].strikes) == ("active", 0)


async def test_fault_20_a_plugin_that_blocks_its_loop_gets_a_new_one_within_a_cap(lab, kit):
    class Blocks:
        threads = 0

        @hooknet.hookimpl
        async def pre_lease(self):
            self.threads += 1
            lab.hang()

    blocks = Blocks()
    plugins = lab.plugins(bad=blocks, settings={"bad": {"budget": 0.05}}, limits={"loops": 2, "strikes": 100})
    threads = plugins._roster.cells["bad"]._threads
    for gone in (1, 2):
        await kit.fold(plugins)
        await kit.until(lambda gone=gone: threads.abandoned == gone)
    await kit.fold(plugins)
    assert blocks.threads == 2, "a third loop was given to it"
    assert "2 event loops hang" in plugins.report()[0].last_error
    lab.hangs.set()
    await kit.until(lambda: threads.abandoned == 0)
    await kit.fold(plugins)
    assert blocks.threads == 3


async def test_fault_20_a_plugin_whose_threads_all_hang_is_refused_at_once(lab, kit):
    class Hangs:
        calls = 0

        @hooknet.hookimpl
        def pre_lease(self):
            self.calls += 1
            lab.hang()

    hangs = Hangs()
    plugins = lab.plugins(bad=hangs, settings={"bad": {"budget": 0.5}}, limits={"threads": 2, "strikes": 100})
    threads = plugins._roster.cells["bad"]._threads._workers[Lane.GATE]
    await asyncio.gather(kit.fold(plugins), kit.fold(plugins), kit.fold(plugins))
    began = time.perf_counter()
    await kit.fold(plugins)
    assert time.perf_counter() - began < 0.4
    assert hangs.calls == 2
    assert "all 2 threads hang" in plugins.report()[0].last_error
    lab.hangs.set()
    await kit.until(lambda: threads.stuck == 0)
    await kit.fold(plugins)
    assert hangs.calls == 3


async def test_a_burst_does_not_strike_a_plugin_for_waiting_in_its_own_queue(lab, kit):
    class Slow:
        @hooknet.hookimpl
        def pre_lease(self):
            time.sleep(0.03)

    plugins = lab.plugins(
        slow=Slow(), settings={"slow": {"budget": 0.1}}, limits={"threads": 1, "strikes": 100}
    )
    await asyncio.gather(*(kit.fold(plugins) for _ in range(10)))
    report = plugins.report()[0]
    assert report.failures > 0, "the burst was too small to show anything"
    assert report.strikes <= 1, "only a call that was running when its time was up may be a strike"


async def test_a_slow_observer_does_not_delay_the_same_plugins_pre_lease(lab, kit):
    class Slow:
        @hooknet.hookimpl
        def post_lease(self):
            lab.hang()

        @hooknet.hookimpl
        def pre_lease(self, request):
            return replace(request, lease_time=7)

    plugins, outbox = lab.plugins(slow=Slow(), limits={"threads": 1}), MemoryOutbox()
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: outbox.reads)
    assert (await kit.fold(plugins)).request.lease_time == 7
    await plugins.stop(0)


async def test_an_add_that_is_undone_cancels_the_coroutine(lab, kit):
    cancelled = threading.Event()

    class Waits:
        @hooknet.hookimpl
        async def pre_lease(self):
            try:
                await asyncio.sleep(30)
            finally:
                cancelled.set()

    task = asyncio.create_task(kit.fold(lab.plugins(waits=Waits())))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await kit.until(cancelled.is_set)


async def test_a_task_of_a_plugin_that_ends_its_loop_is_survived(lab, kit):
    class Ends:
        @hooknet.hookimpl
        async def pre_lease(self, request):
            async def leave():
                raise SystemExit(1)

            if request.hostname == "web":
                task = asyncio.ensure_future(leave())
                await asyncio.sleep(1)
                del task
            return replace(request, lease_time=8)

    plugins = lab.plugins(ends=Ends())
    assert (await kit.fold(plugins)).request.lease_time is None
    assert "event loop has ended" in plugins.report()[0].last_error
    assert (await kit.fold(plugins, hostname="other")).request.lease_time == 8


async def test_threads_that_a_coroutine_uses_are_capped_and_do_not_hold_up_the_exit(lab, kit):
    threads = []

    class Pushes:
        @hooknet.hookimpl
        async def pre_lease(self, request):
            await asyncio.to_thread(lambda: threads.append(threading.current_thread()))

    await kit.fold(lab.plugins(pushes=Pushes()))
    assert threads[0].daemon
    assert threads[0].name.startswith("plugin-pushes")


async def test_without_plugins_the_fold_costs_next_to_nothing(lab, kit):
    plugins, attachment, request = lab.plugins(), kit.attachment(), kit.request()
    began = time.perf_counter()
    for _ in range(1000):
        folded = await plugins.pre_lease(attachment, request, kit.no_lookup)
        rows = plugins.deliveries_for_post_lease(
            attachment, kit.lease, hooknet.PostLeaseReason.BOUND, None, None
        )
    each = (time.perf_counter() - began) / 1000
    assert (folded.request is request, rows) == (True, ())
    assert each < 0.0002


async def test_calls_and_percentiles_are_kept(lab, kit):
    plugins = lab.plugins(one=Lease5())
    assert plugins.report()[0].p50_ms is None
    for _ in range(5):
        await kit.fold(plugins)
    report = plugins.report()[0]
    assert report.calls == 5
    assert 0 < report.p50_ms <= report.p95_ms < 1000
    assert lab.outcomes("one") == ["loaded"] + ["ok"] * 5
