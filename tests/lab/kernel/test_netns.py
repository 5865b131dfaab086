"""Real namespaces: identity, entering, and the pool's workers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.netns import NetnsId, identify, open_netns
from hooknet.kernel.packet import open_exchange
from hooknet.kernel.pool import KernelPool

pytestmark = pytest.mark.lab


def descriptors():
    """The numbers of this process's open descriptors, but for the one that lists them."""
    return sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists())


def here():
    found = Path("/proc/thread-self/ns/net").stat()
    return NetnsId(found.st_dev, found.st_ino)


@pytest.fixture
def pool():
    pool = KernelPool(4)
    yield pool
    pool.close()


def test_a_netns_is_known_by_its_inode_whatever_its_path(space) -> None:
    with open_netns(space.path) as netns:
        assert netns.id == identify(space.path) == space.run(here)


def test_an_open_netns_stays_the_same_when_its_path_is_reused(lan, tmp_path) -> None:
    first, second = lan.container(), lan.container()
    path = tmp_path / "netns"
    path.symlink_to(first.path)
    with open_netns(str(path)) as netns:
        path.unlink()
        path.symlink_to(second.path)
        assert netns.id == first.run(here)
        assert identify(str(path)) == second.run(here)


def test_the_descriptor_does_not_reach_children(space) -> None:
    with open_netns(space.path) as netns:
        assert not os.get_inheritable(netns.fd)


def test_a_call_runs_in_the_containers_netns_and_the_workers_come_home(pool, lan) -> None:
    spaces = [lan.container() for _ in range(8)]

    async def visit():
        inside = await asyncio.gather(*(pool.run_in(s.fd, here) for s in spaces * 5))
        return inside, await asyncio.gather(*(pool.run(here) for _ in range(40)))

    home = here()
    inside, afterwards = asyncio.run(visit())
    assert inside == [s.run(here) for s in spaces] * 5
    assert set(afterwards) == {home}


def test_a_worker_whose_way_home_is_barred_ends(lan) -> None:
    pool = KernelPool(1)
    space, other = lan.container(), lan.container()

    def bar_the_way() -> None:
        # the descriptor of home is the newest one on that thread: it now leads to a file that is no namespace
        newest = max(
            fd
            for fd in descriptors()
            if (os.fstat(fd).st_dev, os.fstat(fd).st_ino) == (home.device, home.inode)
        )
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, newest, inheritable=False)
        os.close(null)

    async def strand():
        with pytest.raises(HooknetError) as caught:
            await pool.run_in(space.fd, bar_the_way)
        return caught.value, [await pool.run(here), await pool.run_in(other.fd, here), await pool.run(here)]

    home = here()
    error, seen = asyncio.run(strand())
    pool.close()
    assert error.kind is Kind.INTERNAL
    assert seen == [home, other.run(here), home]


def test_a_worker_that_is_born_abroad_works_at_home(lan):
    pool = KernelPool(2)
    seen = []

    class Closing:
        def close(self):
            seen.append(here())

    lan.container().run(pool.discard, Closing())
    pool.close()
    assert seen == [here()]


def test_nothing_of_the_netns_is_held_after_a_call(pool, lan) -> None:
    space = lan.attach()
    before = descriptors()

    async def visit() -> None:
        opened = await pool.run_in(space.fd, open_exchange, "eth0")
        pool.discard(opened)

    asyncio.run(visit())
    pool.close()
    assert descriptors() == before
