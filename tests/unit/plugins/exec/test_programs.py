"""Whose programs are run: root's only, by a way that only root can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hooknet_exec.programs import Trust, UntrustedError

SCRIPT = "#!/bin/sh\n"


def found(hooks, folder="post_lease.d"):
    return hooks.trust.programs(hooks.folder / folder)


def test_programs_are_found_in_the_order_of_their_names(hooks):
    for name in ("20-b", "10-a.sh", "9-c"):
        hooks.program(name, SCRIPT)
    assert [path.name for path in found(hooks).programs] == ["10-a.sh", "20-b", "9-c"]


def test_a_folder_that_is_not_there_has_no_programs(hooks):
    assert found(hooks).programs == ()


@pytest.mark.parametrize(
    "name", [".hidden", "a~", "a.bak", "a.swp", "a.dpkg-old", "a.rpmnew", "#a#", "a.disabled"]
)
def test_what_is_left_beside_a_program_is_not_run(hooks, name):
    hooks.program(name, SCRIPT)
    assert found(hooks).programs == ()


def test_a_file_that_is_not_executable_and_a_folder_are_not_meant(hooks):
    hooks.program("README", "read me", mode=0o644)
    (hooks.folder / "post_lease.d" / "more").mkdir()
    assert found(hooks) == found(hooks, "nowhere.d")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_program_that_others_may_write_is_refused_with_the_remedy(hooks, mode):
    path = hooks.program("mine", SCRIPT, mode=mode)
    assert found(hooks).programs == ()
    assert found(hooks).refused == (f"{path}: {path} may be written by others than root: chmod go-w {path}",)


def test_a_program_of_somebody_else_is_refused(hooks):
    path = hooks.program("mine", SCRIPT)
    stranger = Trust(owner=os.getuid() + 1, anchor=hooks.folder)
    with pytest.raises(UntrustedError, match=f"belongs to uid {os.getuid()} and not to root: chown root"):
        stranger.programs(path.parent)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_program_that_was_given_to_another_user_is_refused(hooks):
    path = hooks.program("mine", SCRIPT)
    os.chown(path, 1234, 1234)
    assert found(hooks).refused == (f"{path}: {path} belongs to uid 1234 and not to root: chown root {path}",)


def test_a_symbolic_link_to_a_program_is_refused(hooks):
    path = hooks.program("real", SCRIPT)
    (path.parent / "link").symlink_to(path)
    assert [one.name for one in found(hooks).programs] == ["real"]
    assert "symbolic links are not followed" in found(hooks).refused[0]


def test_a_named_pipe_is_refused_and_nothing_hangs(hooks):
    path = hooks.program("real", SCRIPT)
    os.mkfifo(path.parent / "pipe", 0o755)
    assert "it is no regular file" in found(hooks).refused[0]


def test_a_folder_that_is_a_symbolic_link_is_refused(hooks):
    hooks.program("real", SCRIPT)
    (hooks.folder / "release.d").symlink_to(hooks.folder / "post_lease.d")
    with pytest.raises(UntrustedError, match="symbolic links are not followed"):
        found(hooks, "release.d")


@pytest.mark.parametrize("folder", [".", "post_lease.d"])
def test_a_folder_above_it_that_others_may_write_is_refused(hooks, folder):
    hooks.program("real", SCRIPT)
    (hooks.folder / folder).chmod(0o777)
    with pytest.raises(UntrustedError, match="may be written by others"):
        found(hooks)


def test_by_default_everything_from_the_root_on_must_be_roots(tmp_path):
    (tmp_path / "post_lease.d").mkdir()
    assert Trust() == Trust(owner=0, anchor=Path("/"))
    with pytest.raises(UntrustedError):  # /tmp, which everybody may write to, or a folder of the user
        Trust().programs(tmp_path / "post_lease.d")


def test_no_descriptor_is_left_open(hooks):
    hooks.program("real", SCRIPT)
    before = hooks.descriptors()
    found(hooks)
    (hooks.folder / "post_lease.d").chmod(0o777)
    with pytest.raises(UntrustedError):
        found(hooks)
    assert hooks.descriptors() == before
