"""Folders, the lock, and the host's identity."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.folders import host_identity, lock, private_folder


def test_a_folder_is_made_private(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "b")
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_was_too_open_for_readers_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    assert private_folder(tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o777)
    with pytest.raises(HooknetError, match="may be written by others") as refused:
        private_folder(tmp_path / "a")
    assert "chmod 700" in refused.value.hint


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(HooknetError, match="is not a folder"):
        private_folder(tmp_path / "link")


def test_fault_33_a_second_daemon_is_told_who_has_the_lock(tmp_path: Path) -> None:
    held = lock(tmp_path)
    try:
        with pytest.raises(HooknetError, match=f"pid {os.getpid()}") as refused:
            lock(tmp_path)
        assert refused.value.kind is Kind.UNAVAILABLE
    finally:
        os.close(held)
    os.close(lock(tmp_path))


def test_the_machine_id_is_the_hosts_identity(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text("abc\n")
    assert host_identity(tmp_path, tmp_path / "machine-id") == "abc"


@pytest.mark.parametrize("text", [None, "", "uninitialized\n"])
def test_without_a_machine_id_a_random_one_is_kept(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "machine-id").write_text(text)
    first = host_identity(tmp_path, tmp_path / "machine-id")
    assert len(first) == 32
    assert host_identity(tmp_path, tmp_path / "machine-id") == first
    assert (tmp_path / "host-id").stat().st_mode & 0o077 == 0
