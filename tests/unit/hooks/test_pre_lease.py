"""`pre_lease`: an ordered fold with a budget (DESIGN, "Hooks"; faults 19, 20, 30)."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from functools import wraps
from ipaddress import IPv4Address

import pytest

import hooknet
from hooknet.errors import HooknetError, Kind
from hooknet.hooks.threads import Lane


class Appends:
    """Adds its letter to the host name, so that the order shows."""

    def __init__(self, letter):
        self.letter = letter

    @hooknet.hookimpl
    def pre_lease(self, request):
        return replace(request, hostname=request.hostname + self.letter)


class Lease5:
    @hooknet.hookimpl
    async def pre_lease(self, request):
        await asyncio.sleep(0)
        return replace(request, lease_time=5)


class Raises:
    def __init__(self, error=None):
        self.error = error or ValueError("no such thing")

    @hooknet.hookimpl
    def pre_lease(self):
        raise self.error


def returning(result):
    class Returns:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return result(request) if callable(result) else result

    return Returns()


async def test_each_plugin_gets_what_the_one_before_it_returned_in_the_order_of_names(lab, kit):
    plugins = lab.plugins(charlie=Appends("c"), alpha=Appends("a"), bravo=Appends("b"))
    folded = await kit.fold(plugins, hostname="web-")
    assert folded.request.hostname == "web-abc"


async def test_tryfirst_and_trylast_come_before_the_names(lab, kit):
    class First(Appends):
        @hooknet.hookimpl(tryfirst=True)
        def pre_lease(self, request):
            return replace(request, hostname=request.hostname + self.letter)

    folded = await kit.fold(lab.plugins(alpha=Appends("a"), zulu=First("z")), hostname="web-")
    assert folded.request.hostname == "web-za"


async def test_async_and_plain_implementations_mix_and_none_changes_nothing(lab, kit):
    plugins = lab.plugins(one=Lease5(), two=returning(None), three=Appends("x"))
    folded = await kit.fold(plugins)
    assert (folded.request.lease_time, folded.request.hostname) == (5, "webx")


async def test_an_async_function_behind_a_plain_decorator_is_awaited(lab, kit):
    def noting(function):
        @wraps(function)
        def inner(request):
            return function(request)

        return inner

    class Decorated:
        pass

    async def pre_lease(request):
        await asyncio.sleep(0)
        return replace(request, lease_time=9)

    decorated = Decorated()
    decorated.pre_lease = hooknet.hookimpl(noting(pre_lease))
    folded = await kit.fold(lab.plugins(one=decorated))
    assert folded.request.lease_time == 9


async def test_who_changed_what_is_recorded_field_by_field(lab, kit):
    class Both:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return replace(request, mac="02:00:00:00:00:99", lease_time=60)

    folded = await kit.fold(lab.plugins(a_lease=Lease5(), b_both=Both(), c_none=returning(None)))
    assert folded.changed_by == {"mac": "b_both", "lease_time": "b_both"}


async def test_a_plugin_is_told_who_chose_the_mac_and_can_not_say_otherwise(lab, kit):
    seen = []

    class Looks:
        @hooknet.hookimpl
        def pre_lease(self, request):
            seen.append(request.mac_origin)
            return replace(request, lease_time=9, mac_origin=hooknet.MacOrigin.INTERFACE)

    class Pins:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return replace(request, mac="02:00:00:00:00:99")

    origin = hooknet.MacOrigin
    folded = await kit.fold(lab.plugins(a=Looks(), b=Pins(), c=Looks()), mac_origin=origin.RUNTIME)
    assert seen == [origin.RUNTIME, origin.PLUGIN]
    assert (folded.request.mac_origin, folded.changed_by) == (origin.PLUGIN, {"lease_time": "a", "mac": "b"})


async def test_a_copy_that_is_equal_is_no_change(lab, kit):
    folded = await kit.fold(lab.plugins(same=returning(replace)))
    assert folded.changed_by == {}


async def test_the_options_of_a_request_can_not_be_changed_in_place(lab, kit):
    class Sneaky:
        @hooknet.hookimpl
        def pre_lease(self, request):
            request.options[224] = b"x"

    plugins = lab.plugins(sneaky=Sneaky())
    folded = await kit.fold(plugins, options={43: b"v"})
    assert dict(folded.request.options) == {43: b"v"}
    assert "TypeError" in plugins.report()[0].last_error


async def test_refused_fails_the_add_with_that_text_and_is_no_strike(lab, kit):
    plugins = lab.plugins(guard=Raises(hooknet.Refused("web is not welcome on lan")))
    with pytest.raises(hooknet.Refused, match="web is not welcome on lan") as caught:
        await kit.fold(plugins)
    assert "guard" in caught.value.details
    assert plugins.report()[0].strikes == 0


async def test_fault_19_a_plugin_that_raises_is_skipped_and_told_with_plugin_and_hook(lab, kit):
    folded = await kit.fold(lab.plugins(bad=Raises(), good=Lease5()))
    assert folded.request.lease_time == 5
    told = next(event for event in lab.events if event["outcome"] == "failed")
    assert (told["plugin"], told["hook"], told["container"]) == ("bad", "pre_lease", "web")
    assert "ValueError: no such thing" in told["error"]


async def test_fault_19_a_plugin_that_raises_fails_the_add_when_it_is_configured_so(lab, kit):
    plugins = lab.plugins(bad=Raises(), settings={"bad": {"on_failure": "fail"}})
    with pytest.raises(HooknetError, match="plugin 'bad' failed in pre_lease") as caught:
        await kit.fold(plugins)
    assert caught.value.kind is Kind.PLUGIN
    assert "no such thing" in caught.value.details


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), hooknet.Retry()]
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_would_end_a_thread_or_a_task_is_an_ordinary_failure(lab, kit, error, is_async):
    class Plain:
        @hooknet.hookimpl
        def pre_lease(self):
            raise error

    class Coroutine:
        @hooknet.hookimpl
        async def pre_lease(self):
            raise error

    plugins = lab.plugins(bad=Coroutine() if is_async else Plain(), good=Lease5())
    for _ in range(2):
        assert (await kit.fold(plugins)).request.lease_time == 5
    report = next(row for row in plugins.report() if row.name == "bad")
    assert report.failures == 2
    assert type(error).__name__ in report.last_error


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ("text", "returned str"),
        (True, "returned bool"),
        (lambda r: replace(r, mac="03:00:00:00:00:01"), "multicast bit"),
        (lambda r: replace(r, mac="02:AA:00:00:00:01"), "lower case"),
        (lambda r: replace(r, mac="00:00:00:00:00:00"), "no interface can have it"),
        (lambda r: replace(r, mac=None), "not a MAC"),
        (lambda r: replace(r, hostname="no_underscore"), "letters, digits"),
        (lambda r: replace(r, hostname="-a"), "letters, digits"),
        (lambda r: replace(r, hostname="a" * 64), "letters, digits"),
        (lambda r: replace(r, hostname=""), "letters, digits"),
        (lambda r: replace(r, fqdn="a..b"), "letters, digits"),
        (lambda r: replace(r, client_id=b"x"), "2 to 255 bytes"),
        (lambda r: replace(r, client_id=b"x" * 256), "2 to 255 bytes"),
        (lambda r: replace(r, client_id="text"), "2 to 255 bytes"),
        (lambda r: replace(r, lease_time=0), "seconds"),
        (lambda r: replace(r, lease_time=2.5), "seconds"),
        (lambda r: replace(r, lease_time=True), "seconds"),
        (lambda r: replace(r, lease_time=2**32), "seconds"),
        (lambda r: replace(r, requested_address="192.0.2.1"), "IPv4Address"),
        (lambda r: replace(r, requested_address=IPv4Address("224.0.0.1")), "no host"),
        (lambda r: replace(r, vendor_class="a\nb"), "printable"),
        (lambda r: replace(r, vendor_class="x" * 256), "1 to 255"),
        (lambda r: replace(r, user_class=["a"]), "tuple"),
        (lambda r: replace(r, user_class=(None,)), "not text"),
        (lambda r: replace(r, parameters=(0,)), "1 to 254"),
        (lambda r: replace(r, options={61: b"xx"}), "client_id"),
        (lambda r: replace(r, options={53: b"\x01"}), "client sets it"),
        (lambda r: replace(r, options={300: b"x"}), "not an option code"),
        (lambda r: replace(r, options={224: "x"}), "not bytes"),
        (lambda r: replace(r, options={224: b"x" * 256}), "255"),
        (lambda r: replace(r, options=dict.fromkeys(range(224, 229), b"x" * 255)), "1024"),
        (lambda r: replace(r, options=[1]), "dict"),
    ],
)
async def test_nonsense_counts_as_a_failure_and_changes_nothing(lab, kit, result, why):
    plugins = lab.plugins(bad=returning(result))
    folded = await kit.fold(plugins)
    assert (folded.request, folded.changed_by) == (kit.request(), {})
    assert why in plugins.report()[0].last_error
    assert plugins.report()[0].strikes == 1


async def test_what_can_be_sent_is_accepted(lab, kit):
    def change(request):
        return replace(
            request,
            mac="02:00:00:00:00:07",
            client_id=b"ab",
            hostname="web-1.example",
            fqdn="web.example.",
            lease_time=0xFFFFFFFF,
            requested_address=IPv4Address("192.0.2.7"),
            vendor_class="MSFT 5.0",
            user_class=("a", "b"),
            parameters=(1, 3, 6, 254),
            options={43: b"", 224: b"x" * 255},
        )

    plugins = lab.plugins(good=returning(change))
    folded = await kit.fold(plugins)
    assert plugins.report()[0].last_error is None
    assert len(folded.changed_by) == 10
    assert folded.request == replace(change(kit.request()), mac_origin=hooknet.MacOrigin.PLUGIN)


async def test_a_plugin_is_not_blamed_for_what_the_runtime_asked_for(lab, kit):
    folded = await kit.fold(lab.plugins(good=Lease5()), options={60: b"from the conflist"})
    assert folded.request.lease_time == 5
    assert folded.request.options[60] == b"from the conflist"


async def test_the_container_is_looked_up_once_and_only_for_who_names_it(lab, kit):
    seen = []

    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            seen.append(container)

    lookups = []

    async def lookup():
        lookups.append(1)
        return kit.container()

    plugins = lab.plugins(a=Lease5(), b=Wants(), c=Wants())
    assert plugins.wants_container("pre_lease")
    await plugins.pre_lease(kit.attachment(), kit.request(), lookup)
    assert (lookups, seen) == ([1], [kit.container()] * 2)


async def test_nothing_is_looked_up_for_a_plugin_that_is_quarantined(lab, kit):
    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            raise ValueError

    async def lookup():
        return None

    plugins = lab.plugins(a=Wants())
    for _ in range(3):
        await plugins.pre_lease(kit.attachment(), kit.request(), lookup)
    assert (await kit.fold(plugins)).request == kit.request()


async def test_a_container_that_can_not_be_looked_up_is_none_and_fails_no_add(lab, kit):
    seen = []

    class Wants:
        @hooknet.hookimpl
        def pre_lease(self, container):
            seen.append(container)

    async def lookup():
        raise HooknetError(Kind.IO, "podman is away")

    await lab.plugins(a=Wants()).pre_lease(kit.attachment(), kit.request(), lookup)
    assert seen == [None]


async def test_an_exception_that_can_not_be_printed_is_an_ordinary_failure(lab, kit):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    plugins = lab.plugins(bad=Raises(MuteError()), good=Lease5())
    assert (await kit.fold(plugins)).request.lease_time == 5
    assert "MuteError: (its text can't be had)" in plugins.report()[0].last_error


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
    outbox = kit_outbox()
    await plugins.start(outbox)
    await kit.owe(plugins, outbox, "BOUND")
    await kit.until(lambda: outbox.reads)
    began = time.perf_counter()
    assert (await kit.fold(plugins)).request.lease_time == 5
    assert time.perf_counter() - began < 2
    await plugins.stop(0)


def kit_outbox():
    from hooknet.testing.plugins import MemoryOutbox

    return MemoryOutbox()


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

    plugins, outbox = lab.plugins(slow=Slow(), limits={"threads": 1}), kit_outbox()
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
