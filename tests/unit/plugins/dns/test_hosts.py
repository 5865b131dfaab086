"""Hosts files: whole or not at all, for everybody to read and for nobody else to write."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import hooknet
from hooknet.testing import make_attachment, make_lease
from hooknet.testing.plugins import PluginHarness
from hooknet_dns import hosts, make_plugin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "hosts"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir()
    return path


def plugin(folder: Path, state: Path, **settings: Any) -> PluginHarness:
    given = {"mode": "hosts", "name": "{name}.{network}.lan.example", "hosts_dir": str(folder), **settings}
    return PluginHarness(make_plugin, settings=given, name="dns", state_dir=state)


def lease(address: str = "192.0.2.50/24", **changes: Any) -> hooknet.Lease:
    return make_lease(**{"address": address, "obtained": datetime.now(UTC), **changes})


def lines(folder: Path, network: str = "lan") -> list[str]:
    text = (folder / f"{network}.hosts").read_text(encoding="utf-8")
    assert text.startswith(hosts.HEADER)
    return text.removeprefix(hosts.HEADER).splitlines()


def test_a_file_has_a_line_per_lease_in_order(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    dns.post_lease(lease=lease())
    dns.post_lease(make_attachment(container_id="db", container_name="db"), lease("192.0.2.60/24"))
    assert lines(folder) == ["192.0.2.60\tdb.lan.lan.example", "192.0.2.50\tweb.lan.lan.example"]
    dns.release(lease=lease())
    assert lines(folder) == ["192.0.2.60\tdb.lan.lan.example"]


def test_everybody_may_read_it_and_nobody_else_write_whatever_the_umask(folder: Path, state: Path) -> None:
    before = os.umask(0o077)
    try:
        plugin(folder, state).post_lease(lease=lease())
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "lan.hosts").stat().st_mode & 0o777 == 0o644


def test_a_short_name_needs_no_zone(folder: Path, state: Path) -> None:
    plugin(folder, state, name="{name}").post_lease(lease=lease())
    assert lines(folder) == ["192.0.2.50\tweb"]


def test_a_renewal_that_changes_nothing_does_not_write(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    dns.post_lease(lease=lease())
    written = (folder / "lan.hosts").stat()
    dns.post_lease(lease=lease(), reason=hooknet.PostLeaseReason.RENEWED)
    now = (folder / "lan.hosts").stat()
    assert (now.st_ino, now.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_a_reader_never_sees_half_a_file(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    dns.post_lease(lease=lease())
    with (folder / "lan.hosts").open(encoding="utf-8") as reader:
        dns.post_lease(make_attachment(container_id="db", container_name="db"), lease("192.0.2.60/24"))
        assert reader.read().endswith("192.0.2.50\tweb.lan.lan.example\n")
    assert [path.name for path in folder.iterdir()] == ["lan.hosts"]


def test_a_former_runs_leftovers_are_put_right_and_other_peoples_files_are_not_touched(
    folder: Path, state: Path
) -> None:
    folder.mkdir()
    (folder / "gone.hosts").write_text(f"{hosts.HEADER}192.0.2.9\told.lan.example\n", encoding="utf-8")
    (folder / "theirs.hosts").write_text("192.0.2.8 printer\n", encoding="utf-8")
    (folder / ".lan.hosts.tmp").write_text("half", encoding="utf-8")
    plugin(folder, state)
    assert lines(folder, "gone") == []
    assert (folder / "theirs.hosts").read_text(encoding="utf-8") == "192.0.2.8 printer\n"
    assert not (folder / ".lan.hosts.tmp").exists()


def test_a_lease_that_ran_out_is_left_out_when_the_file_is_written(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    over = lease(obtained=datetime.now(UTC) - timedelta(seconds=59.8), lease_time=60)
    dns.post_lease(lease=over)
    assert len(lines(folder)) == 1
    deadline = time.monotonic() + 5
    while datetime.now(UTC) < over.expires and time.monotonic() < deadline:
        os.sched_yield()
    dns.post_lease(make_attachment(container_id="db", container_name="db"), lease("192.0.2.60/24"))
    assert lines(folder) == ["192.0.2.60\tdb.lan.lan.example"]


def test_another_folder_takes_the_names_along(folder: Path, state: Path, tmp_path: Path) -> None:
    plugin(folder, state).post_lease(lease=lease())
    moved = plugin(tmp_path / "moved", state)
    moved.post_lease(lease=lease(), reason=hooknet.PostLeaseReason.RENEWED)
    assert lines(folder) == []
    assert lines(tmp_path / "moved") == ["192.0.2.50\tweb.lan.lan.example"]


def test_a_folder_that_is_gone_is_made_again(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    folder.rmdir()
    dns.post_lease(lease=lease())
    assert len(lines(folder)) == 1


def test_a_file_that_can_not_be_written_means_retry_and_nothing_is_registered(
    folder: Path, state: Path
) -> None:
    dns = plugin(folder, state)
    folder.rmdir()
    folder.write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(hooknet.Retry, match="is not a folder"):
        dns.post_lease(lease=lease())
    folder.unlink()
    dns.post_lease(make_attachment(container_id="db", container_name="db"), lease("192.0.2.60/24"))
    assert lines(folder) == ["192.0.2.60\tdb.lan.lan.example"]


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_may_write_is_refused_when_loading(folder: Path, state: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="give it to root, mode 0755"):
        plugin(folder, state)


def test_a_link_is_no_folder(folder: Path, state: Path, tmp_path: Path) -> None:
    folder.symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        plugin(folder, state)


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(
    folder: Path, state: Path, tmp_path: Path
) -> None:
    dns = plugin(folder, state)
    target = tmp_path / "precious"
    target.write_text("precious", encoding="utf-8")
    (folder / "lan.hosts").symlink_to(target)
    (folder / ".lan.hosts.tmp").symlink_to(target)
    dns.post_lease(lease=lease())
    assert target.read_text(encoding="utf-8") == "precious"
    assert len(lines(folder)) == 1


@pytest.mark.parametrize("network", ["lan", "a b", "../../etc", ".hidden", "ü/x", "100%"])
def test_a_network_has_one_file_whatever_its_name(network: str) -> None:
    name = hosts.file_name(network)
    assert "/" not in name
    assert not name.startswith(".")
    assert hosts.network_of(Path(name)) == network


def test_a_network_that_becomes_an_update_network_leaves_the_file(folder: Path, state: Path) -> None:
    plugin(folder, state).post_lease(lease=lease())
    off = plugin(folder, state, networks={"lan": {"mode": "off"}})
    off.post_lease(lease=lease(), reason=hooknet.PostLeaseReason.RENEWED)
    assert lines(folder) == []


def test_two_containers_of_one_name_are_both_there(folder: Path, state: Path) -> None:
    dns = plugin(folder, state)
    dns.post_lease(lease=lease())
    twin = replace(make_attachment(), container_id="twin")
    dns.post_lease(twin, lease("192.0.2.60/24"))
    assert len(lines(folder)) == 2
    dns.release(lease=lease())
    assert lines(folder) == ["192.0.2.60\tweb.lan.lan.example"]
