"""hooknet.podman.listing: the whole list, or nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from hooknet.errors import Kind
from hooknet.podman.listing import PodmanContainer, list_all, list_containers
from hooknet.podman.service import PodmanUnavailable

ID = "a73e5cc67f00a6da1509a93ce2b1e5e7fdc1b8ec792bd880b58a9bc48abe8b3c"
POD = "67bb062f8be4db4ea800baf415fc9b4959c8ba770d57173cee7411728c62efb3"
ROW = {
    "AutoRemove": False,
    "Id": ID,
    "Image": "localhost/box:latest",
    "IsInfra": True,
    "Labels": {"x": "y"},
    "Names": ["67bb062f8be4-infra"],
    "Networks": ["lan"],
    "Pid": 126,
    "Pod": POD,
    "PodName": "mypod",
    "State": "running",
}


def test_a_row_of_podman_4_3_1(podman):
    podman.containers = [ROW]
    (found,) = asyncio.run(list_containers(podman.url))
    assert found == PodmanContainer(
        id=ID,
        names=("67bb062f8be4-infra",),
        state="running",
        pid=126,
        image="localhost/box:latest",
        labels={"x": "y"},
        networks=("lan",),
        pod=POD,
        pod_name="mypod",
        source=podman.url,
    )
    assert podman.queries("/containers/json") == [{"all": "true"}]


def test_a_row_with_nothing_but_an_id_is_a_container(podman):
    podman.containers = [
        {"Id": ID},
        {"Id": POD, "Names": None, "Labels": None, "Pid": "7", "Networks": 3, "Pod": ""},
    ]
    assert asyncio.run(list_containers(podman.url)) == (
        PodmanContainer(id=ID, source=podman.url),
        PodmanContainer(id=POD, source=podman.url),
    )


@pytest.mark.parametrize("empty", [[], b"null", b"null\n"])
def test_no_containers(podman, empty):
    podman.containers = empty
    assert asyncio.run(list_containers(podman.url)) == ()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[", b"7", b"[" * 100_000, [ROW, {"Names": ["no id"]}], [ROW, None], [{"Id": 7}]]
)
def test_a_list_that_is_not_understood_whole_is_no_list(podman, body):
    podman.containers = body
    with pytest.raises(PodmanUnavailable, match="its container list can't be read"):
        asyncio.run(list_containers(podman.url))


def test_no_service_is_told_with_the_remedy(no_podman):
    with pytest.raises(PodmanUnavailable) as caught:
        asyncio.run(list_containers(no_podman.url))
    assert caught.value.kind is Kind.UNAVAILABLE
    assert caught.value.absent
    assert "podman.socket" in caught.value.hint


def test_an_error_of_the_service_is_told_in_its_words(podman):
    podman.status = "500 Oops"
    with pytest.raises(PodmanUnavailable, match="podman answered 500 it broke"):
        asyncio.run(list_containers(podman.url))


def test_a_service_that_does_not_answer_is_not_waited_for(podman):
    podman.hang = True
    began = time.monotonic()
    with pytest.raises(PodmanUnavailable, match=r"within 0\.1 s|in time"):
        asyncio.run(list_containers(podman.url, 0.1))
    assert time.monotonic() - began < 5


def test_an_answer_without_end_is_cut(podman, monkeypatch):
    monkeypatch.setattr("hooknet.podman.listing.LONGEST_LIST", 1000)
    podman.containers = [ROW] * 100
    with pytest.raises(PodmanUnavailable, match="longer than 1000 bytes"):
        asyncio.run(list_containers(podman.url))


def test_all_podmans_are_asked_and_those_that_cannot_be_are_named(podman, tmp_path):
    podman.containers = [ROW]
    gone = f"unix://{tmp_path}/none.sock"
    before = time.time_ns()
    listing = asyncio.run(list_all((podman.url, gone)))
    assert [found.id for found in listing.containers] == [ID]
    assert [fault.url for fault in listing.unavailable] == [gone]
    assert before <= listing.taken <= time.time_ns()


def test_no_podman_at_all_is_an_empty_list_and_nobody_is_missing():
    listing = asyncio.run(list_all(()))
    assert (listing.containers, listing.unavailable) == ((), ())


def test_a_cancelled_list_frees_its_thread(podman):
    podman.hang = True

    async def main():
        task = asyncio.ensure_future(list_containers(podman.url, 60))
        await asyncio.to_thread(podman.wait_for_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    began = time.monotonic()
    asyncio.run(main())  # joins the threads
    assert time.monotonic() - began < 5
