"""What is no network namespace is said to be none, without waiting for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.netns import identify, open_netns, own_netns

OWN = "/proc/self/ns/net"


def descriptors():
    """The numbers of this process's open descriptors, but for the one that lists them."""
    return sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists())


@pytest.fixture
def impostors(tmp_path):
    """Paths that lead to something else."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = ["fifo", "file", "dangling", "loop", "nothing", "x" * 300, "file/below"]
    return [str(tmp_path / name) for name in names] + [
        str(tmp_path),
        "",
        "/proc/self/ns/mnt",
        "/dev/null",
        "a\0b",
    ]


def test_impostors_have_no_identity(impostors) -> None:
    assert [identify(path) for path in impostors] == [None] * len(impostors)


def test_impostors_are_refused_as_bad_netns(impostors) -> None:
    for path in impostors:
        with pytest.raises(HooknetError) as caught:
            open_netns(path)
        assert caught.value.kind is Kind.BAD_NETNS
        assert caught.value.code == 8


def test_our_own_netns_is_refused_unless_it_is_meant() -> None:
    with pytest.raises(HooknetError, match="host's own"):
        open_netns(OWN)
    with open_netns(OWN, allow_own=True) as own:
        assert own.id == own_netns() == identify(OWN)


def test_no_descriptor_is_left_behind(impostors) -> None:
    before = descriptors()
    for path in [*impostors, OWN]:
        identify(path)
        with pytest.raises(HooknetError):
            open_netns(path)
    assert descriptors() == before


def test_a_netns_may_be_closed_twice() -> None:
    netns = open_netns(OWN, allow_own=True)
    netns.close()
    netns.close()
    assert netns.fd == -1


def test_an_identity_reads_as_device_and_inode() -> None:
    found = Path(OWN).stat()
    assert str(own_netns()) == f"{found.st_dev}:{found.st_ino}"
