"""hooknet.podman.inbox: bounded, in order, and honest about what it dropped."""

from __future__ import annotations

import asyncio
import threading

from hooknet.podman.inbox import BATCH, Inbox

DEADLINE = 10


def run(scenario, **options):
    """Run `scenario(inbox, told)` on a loop; `told` collects what comes out. Returns it when the loop is
    idle."""

    async def main():
        told = []
        inbox = Inbox(
            asyncio.get_running_loop(),
            deliver=lambda e: told.append(("event", e)),
            state=lambda s: told.append(("state", s)),
            resync=lambda why: told.append(("resync", why)),
            **options,
        )
        scenario(inbox, told)
        for _ in range(200):
            await asyncio.sleep(0)
        return told

    return asyncio.run(main())


def test_events_come_out_in_order_from_another_thread():
    def scenario(inbox, _):
        thread = threading.Thread(target=lambda: [inbox.put(n) for n in range(1000)])
        thread.start()
        thread.join(DEADLINE)

    assert run(scenario) == [("event", n) for n in range(1000)]


def test_an_overflow_drops_the_newest_and_ends_in_one_resync():
    told = run(lambda inbox, _: [inbox.put(n) for n in range(10_000)], capacity=500)
    assert told[:-1] == [("event", n) for n in range(500)]
    assert told[-1] == ("resync", "9500 events came faster than they could be handled")


def test_ten_thousand_events_do_not_hold_the_loop_for_longer_than_a_batch():
    async def main():
        seen, between = [], []
        inbox = Inbox(
            asyncio.get_running_loop(), deliver=seen.append, state=print, resync=print, capacity=10_000
        )
        for n in range(10_000):
            inbox.put(n)
        while len(seen) < 10_000:
            before = len(seen)
            await asyncio.sleep(0)
            between.append(len(seen) - before)
        return max(between)

    assert asyncio.run(main()) <= BATCH


def test_only_the_latest_state_is_told():
    assert run(lambda inbox, _: [inbox.tell(n) for n in range(5)]) == [("state", 4)]


def test_resyncs_that_nobody_saw_are_one_and_come_after_the_events():
    def scenario(inbox, _):
        inbox.ask_resync("first")
        inbox.ask_resync("second")
        for n in range(300):
            inbox.put(n)

    told = run(scenario)
    assert told[-1] == ("resync", "first")
    assert len(told) == 301


def test_a_flood_without_end_does_not_starve_the_resync():
    async def main():
        resyncs = []

        def again(n):
            inbox.put(n)  # each event that is handled puts another one

        inbox = Inbox(
            asyncio.get_running_loop(),
            deliver=again,
            state=print,
            resync=resyncs.append,
            capacity=512,
        )
        for n in range(300):
            inbox.put(n)
        inbox.ask_resync("why")
        for _ in range(20):
            await asyncio.sleep(0)
        return resyncs

    assert asyncio.run(main())[0] == "why"


def test_a_receiver_that_fails_loses_one_event_and_no_more(caplog):
    async def main():
        seen = []

        def deliver(n):
            if n == 1:
                raise RuntimeError("bad receiver")
            seen.append(n)

        inbox = Inbox(asyncio.get_running_loop(), deliver=deliver, state=print, resync=print)
        for n in range(3):
            inbox.put(n)
        await asyncio.sleep(0.001)
        return seen

    assert asyncio.run(main()) == [0, 2]
    assert "bad receiver" in caplog.text


def test_nothing_is_delivered_after_close():
    def scenario(inbox, _):
        inbox.put(1)
        inbox.tell("state")
        inbox.ask_resync("why")
        inbox.close()
        inbox.put(2)

    assert run(scenario) == []


def test_a_closed_loop_is_no_error():
    async def main():
        return Inbox(asyncio.get_running_loop(), deliver=print, state=print, resync=print)

    inbox = asyncio.run(main())
    inbox.put(1)
    inbox.put(2)
