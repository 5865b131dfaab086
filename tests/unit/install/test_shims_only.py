"""`hooknet install --shims-only`: three files, and nothing that belongs to somebody else."""

from __future__ import annotations

import pytest

from hooknet.cli.main import main
from hooknet.shim.install import NAMES


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "cni"


@pytest.fixture
def install(directory, capsys):
    """Run it, and tell the exit code and what it printed."""

    def run(*words):
        code = main(
            ["install", "--shims-only", "--cni-dir", str(directory), "--daemon=/opt/x/hooknet", *words]
        )
        return code, capsys.readouterr().out.splitlines()

    return run


def test_three_shims_are_written_and_told(install, directory):
    code, said = install("--socket=/x/cni.sock")
    assert (code, said) == (0, [f"make {directory}/", *(f"write {directory / name}" for name in NAMES)])
    assert sorted(path.name for path in directory.iterdir()) == sorted(NAMES)
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o755}
    assert "/x/cni.sock" in (directory / "dhcp").read_text()


def test_running_it_twice_changes_nothing(install, directory):
    install()
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.iterdir()}
    assert install() == (0, ["nothing to do"])
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.iterdir()} == before


def test_another_daemon_is_written_into_shims_that_are_there(install, directory):
    install()
    assert install("--daemon=/srv/hooknet")[1] == [f"replace {directory / name}" for name in NAMES]
    assert "/srv/hooknet" in (directory / "hooknet").read_text()


def test_a_lost_mode_is_repaired(install, directory):
    install()
    (directory / "dhcp").chmod(0o644)
    assert install()[1] == [f"replace {directory / 'dhcp'}"]
    assert (directory / "dhcp").stat().st_mode & 0o777 == 0o755


def test_another_packages_plugin_is_an_error_and_nothing_is_written(install, directory):
    directory.mkdir()
    (directory / "dhcp").write_bytes(b"\x7fELF")
    assert install()[0] != 0
    assert [path.name for path in directory.iterdir()] == ["dhcp"]


def test_a_link_to_somebody_elses_is_an_error(install, directory):
    directory.mkdir()
    (directory / "hooknet").symlink_to("/bin/true")
    assert install()[0] != 0


def test_a_directory_that_is_a_file_is_refused(install, directory):
    directory.touch()
    assert install()[0] != 0


def test_a_dry_run_only_says_so(install, directory):
    code, said = install("--dry-run")
    assert (code, len(said)) == (0, 4)
    assert not directory.exists()


def test_into_the_tree_of_an_image(install, directory, tmp_path, capsys):
    (tmp_path / "tree").mkdir()
    words = ["--shims-only", f"--root={tmp_path / 'tree'}", "--cni-dir=/opt/cni", "--daemon=/opt/x/hooknet"]
    assert main(["install", *words]) == 0
    assert sorted(path.name for path in (tmp_path / "tree/opt/cni").iterdir()) == sorted(NAMES)


def test_a_tree_that_is_not_there_is_told(directory, tmp_path, capsys):
    words = ["--shims-only", f"--root={tmp_path / 'missing'}", f"--cni-dir={directory}"]
    assert main(["install", *words]) != 0
    assert "there is no directory" in capsys.readouterr().err


def test_without_a_directory_it_is_a_usage_error():
    with pytest.raises(SystemExit) as leaving:
        main(["install", "--shims-only"])
    assert leaving.value.code == 2
