"""What a DEL left while no daemon answered."""

import asyncio
import json
import os

import pytest
from cni_calls import CONTAINER, env
from cni_world import raw, run

from hooknet.cni.envelope import LARGEST_TOMBSTONE
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.tombstones import Tombstones
from hooknet.shim.install import Choices, text

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def place(folder):
    path = folder / "tombstones"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def collect(place, lifecycle):
    """Collect with this test's uid as root."""

    def work(**more):
        return run(Tombstones(place, lifecycle, **({"owner": os.getuid()} | more)).collect())

    return work


def leave(place, name=f"{NOW}-1", *, netns="4 99", request=None, time_ns=NOW, **changes):
    path = place / name
    data = request if request is not None else raw(verb="DEL", environment=env("DEL"), **changes)
    path.write_bytes(f"tombstone/1 {time_ns} {netns}\n".encode() + data)
    path.chmod(0o600)
    return path


def test_a_tombstone_is_done_and_gone(place, collect, lifecycle):
    path = leave(place)
    assert collect() == 1
    (asked,) = lifecycle.seen("detach")
    assert (asked.key.container_id, asked.key.network) == (CONTAINER, "lan")
    assert (asked.netns_id, asked.at) == ((4, 99), NOW / 1e9)
    assert not path.exists()


def test_a_tombstone_that_knows_no_netns_says_so(place, collect, lifecycle):
    leave(place, netns="0 0")
    collect()
    assert lifecycle.seen("detach")[0].netns_id is None


def test_tombstones_are_done_in_the_order_in_which_they_were_left(place, collect, lifecycle):
    for number, container in ((10, "third"), (9, "second"), (1, "first")):
        request = raw(verb="DEL", environment=env("DEL", containerid=container))
        leave(place, f"{number}-5", request=request)
    assert collect() == 3
    assert [asked.key.container_id for asked in lifecycle.seen("detach")] == ["first", "second", "third"]


def test_without_a_folder_there_is_nothing_to_do(folder, lifecycle):
    assert run(Tombstones(folder / "none", lifecycle).collect()) == 0


@pytest.mark.parametrize("name", [".new-1-1", "notes.txt", f"{NOW}-1.bad", "1-1-1"])
def test_other_files_are_left_alone(place, collect, lifecycle, name):
    path = leave(place, name)
    assert collect() == 0
    assert path.exists()
    assert lifecycle.calls == []


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"rubbish",
        raw(verb="DEL")[:-1],
        raw(verb="ADD"),
        raw(verb="DEL", name=None),
        raw(verb="DEL", type="bridge"),
    ],
)
def test_what_can_not_be_understood_is_set_aside_once(place, collect, lifecycle, caplog, request_):
    path = leave(place, request=request_)
    assert (collect(), collect()) == (0, 0)
    assert (path.exists(), path.with_name(path.name + ".bad").exists()) == (False, True)
    assert caplog.text.count("set aside") == 1
    assert lifecycle.calls == []


@pytest.mark.parametrize("broken", [{"cniVersion": "9.0.0"}, {"ipam": []}, {"ipam": {"type": "a/b"}}])
def test_a_configuration_that_no_add_would_take_any_more_is_detached_all_the_same(
    place, collect, lifecycle, broken
):
    leave(place, request=raw(verb="DEL", **broken))
    assert collect() == 1
    assert len(lifecycle.seen("detach")) == 1


def test_one_bad_tombstone_does_not_hold_up_the_next(place, collect, lifecycle):
    leave(place, "1-1", request=b"rubbish")
    leave(place, "2-1")
    assert collect() == 1


def test_what_fails_is_set_aside(place, collect, lifecycle):
    lifecycle.fail["detach"] = HooknetError(Kind.IO, "no")
    path = leave(place)
    assert collect() == 0
    assert path.with_name(path.name + ".bad").exists()


def test_a_link_is_not_followed(place, folder, collect, lifecycle):
    target = leave(folder, "target")
    (place / f"{NOW}-1").symlink_to(target)
    assert collect() == 0
    assert lifecycle.calls == []
    assert target.exists()


def test_a_fifo_does_not_stop_the_daemon(place, collect, lifecycle):
    os.mkfifo(place / f"{NOW}-1", 0o600)
    assert collect() == 0


def test_a_file_of_somebody_else_is_set_aside(place, collect, lifecycle):
    if os.geteuid() != 0:
        pytest.skip("changes a file's owner")
    os.chown(leave(place), 65534, 65534)
    assert collect() == 0
    assert lifecycle.calls == []


def test_a_file_that_others_may_write_is_set_aside(place, collect, lifecycle):
    leave(place).chmod(0o622)
    assert collect() == 0
    assert lifecycle.calls == []


def test_a_file_that_is_too_large_is_set_aside_unread(place, collect, lifecycle):
    path = leave(place)
    with path.open("ab") as file:
        file.truncate(LARGEST_TOMBSTONE + 1)
    assert collect() == 0
    assert lifecycle.calls == []


def test_a_folder_of_somebody_else_is_not_read(place, collect, lifecycle, caplog):
    leave(place)
    assert collect(owner=os.getuid() + 1) == 0
    assert "does not belong to root alone" in caplog.text
    assert lifecycle.calls == []


def test_a_folder_that_others_may_write_is_not_read(place, collect, lifecycle):
    leave(place)
    place.chmod(0o777)
    assert collect() == 0


def test_a_folder_that_is_a_link_is_not_read(folder, place, lifecycle):
    leave(place)
    (folder / "link").symlink_to(place)
    assert run(Tombstones(folder / "link", lifecycle, owner=os.getuid()).collect()) == 0
    assert lifecycle.calls == []


def test_two_collections_at_once_do_each_tombstone_once_and_both_wait(place, lifecycle):
    leave(place)

    async def work():
        stones = Tombstones(place, lifecycle, owner=os.getuid())
        return await asyncio.gather(stones.collect(), stones.collect())

    assert sorted(run(work())) == [0, 1]
    assert len(lifecycle.seen("detach")) == 1


def test_a_folder_that_was_empty_is_listed_again_only_after_a_change(place, lifecycle, monkeypatch):
    looks = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: looks.append(folder) or listdir(folder))
    tombstones = Tombstones(place, lifecycle, owner=os.getuid())

    def collect():
        return asyncio.run(tombstones.collect())

    assert (collect(), collect(), len(looks)) == (0, 0, 2)  # just made: a file may come within the same tick
    monkeypatch.setattr("hooknet.frontends.tombstones.TICK_NS", 0)
    assert (collect(), collect(), collect(), len(looks)) == (0, 0, 0, 3)
    leave(place)
    assert (collect(), len(looks)) == (1, 4)
    assert (collect(), len(looks)) == (0, 5)  # its removal was a change as well
    place.chmod(0o777)
    leave(place)
    assert (collect(), len(looks)) == (0, 5)  # others may write there now: not trusted, not even listed
    place.chmod(0o700)
    assert collect() == 1


def test_the_real_shims_tombstone_is_understood(folder, place, collect, lifecycle):
    async def leave_one():
        shim = folder / "hooknet"
        shim.write_text(text(Choices(daemon=folder / "none", socket=folder / "cni.sock")))
        shim.chmod(0o755)
        process = await asyncio.create_subprocess_exec(
            shim, stdin=asyncio.subprocess.PIPE, env=env("DEL", netns=str(folder)) | {"PATH": "/usr/bin:/bin"}
        )
        await process.communicate(
            json.dumps({"cniVersion": "1.0.0", "name": "lan", "type": "hooknet"}).encode()
        )
        return process.returncode

    assert run(leave_one()) == 0
    assert collect() == 1
    (asked,) = lifecycle.seen("detach")
    found = folder.stat()
    assert (asked.key.network, asked.netns_id) == ("lan", (found.st_dev, found.st_ino))
