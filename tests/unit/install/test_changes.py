"""Each change does what it says, and says what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from hooknet.errors import HooknetError
from hooknet.install.changes import (
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    Run,
    WriteFile,
    carry_out,
    replace_file,
)


def test_a_file_is_replaced_in_one_step(image):
    place = image.write("etc/x", "old")
    before = place.stat().st_ino
    WriteFile(Path("/etc/x"), b"new", 0o640).carry_out(image.root)
    assert place.read_text() == "new"
    assert place.stat().st_ino != before
    assert place.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in place.parent.glob(".*")] == []


def test_a_file_that_can_not_be_written_leaves_nothing_behind(image):
    with pytest.raises(HooknetError, match="can't write /nowhere/x"):
        list(carry_out([WriteFile(Path("/nowhere/x"), b"")], image.root))


def test_a_file_that_looks_like_the_one_before_keeps_its_mode(tmp_path):
    place = tmp_path / "x"
    place.write_text("old")
    place.chmod(0o604)
    replace_file(place, b"new", None)
    assert (place.read_text(), place.stat().st_mode & 0o777) == ("new", 0o604)


def test_a_link_is_replaced(image):
    (image.path / "etc/link").symlink_to("a")
    MakeLink(Path("/etc/link"), "b").carry_out(image.root)
    assert (image.path / "etc/link").readlink() == Path("b")


def test_only_an_empty_directory_is_removed(image):
    image.write("etc/full/x")
    RemoveDirectory(Path("/etc/full")).carry_out(image.root)
    assert image.exists("/etc/full/x")
    RemoveFile(Path("/etc/full/x")).carry_out(image.root)
    RemoveDirectory(Path("/etc/full")).carry_out(image.root)
    assert not image.exists("/etc/full")


def test_removing_what_is_not_there_is_no_error(image):
    RemoveFile(Path("/etc/none")).carry_out(image.root)
    RemoveDirectory(Path("/etc/none")).carry_out(image.root)


def test_what_is_done_is_told_one_by_one(image):
    changes = [
        WriteFile(Path("/etc/a"), b""),
        WriteFile(Path("/nowhere/b"), b""),
        WriteFile(Path("/etc/c"), b""),
    ]
    done = []
    with pytest.raises(HooknetError):
        done.extend(carry_out(changes, image.root))
    assert image.exists("/etc/a")
    assert not image.exists("/etc/c")


def test_no_command_is_ever_run_for_an_image(image):
    with pytest.raises(AssertionError):
        Run(("true",)).carry_out(image.root)
