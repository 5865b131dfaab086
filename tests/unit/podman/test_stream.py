"""hooknet.podman.stream against a fake service: faults 23 and 24, one by one."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hooknet.podman.stream import Backoff, EventStream, EventStreams, StreamStatus, SystemClock

ID = "c" * 64
DEADLINE = 10


@asynccontextmanager
async def following(url, recorder, clock, **options):
    stream = EventStream(url, recorder.deliver, recorder.state, recorder.resync, clock=clock, **options)
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()
        assert not stream._thread.is_alive()


def statuses(recorder):
    return [state.status for state in recorder.states]


async def in_thread(function, *args):
    await asyncio.to_thread(function, *args)


def test_events_arrive_as_they_happen_and_other_types_do_not(podman, recorder, clock, make_event):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            podman.push(
                make_event("pull", "", kind="image"), make_event("create", ID), make_event("init", ID)
            )
            await told.until(lambda r: len(r.events) == 2)
        return told

    told = asyncio.run(main())
    assert told.actions == ["create", "init"]
    assert told.events[0].source == podman.url


def test_the_first_connection_says_so_and_asks_for_a_resync(podman, recorder, clock):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock) as stream:
            await told.until(lambda r: r.resyncs)
            return told, stream.state

    told, state = asyncio.run(main())
    assert statuses(told) == [StreamStatus.CONNECTED]
    assert state.podman == "4.3.1"
    assert told.resyncs == ["connected to podman"]


def test_fault_23_no_socket_is_absent_with_a_remedy_and_is_tried_again(no_podman, recorder, clock):
    async def main():
        told = recorder()
        async with following(no_podman.url, told, clock) as stream:
            await in_thread(clock.wait_for_pauses, 1)
            await told.until(lambda r: r.states)
            absent = stream.state
            no_podman.start()
            clock.allow(1)
            await told.until(lambda r: r.resyncs)
            no_podman.stop()
            return absent, told

    absent, told = asyncio.run(main())
    assert absent.status is StreamStatus.ABSENT
    assert no_podman.path in absent.why
    assert "podman.socket" in absent.hint
    assert statuses(told)[:2] == [StreamStatus.ABSENT, StreamStatus.CONNECTED]


def test_fault_23_a_socket_that_nobody_listens_on_is_waited_for(no_podman, recorder, clock):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(no_podman.path)

    async def main():
        told = recorder()
        async with following(no_podman.url, told, clock) as stream:
            await in_thread(clock.wait_for_pauses, 1)
            return stream.state

    state = asyncio.run(main())
    assert state.status is StreamStatus.RECONNECTING
    assert state.why == f"nobody listens on {no_podman.path}"


def test_fault_23_after_a_restart_of_the_service_what_was_missed_is_replayed_once(
    podman, recorder, clock, make_event
):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            podman.push(make_event("create", ID))
            await told.until(lambda r: r.events)
            podman.stop()
            podman.log.append(make_event("died", ID))
            podman.start()
            await in_thread(clock.wait_for_pauses, 1)
            clock.allow(1)
            await told.until(lambda r: len(r.events) == 2 and len(r.resyncs) == 2)
        return told

    told = asyncio.run(main())
    assert told.actions == ["create", "died"]
    assert told.resyncs == ["connected to podman", "connected to podman again"]
    assert podman.queries()[-1]["since"].endswith("Z")


@pytest.mark.parametrize("end", ["end_streams", "cut_streams"])
def test_fault_23_a_stream_that_ends_is_a_gap_and_is_opened_again(podman, recorder, clock, end):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            await told.until(lambda r: r.resyncs)
            getattr(podman, end)()
            await told.until(lambda r: r.states and r.states[-1].status is StreamStatus.RECONNECTING)
            clock.allow(1)
            await told.until(lambda r: len(r.resyncs) == 2)
        return told

    told = asyncio.run(main())
    assert told.states[-1].status is StreamStatus.CONNECTED
    assert told.resyncs[-1] == "connected to podman again"


def test_fault_23_a_stream_that_falls_silent_is_found_out(podman, recorder, clock, make_event):
    podman.deaf_streams = True
    overlooked = make_event("cleanup", ID, at=time.time_ns() - 1_500_000_000)

    async def main():
        told = recorder()
        async with following(podman.url, told, clock, idle_timeout=0.05) as stream:
            await in_thread(podman.wait_for_streams)
            await told.until(lambda r: r.resyncs)
            podman.push(overlooked)
            stream._clock.wall = lambda: time.time_ns() + 3_000_000_000  # as if it had been quiet for a while
            podman.deaf_streams = False
            await told.until(lambda r: len(r.resyncs) == 2 and r.events)
        return told

    told = asyncio.run(main())
    assert told.actions == ["cleanup"]
    assert told.resyncs[-1] == "the event stream had gone silent without ending"
    assert statuses(told) == [StreamStatus.CONNECTED]
    assert clock.pauses == []


def test_a_quiet_stream_is_renewed_without_a_word(podman, recorder, clock, make_event):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock, idle_timeout=0.02):
            await in_thread(podman.wait_for_requests, 4)
            podman.push(make_event("create", ID))
            await told.until(lambda r: r.events)
            await in_thread(podman.wait_for_requests, len(podman.requests) + 3)
        return told

    told = asyncio.run(main())
    assert told.actions == ["create"]
    assert len(told.resyncs) == len(told.states) == 1
    assert clock.pauses == []


def test_fault_24_doubled_and_reordered_events_are_told_once_each(podman, recorder, clock, make_event):
    now = time.time_ns()
    one, two = make_event("create", ID, at=now), make_event("init", ID, at=now - 1000)
    last = make_event("remove", ID, at=now + 1)

    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            podman.push(one, two, one, two, last)
            await told.until(lambda r: "remove" in r.actions)
        return told.actions

    assert asyncio.run(main()) == ["create", "init", "remove"]


def test_fault_24_ten_thousand_events_at_once_all_arrive_or_a_resync_says_so(
    podman, recorder, clock, make_event
):
    now = time.time_ns()
    flood = [make_event("create", f"{n:064x}", at=now + n) for n in range(10_000)]

    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            await told.until(lambda r: r.resyncs)
            podman.push(*flood)
            await told.until(lambda r: len(r.events) == 10_000 or len(r.resyncs) == 2)
            podman.push(make_event("create", ID, at=now + 20_000))
            await told.until(lambda r: r.events[-1].id == ID)
        return told

    told = asyncio.run(main())
    assert len(told.events) == 10_001 or "faster than they could be handled" in told.resyncs[1]


@pytest.mark.parametrize(
    "junk", [b"not json\n", b'{"Type":7}\n', b"\xff\xfe\n", b"x" * 300_000 + b"\n", b"[" * 100_000 + b"\n"]
)
def test_junk_in_the_stream_is_skipped_and_asks_for_one_resync(
    podman, recorder, clock, make_event, junk, caplog
):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            await told.until(lambda r: r.resyncs)
            podman.send_raw(junk)
            podman.send_raw(junk)
            podman.push(make_event("create", ID))
            await told.until(lambda r: r.events and len(r.resyncs) == 2)
        return told

    told = asyncio.run(main())
    assert told.actions == ["create"]
    assert len(told.resyncs) == 2
    assert len(caplog.records) == 1


def test_an_event_in_many_small_chunks_is_one_event(podman, recorder, clock, make_event):
    line = json.dumps(make_event("create", ID)).encode() + b"\n"

    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await in_thread(podman.wait_for_streams)
            for at in range(0, len(line), 7):
                podman.send_raw(line[at : at + 7])
            await told.until(lambda r: r.events)
        return told.actions

    assert asyncio.run(main()) == ["create"]


@pytest.mark.parametrize(
    ("status", "said"),
    [("500 Oops", "podman answered 500 it broke"), ("302 Found", "podman answered 302 it broke")],
)
def test_an_error_of_the_service_is_told_in_its_words(podman, recorder, clock, status, said):
    podman.status = status

    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await told.until(lambda r: r.states)
        return told.states[0]

    state = asyncio.run(main())
    assert state.status is StreamStatus.RECONNECTING
    assert state.why == said


def test_an_error_inside_the_stream_ends_the_connection_in_its_words(podman, recorder, clock):
    podman.junk_first = b'{"cause":"c","message":"failed to parse event filters","response":500}\n'

    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            await told.until(lambda r: r.states and r.states[-1].why)
        return told.states[-1]

    assert asyncio.run(main()).why == "podman says: failed to parse event filters"


def test_pauses_double_and_start_over_after_a_connection_that_held(no_podman, recorder, clock):
    async def main():
        told = recorder()
        async with following(no_podman.url, told, clock) as stream:
            clock.allow(3)
            await in_thread(clock.wait_for_pauses, 4)
            failed = stream.state.attempts
            no_podman.start()
            clock.allow(1)
            await in_thread(no_podman.wait_for_streams)
            await told.until(lambda r: r.resyncs)
            clock.offset += 60
            no_podman.end_streams()
            await in_thread(clock.wait_for_pauses, 5)
            no_podman.stop()
            return failed

    assert asyncio.run(main()) == 4
    assert clock.pauses == [0.25, 0.5, 1.0, 2.0, 0.25]


def test_a_service_that_ends_every_stream_at_once_is_not_asked_faster_and_faster(podman, recorder, clock):
    async def main():
        told = recorder()
        async with following(podman.url, told, clock):
            for turn in range(1, 5):
                await in_thread(podman.wait_for_streams, turn)
                podman.end_streams()
                await in_thread(clock.wait_for_pauses, turn)
                clock.allow(1)

    asyncio.run(main())
    assert clock.pauses[:4] == [0.25, 0.5, 1.0, 2.0]


def test_the_longest_pause_is_bounded():
    backoff = Backoff()
    assert [backoff.pause() for _ in range(50)][-1] == 15.0


@pytest.mark.parametrize("where", ["reading", "headers", "pausing"])
def test_stop_takes_effect_at_once_wherever_the_thread_waits(podman, recorder, where):
    podman.hang = where == "headers"
    podman.status = "500 Oops" if where == "pausing" else "200 OK"

    async def main():
        told = recorder()
        stream = EventStream(podman.url, told.deliver, told.state, told.resync)
        stream._backoff = Backoff(first=100.0, longest=100.0)
        stream.start()
        await in_thread(podman.wait_for_requests)
        if where == "pausing":
            await told.until(lambda r: r.states)
        began = time.monotonic()
        stream.stop(DEADLINE)
        return time.monotonic() - began, stream._thread.is_alive()

    took, alive = asyncio.run(main())
    assert not alive
    assert took < 0.5


def test_stop_before_start_and_twice_is_fine(podman):
    stream = EventStream(podman.url, print, print, print)
    stream.stop()
    stream.stop()
    assert stream.state.status is StreamStatus.RECONNECTING


def test_a_kind_of_url_that_is_not_supported_is_absent_and_says_what_to_write(recorder, clock):
    async def main():
        told = recorder()
        async with following("ssh://root@host/podman.sock", told, clock):
            await told.until(lambda r: r.states)
        return told.states[0]

    state = asyncio.run(main())
    assert state.status is StreamStatus.ABSENT
    assert "unix:///path" in state.hint


def test_a_bug_while_reading_is_reported_and_the_stream_goes_on(podman, recorder, clock, make_event, caplog):
    class BugError(Exception):
        pass

    async def main():
        told = recorder()
        async with following(podman.url, told, clock) as stream:
            await in_thread(podman.wait_for_streams)
            healthy = stream._seen.first_time

            def broken(_):
                stream._seen.first_time = healthy
                raise BugError

            stream._seen.first_time = broken
            podman.push(make_event("create", ID))
            await told.until(lambda r: r.states and r.states[-1].why)
            clock.allow(1)
            await told.until(lambda r: r.events)
        return told

    told = asyncio.run(main())
    assert told.actions == ["create"]
    assert any("an error of hooknet's own" in state.why for state in told.states)
    assert "BugError" in caplog.text


def test_several_podmans_are_followed_at_once_and_one_that_is_absent_hurts_no_other(
    podman, recorder, make_event, tmp_path
):
    async def main():
        told = recorder()
        urls = (podman.url, f"unix://{tmp_path}/none.sock")
        streams = EventStreams(urls, told.deliver, told.state, told.resync)
        streams.start()
        await in_thread(podman.wait_for_streams)
        podman.push(make_event("create", ID))
        await told.until(lambda r: r.events and len(r.states) == 2)
        states = streams.states
        streams.stop()
        return states

    first, second = asyncio.run(main())
    assert (first.status, second.status) == (StreamStatus.CONNECTED, StreamStatus.ABSENT)


def test_connections_that_fail_or_end_leave_no_descriptor_behind(podman, recorder, clock, tmp_path):
    def descriptors():
        return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())

    async def main():
        told, other_clock = recorder(), type(clock)()
        async with (
            following(podman.url, told, clock),
            following(f"unix://{tmp_path}/none.sock", told, other_clock),
        ):
            await in_thread(podman.wait_for_streams)
            before = descriptors()
            for turn in range(1, 21):
                podman.end_streams()
                for each in (clock, other_clock):
                    await in_thread(each.wait_for_pauses, turn)
                    each.allow()
                await in_thread(podman.wait_for_streams, turn + 1)
            return before, descriptors()

    before, after = asyncio.run(main())
    assert len(after) <= len(before) + 2  # a connection that is just being made


def test_a_podman_behind_tcp_is_followed_too(podman, recorder, clock, make_event):
    async def main():
        told = recorder()
        with podman.on_tcp() as url:
            async with following(url, told, clock):
                await in_thread(podman.wait_for_streams)
                podman.push(make_event("create", ID))
                await told.until(lambda r: r.events)
        return told.actions

    assert asyncio.run(main()) == ["create"]


def test_following_nobody_is_fine():
    streams = EventStreams((), print, print, print)
    streams.start()
    assert streams.states == ()
    streams.stop()


def test_the_real_clock_sleeps_until_it_is_woken():
    clock = SystemClock()
    threading.Timer(0.01, clock.wake).start()
    began = clock.now()
    clock.sleep(DEADLINE)
    assert clock.now() - began < DEADLINE / 2
    assert abs(clock.wall() - time.time_ns()) < 10**9


def test_a_host_without_podman_does_not_pay_for_podman_py(tmp_path):
    code = f"""if True:
        import asyncio, sys
        from hooknet.podman import EventStream
        async def main():
            told = asyncio.Event()
            stream = EventStream("unix://{tmp_path}/none.sock", print, lambda _: told.set(), print)
            stream.start()
            await asyncio.wait_for(told.wait(), 30)
            stream.stop()
        asyncio.run(main())
        sys.exit(bool({{"podman", "requests", "urllib3"}} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
