"""hooknet.podman against a real podman: what FACTS about its events and its locks the rest is built on."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from hooknet.podman import (
    Containers,
    EventStream,
    PodmanUnavailable,
    StreamStatus,
    list_all,
    list_containers,
)

pytestmark = pytest.mark.lab
IMAGE = "localhost/box"
DEADLINE = 30


@asynccontextmanager
async def following(world, told):
    stream = EventStream(world.url, told.deliver, told.state, told.resync)
    stream.start()
    try:
        await told.until(lambda t: t.resyncs)
        yield stream
    finally:
        stream.stop()


def in_thread(function, *args):
    return asyncio.to_thread(function, *args)


def test_the_life_of_a_container_is_told_with_its_labels(podman_world, told):
    async def main():
        seen = told()
        async with following(podman_world, seen):
            await in_thread(
                podman_world.podman,
                "run",
                "--rm",
                "--name",
                "life",
                "--label",
                "a=b",
                "--network",
                "none",
                IMAGE,
                "true",
            )
            await seen.until(lambda t: "remove" in t.actions("life"))
        return seen

    seen = asyncio.run(main())
    assert [a for a in seen.actions("life") if a != "attach"] == ["create", "init", "start", "died", "remove"]
    assert all(event.labels == {"a": "b"} for event in seen.events if event.name == "life")
    assert all(event.image == "localhost/box:latest" for event in seen.events if event.name == "life")
    assert seen.states[0].podman


def test_podman_calls_the_infra_container_by_its_pods_name_and_so_do_we(podman_world, told):
    async def main():
        seen = told()
        cache = Containers((podman_world.url,))
        async with following(podman_world, seen):
            await in_thread(
                podman_world.podman, *f"pod create --name pod1 --infra-image {IMAGE} --network lan".split()
            )
            await in_thread(
                podman_world.podman, *f"run -d --pod pod1 --name member {IMAGE} sleep 1000".split()
            )
            await seen.until(lambda t: "start" in t.actions("member"))
        for event in seen.events:
            cache.update(event)
        cache.close()
        return seen, cache

    seen, cache = asyncio.run(main())
    infra = next(event for event in seen.events if event.name.endswith("-infra") and event.pod)
    member = next(event for event in seen.events if event.name == "member")
    asked = {who: args["K8S_POD_NAME"] for verb, args, who in podman_world.asked() if verb == "ADD"}
    assert asked[infra.id] == "pod1"
    assert cache.get(member.id).pod == cache.get(infra.id).pod == "pod1"
    assert cache.get(member.id).name == "member"


def test_inside_an_add_a_lookup_is_answered_and_a_list_is_not(podman_world):
    podman_world.hold_adds()
    run = podman_world.begin(*f"run -d --name held --label a=b --network lan {IMAGE} sleep 1000".split())
    podman_world.until(lambda: any(args["K8S_POD_NAME"] == "held" for _, args, _ in podman_world.asked()))
    (held,) = (who for _, args, who in podman_world.asked() if args["K8S_POD_NAME"] == "held")

    async def main():
        cache = Containers((podman_world.url,))
        await cache.lookup("0" * 64, DEADLINE)  # podman-py is imported by now
        began = time.monotonic()
        found = await cache.lookup(held)
        took = time.monotonic() - began
        cache.close()
        with pytest.raises(PodmanUnavailable, match="did not answer"):
            await list_containers(podman_world.url, 1.0)
        return found, took

    try:
        found, took = asyncio.run(main())
    finally:
        podman_world.let_go()
        run.wait(DEADLINE)
    assert (found.name, found.image, dict(found.labels)) == ("held", "localhost/box:latest", {"a": "b"})
    assert took < 0.5
    listed = asyncio.run(list_containers(podman_world.url))
    assert [container.state for container in listed if container.id == held] == ["running"]


def test_a_lookup_finds_the_pod_of_a_container_that_was_there_before_us(podman_world):
    podman_world.podman(*f"pod create --name pod2 --infra-image {IMAGE} --network none".split())
    who = podman_world.podman(*f"create --pod pod2 --name early {IMAGE} sleep 1000".split())

    async def main():
        cache = Containers((podman_world.url,))
        found = await cache.lookup(who, DEADLINE)
        cache.close()
        return found

    found = asyncio.run(main())
    assert (found.name, found.pod) == ("early", "pod2")


def test_a_disconnect_is_told_with_the_containers_id_and_the_list_shows_which_network_is_left(
    podman_world, told
):
    who = podman_world.podman(*f"run -d --name leaves --label a=b --network lan {IMAGE} sleep 1000".split())

    async def main():
        seen = told()
        cache = Containers((podman_world.url,))
        async with following(podman_world, seen):
            await in_thread(podman_world.podman, "network", "disconnect", "lan", "leaves")
            await seen.until(lambda t: "disconnect" in t.actions("leaves"))
        listing = await list_all((podman_world.url,))
        cache.seed(listing)
        event = next(event for event in seen.events if event.action == "disconnect")
        cache.close()
        return event, cache.describe(event), listing

    event, described, listing = asyncio.run(main())
    assert (event.type, event.id) == ("network", who)
    assert event.network in {"lan", None}  # podman 4.3.1 does not tell
    assert described.container.labels == {"a": "b"}
    assert [listed.networks for listed in listing.containers if listed.id == who] == [()]


def test_fault_23_a_killed_service_is_come_back_to_and_what_it_missed_is_told(podman_world, told):
    podman_world.podman(*f"run -d --name outlives --network none {IMAGE} sleep 1000".split())

    async def main():
        seen = told()
        async with following(podman_world, seen) as stream:
            await in_thread(podman_world.kill_service)
            await seen.until(lambda t: t.states[-1].status is not StreamStatus.CONNECTED)
            await in_thread(podman_world.podman, "rm", "--force", "--time", "0", "outlives")
            await in_thread(podman_world.start_service)
            await seen.until(lambda t: "remove" in t.actions("outlives") and len(t.resyncs) == 2)
            return seen, stream.state

    seen, state = asyncio.run(main())
    assert state.status is StreamStatus.CONNECTED
    assert seen.actions("outlives").count("remove") == 1
    assert seen.resyncs[-1] == "connected to podman again"


def test_a_quiet_stream_of_a_real_service_stops_at_once(podman_world, told):
    async def main():
        seen = told()
        async with following(podman_world, seen) as stream:
            began = time.monotonic()
            stream.stop(DEADLINE)
            return time.monotonic() - began

    assert asyncio.run(main()) < 0.5


def test_the_list_tells_processes_networks_and_pods(podman_world):
    who = podman_world.podman(*f"run -d --name listed --label x=y --network lan {IMAGE} sleep 1000".split())
    podman_world.podman(*f"pod create --name pod3 --infra-image {IMAGE} --network none".split())
    listing = asyncio.run(list_all((podman_world.url,)))
    by_id = {container.id: container for container in listing.containers}
    listed = by_id[who]
    infra = next(container for container in listing.containers if container.pod_name == "pod3")
    assert (listed.names, listed.state, listed.networks, listed.pod) == (
        ("listed",),
        "running",
        ("lan",),
        None,
    )
    assert listed.pid > 0
    assert listed.labels == {"x": "y"}
    assert infra.pod is not None
    assert listing.unavailable == ()
