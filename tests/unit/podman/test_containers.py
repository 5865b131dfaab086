"""hooknet.podman.containers: what the cache remembers, what it asks, and how long it waits."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime

import pytest

from hooknet.model import Container
from hooknet.podman.containers import FORGET_AFTER, Containers
from hooknet.podman.events import PodmanEvent, event_from
from hooknet.podman.listing import Listing, PodmanContainer
from hooknet.podman.service import PodmanUnavailable

ID = "a73e5cc67f00a6da1509a93ce2b1e5e7fdc1b8ec792bd880b58a9bc48abe8b3c"
OTHER = "b" * 64
POD = "67bb062f8be4db4ea800baf415fc9b4959c8ba770d57173cee7411728c62efb3"
INFRA = "67bb062f8be4-infra"
DEADLINE = 10


def happened(action, who=ID, *, at=100, kind="container", name="web", image="img", pod=None, **labels):
    return PodmanEvent(
        type=kind, action=action, id=who, time_nano=at, name=name, image=image, labels=labels, pod=pod
    )


def pod_created(name="mypod", pod=POD):
    return happened("create", pod, kind="pod", name=name, image="")


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_an_event_is_all_it_takes_to_know_a_container():
    cache = Containers()
    cache.update(happened("create", a="b"))
    assert cache.get(ID) == Container(id=ID, name="web", image="img", labels={"a": "b"})
    assert cache.get(OTHER) is None


def test_a_container_of_a_pod_has_its_pods_name_in_whatever_order_the_events_come():
    for order in ((happened("create", pod=POD), pod_created()), (pod_created(), happened("create", pod=POD))):
        cache = Containers()
        for event in order:
            cache.update(event)
        assert cache.get(ID).pod == "mypod"


def test_an_event_without_the_pods_id_does_not_take_the_pod_away():
    cache = Containers()
    cache.update(pod_created())
    cache.update(happened("create", pod=POD))
    cache.update(happened("died", at=200))
    assert cache.get(ID).pod == "mypod"


def test_the_infra_container_keeps_its_own_name_beside_its_pods():
    cache = Containers()
    cache.update(happened("create", name=INFRA, pod=POD))
    assert cache.get(ID).pod is None
    cache.update(pod_created())
    assert (cache.get(ID).name, cache.get(ID).pod) == (INFRA, "mypod")


def test_a_rename_is_followed_and_older_news_does_not_undo_it():
    cache = Containers()
    cache.update(happened("create", at=100))
    cache.update(happened("rename", at=200, name="renamed"))
    cache.update(happened("start", at=150))
    assert cache.get(ID).name == "renamed"


def test_network_events_teach_nothing_about_containers():
    cache = Containers()
    cache.update(happened("disconnect", kind="network"))
    assert cache.get(ID) is None


def test_a_removed_container_is_remembered_for_a_while():
    now = Time()
    cache = Containers(now=now)
    cache.update(happened("create"))
    cache.update(happened("remove", at=200))
    now.now += FORGET_AFTER - 1
    assert cache.get(ID) is not None
    now.now += 2
    assert cache.get(ID) is None


def test_the_cache_is_bounded_in_containers_and_forgets_the_least_recently_asked():
    cache = Containers(remembered=2)
    cache.update(happened("create", "c1"))
    cache.update(happened("create", "c2"))
    cache.get("c1")
    cache.update(happened("create", "c3"))
    assert [cache.get(who) is not None for who in ("c1", "c2", "c3")] == [True, False, True]


def test_the_cache_is_bounded_in_characters():
    cache = Containers(largest=10_000)
    for n in range(100):
        cache.update(happened("create", f"c{n}", big="x" * 900))
    kept = [n for n in range(100) if cache.get(f"c{n}")]
    assert kept == list(range(90, 100)) or kept == list(range(89, 100))
    now = Time()
    cache = Containers(largest=10_000, now=now)
    for n in range(50):  # what was removed weighs nothing
        cache.update(happened("create", f"c{n}", big="x" * 900))
        cache.update(happened("remove", f"c{n}", big="x" * 900))
        now.now += FORGET_AFTER + 1
    cache.get("nobody")
    assert cache._weight == 0


def test_a_list_teaches_what_was_there_before_us():
    cache = Containers()
    row = PodmanContainer(id=ID, names=(INFRA,), image="img", labels={"a": "b"}, pod=POD, pod_name="mypod")
    cache.seed(Listing((row, PodmanContainer(id=OTHER)), taken=500))
    assert cache.get(ID) == Container(id=ID, name=INFRA, image="img", labels={"a": "b"}, pod="mypod")


def test_a_list_does_not_undo_what_happened_after_it_was_taken():
    cache = Containers()
    cache.update(happened("rename", at=600, name="renamed"))
    cache.seed(Listing((PodmanContainer(id=ID, names=("web",)),), taken=500))
    assert cache.get(ID).name == "renamed"
    cache.seed(Listing((PodmanContainer(id=ID, names=("again",)),), taken=700))
    assert cache.get(ID).name == "again"


def test_plugins_see_an_event_with_all_that_is_known():
    cache = Containers()
    cache.update(pod_created())
    cache.update(happened("create", pod=POD, a="b"))
    disconnect = PodmanEvent(
        type="network", action="disconnect", id=ID, time_nano=10**9, name="web", network="lan"
    )
    cache.update(disconnect)
    told = cache.describe(disconnect)
    assert told.container == Container(id=ID, name="web", image="img", labels={"a": "b"}, pod="mypod")
    assert (told.type, told.action, told.network) == ("network", "disconnect", "lan")
    assert told.time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_plugins_see_an_event_of_a_container_that_nobody_knows():
    event = PodmanEvent(type="network", action="disconnect", id=ID, time_nano=1, name="web")
    assert Containers().describe(event).container == Container(id=ID, name="web")


def test_plugins_see_a_pods_event_with_the_pods_own_name():
    assert Containers().describe(pod_created()).container == Container(id=POD, name="mypod", pod="mypod")


class Asked:
    """A podman that answers queries from a list of events, when `answering` is set."""

    def __init__(self, *events, fail=None):
        self.events, self.fail = events, fail
        self.questions = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.asked = asyncio.Event()

    async def __call__(self, url, wanted, _timeout):
        self.questions.append((url, {key: value for key, value in wanted.items() if key != "type"}))
        self.asked.set()
        await self.answering.wait()
        if self.fail:
            raise self.fail
        return self.events


def lookup(podman, who=ID, urls=("u",), prepare=lambda _: None, timeout=DEADLINE):
    async def main():
        cache = Containers(urls, query=podman)
        prepare(cache)
        try:
            return await cache.lookup(who, timeout)
        finally:
            cache.close()

    return asyncio.run(main())


def test_a_lookup_of_what_is_known_asks_nobody():
    podman = Asked()
    assert lookup(podman, prepare=lambda cache: cache.update(happened("create"))).name == "web"
    assert podman.questions == []


def test_a_lookup_asks_once_for_that_id():
    podman = Asked(happened("create", a="b"))
    assert lookup(podman).labels == {"a": "b"}
    assert podman.questions == [("u", {"container": (ID,)})]


def test_a_lookup_asks_for_the_pods_name_too():
    podman = Asked(happened("create", pod=POD), pod_created())
    assert lookup(podman).pod == "mypod"
    assert podman.questions[1:] == [("u", {"pod": (POD,)})]


def test_a_lookup_takes_no_other_container_with_that_name_or_beginning():
    podman = Asked(happened("create", "abc", name="x"), happened("create", OTHER, name="ab"))
    assert lookup(podman, who="ab") is None


def test_a_lookup_asks_every_podman():
    podman = Asked(fail=PodmanUnavailable("u", "why"))
    assert lookup(podman, urls=("u", "v")) is None
    assert [url for url, _ in podman.questions] == ["u", "v"]


def test_a_lookup_without_any_podman_is_none_at_once():
    assert lookup(Asked(), urls=()) is None


def test_a_lookup_gives_up_in_time():
    podman = Asked()
    podman.answering.clear()
    assert lookup(podman, timeout=0.02) is None


def test_the_event_itself_ends_the_wait():
    async def main():
        podman = Asked()
        podman.answering.clear()
        cache = Containers(("u",), query=podman)
        waiting = asyncio.ensure_future(cache.lookup(ID, DEADLINE))
        await podman.asked.wait()
        cache.update(happened("create"))
        found = await waiting
        cache.close()
        return found

    began = time.monotonic()
    assert asyncio.run(main()).name == "web"
    assert time.monotonic() - began < DEADLINE / 2


def test_everyone_who_wants_the_same_container_waits_for_one_answer():
    podman = Asked(happened("create"))

    async def main():
        cache = Containers(("u",), query=podman)
        found = await asyncio.gather(*(cache.lookup(ID, DEADLINE) for _ in range(50)))
        cache.close()
        return found

    assert {found.name for found in asyncio.run(main())} == {"web"}
    assert len(podman.questions) == 1


def test_a_lookup_that_is_cancelled_does_not_take_the_answer_from_the_others():
    async def main():
        podman = Asked(happened("create"))
        podman.answering.clear()
        cache = Containers(("u",), query=podman)
        first = asyncio.ensure_future(cache.lookup(ID, DEADLINE))
        second = asyncio.ensure_future(cache.lookup(ID, DEADLINE))
        await podman.asked.wait()
        first.cancel()
        podman.answering.set()
        found = await second
        cache.close()
        return found

    assert asyncio.run(main()).name == "web"


def test_after_a_failed_lookup_the_next_one_asks_again():
    async def main():
        podman = Asked(fail=PodmanUnavailable("u", "why"))
        cache = Containers(("u",), query=podman)
        assert await cache.lookup(ID, DEADLINE) is None
        podman.fail, podman.events = None, (happened("create"),)
        found = await cache.lookup(ID, DEADLINE)
        cache.close()
        return found

    assert asyncio.run(main()).name == "web"


def test_an_unexpected_error_in_a_lookup_is_logged_and_gives_none(caplog):
    assert lookup(Asked(fail=ZeroDivisionError())) is None
    assert "ZeroDivisionError" in caplog.text


def test_a_real_lookup_over_the_wire(podman, make_event):
    podman.push(make_event("create", ID, pod=POD, name="web", a="b"))
    podman.push(make_event("create", POD, kind="pod", name="mypod"))
    podman.push(make_event("exec", ID, name="noise"))

    async def main():
        cache = Containers((podman.url,))
        found = await cache.lookup(ID, DEADLINE)
        cache.close()
        return found

    assert asyncio.run(main()) == Container(
        id=ID, name="web", image="localhost/box", labels={"a": "b"}, pod="mypod"
    )
    assert {query["stream"] for query in podman.queries()} == {"false"}


def test_a_service_that_hangs_costs_a_lookup_its_half_second_and_no_thread(podman):
    podman.hang = True

    async def main():
        cache = Containers((podman.url,))
        began = time.monotonic()
        found = await asyncio.gather(*(cache.lookup(f"{n:064x}", 0.2) for n in range(40)))
        took = time.monotonic() - began
        threads = sum(thread.name.startswith("podman-query") for thread in threading.enumerate())
        cache.close()
        return found, took, threads

    began = time.monotonic()
    found, took, threads = asyncio.run(main())
    assert set(found) == {None}
    assert took < 2
    assert time.monotonic() - began < 5
    assert threads <= 8


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff"])
def test_junk_in_an_answer_is_no_container(podman, junk):
    podman.log = [
        {"Type": "container", "timeNano": 10**18, "Actor": {"Attributes": {"name": "x"}}, "x": str(junk)}
    ]
    podman.ignore_filters = True

    async def main():
        cache = Containers((podman.url,))
        found = await cache.lookup(ID, DEADLINE)
        cache.close()
        return found

    assert asyncio.run(main()) is None


def test_the_events_of_a_cache_and_of_the_wire_are_the_same_type(make_event):
    assert event_from(make_event("create", ID, at=100), "") == happened(
        "create", name="box", image="localhost/box"
    )
