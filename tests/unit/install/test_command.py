"""`hooknet install` and `uninstall` as they are typed, on the tree of an image."""

from __future__ import annotations

import pytest

from hooknet.cli.main import main

DAEMON = "--daemon=/opt/hooknet/bin/hooknet"


@pytest.fixture
def typed(image, monkeypatch, capsys):
    """Run the command as root, with the image as its --root: exit code, standard output, standard error."""
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def run(*words, root=image.path):
        code = main([*words, f"--root={root}"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_install_and_uninstall_leave_every_byte_of_an_image_as_it_was(image, typed):
    before = image.picture()
    wanted = (DAEMON, "--drop-in", "--network=lan", "--parent=eth0")
    assert typed("install", *wanted)[0] == 0
    installed = image.picture()
    assert typed("install", *wanted)[:2] == (0, "nothing to do\n")
    assert image.picture() == installed
    assert typed("uninstall")[0] == 0
    assert image.picture() == before
    assert typed("uninstall")[:2] == (0, "nothing to do\n")


def test_a_dry_run_prints_each_change_that_the_real_run_then_makes(image, typed):
    before = image.picture()
    code, announced, _ = typed("install", DAEMON, "--drop-in", "--dry-run")
    assert code == 0
    assert image.picture() == before
    assert typed("install", DAEMON, "--drop-in")[1] == announced
    new = set(image.picture()) - set(before)
    assert all(f"/{path}" in announced for path in new)
    code, announced, _ = typed("uninstall", "--dry-run")
    assert set(image.picture()) - set(before) == new
    assert all(f"/{path}" in announced for path in new)


def test_somebody_elses_file_exits_2_and_says_what_to_do(image, typed):
    image.write("usr/local/libexec/cni/hooknet", "\x7fELF")
    before = image.picture()
    code, _, said = typed("install", DAEMON)
    assert code == 2
    assert "never overwritten" in said
    assert image.picture() == before


def test_a_tree_or_a_command_that_is_not_there_exits_4(image, typed):
    assert typed("install", DAEMON, root=image.path / "nowhere")[0] == 4
    code, _, said = typed("install", "--daemon=/opt/other/bin/hooknet")
    assert code == 4
    assert "--daemon" in said


@pytest.mark.parametrize("option", ["--daemon=bin/hooknet", "--cni-dir=cni"])
def test_a_relative_path_is_a_usage_error(typed, capsys, option):
    with pytest.raises(SystemExit) as raised:
        typed("install", DAEMON, option)
    assert raised.value.code == 2
    assert "is no absolute path; give one that begins with /" in capsys.readouterr().err


def test_shims_alone_are_not_written_past_a_root(image, typed, tmp_path):
    assert typed("install", DAEMON, "--shims-only", f"--cni-dir={tmp_path / 'cni'}")[0] == 0
    assert not (tmp_path / "cni").exists()
    assert image.exists(f"{tmp_path / 'cni'}/hooknet")


def test_a_tree_without_etc_group_is_told_and_not_promised_again_and_again(image, typed):
    (image.path / "etc/group").unlink()
    code, said, _ = typed("install", DAEMON)
    assert code == 0
    assert "add the group" not in said
    assert "note: there is no /etc/group for the group hooknet, which" in said
    assert typed("install", DAEMON)[1].startswith("nothing to do\n")


def test_without_root_it_exits_2_and_a_dry_run_is_for_everybody(image, typed, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    code, _, said = typed("install", DAEMON)
    assert code == 2
    assert "sudo" in said
    assert typed("install", DAEMON, "--dry-run")[0] == 0


def test_a_parent_without_a_network_is_a_usage_error(typed):
    with pytest.raises(SystemExit) as raised:
        typed("install", DAEMON, "--parent=eth0")
    assert raised.value.code == 2
