import subprocess
from pathlib import Path

import pytest

from hooknet.cli import install as command
from hooknet.cli.main import parser_for
from hooknet.errors import HooknetError
from hooknet.shim.install import NAMES, Choices, State, apply, plan, remove, text

CHOICES = Choices(daemon=Path("/opt/hooknet/bin/hooknet"))


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "cni"


def install(directory, choices=CHOICES, **more):
    changes = plan(directory, choices, **more)
    apply(changes, choices)
    return [change.state for change in changes]


def test_three_shims_are_written_and_nothing_else(directory):
    assert install(directory) == [State.MISSING] * 3
    assert sorted(path.name for path in directory.iterdir()) == sorted(NAMES)
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o755}


def test_running_it_twice_changes_nothing(directory):
    install(directory)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.iterdir()}
    assert install(directory) == [State.CURRENT] * 3
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in directory.iterdir()} == before


def test_another_daemon_is_written_into_shims_that_are_there(directory):
    install(directory)
    moved = Choices(daemon=Path("/usr/local/bin/hooknet"))
    assert install(directory, moved) == [State.OUTDATED] * 3
    assert "/usr/local/bin/hooknet" in (directory / "hooknet").read_text()


def test_a_lost_mode_is_repaired(directory):
    install(directory)
    (directory / "dhcp").chmod(0o644)
    assert install(directory) == [State.CURRENT, State.CURRENT, State.OUTDATED]
    assert (directory / "dhcp").stat().st_mode & 0o777 == 0o755


def test_the_distributions_plugins_are_left_alone(directory):
    directory.mkdir()
    (directory / "macvlan").write_bytes(b"\x7fELF")
    assert install(directory) == [State.MISSING, State.FOREIGN, State.MISSING]
    assert (directory / "macvlan").read_bytes() == b"\x7fELF"


def test_drop_ins_that_are_wanted_where_others_are_is_an_error_and_writes_nothing(directory):
    directory.mkdir()
    (directory / "dhcp").write_bytes(b"\x7fELF")
    with pytest.raises(HooknetError, match="dhcp is there and is not hooknet's"):
        install(directory, insist=True)
    assert [path.name for path in directory.iterdir()] == ["dhcp"]


def test_a_foreign_hooknet_is_an_error(directory):
    directory.mkdir()
    (directory / "hooknet").symlink_to("/bin/true")
    with pytest.raises(HooknetError):
        install(directory)


def test_what_is_written_says_what_was_chosen(directory):
    choices = Choices(daemon=Path("/a/hooknet"), interpreter=Path("/b/python3"), socket=Path("/c/cni.sock"))
    written = text(choices)
    assert "\nDAEMON=/a/hooknet\n" in written
    assert "\nPYTHON=/b/python3\n" in written
    assert '\nSOCKETS = ("/c/cni.sock",)\n' in written
    assert '\nDAEMON = "/a/hooknet"\n' in written


def test_the_default_sockets_are_ours_and_then_the_references():
    assert '\nSOCKETS = ("/run/hooknet/cni.sock", "/run/cni/dhcp.sock",)\n' in text(CHOICES)


@pytest.mark.parametrize("path", ["relative", "/a b", "/a'b", '/a"b', "/a\nb", "/a;b", "/a$b", "/a\\b", ""])
def test_a_path_that_would_change_the_script_is_refused(path):
    with pytest.raises(HooknetError):
        text(Choices(daemon=Path(path)))


def test_a_socket_path_that_no_socket_can_have_is_refused():
    with pytest.raises(HooknetError):
        text(Choices(daemon=Path("/d"), socket=Path("/" + "x" * 110 + ".sock")))


def test_what_is_written_is_sh_and_python():
    written = text(CHOICES)
    compile(written, "shim", "exec", dont_inherit=True)
    assert subprocess.run(
        ["sh", "-c", written.partition("\nexec ")[0]], env={"CNI_COMMAND": "VERSION"}, check=True
    )


def test_only_our_shims_are_removed(directory):
    install(directory)
    (directory / "macvlan").write_bytes(b"\x7fELF")
    (directory / "bridge").touch()
    assert [path.name for path in remove(directory)] == ["hooknet", "dhcp"]
    assert sorted(path.name for path in directory.iterdir()) == ["bridge", "macvlan"]


def test_a_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "cni").touch()
    with pytest.raises(HooknetError, match="not a directory"):
        plan(tmp_path / "cni", CHOICES)


# the command


@pytest.fixture
def hooknet_install():
    """The exit code of `hooknet install` with these words."""
    parser = parser_for(["install"])

    def install(*words):
        try:
            return command.run(parser.parse_args(["install", *map(str, words)]))
        except SystemExit as leaving:
            return leaving.code

    return install


def test_the_command_writes_the_shims_and_says_so(hooknet_install, directory, capsys):
    assert hooknet_install("--shims-only", "--cni-dir", directory, "--socket", "/x/cni.sock") == 0
    assert sorted(path.name for path in directory.iterdir()) == sorted(NAMES)
    assert capsys.readouterr().out.splitlines() == [f"write {directory / name}" for name in NAMES]
    assert "/x/cni.sock" in (directory / "dhcp").read_text()


def test_a_dry_run_only_says_so(hooknet_install, directory, capsys):
    assert hooknet_install("--shims-only", "--cni-dir", directory, "--dry-run") == 0
    assert not directory.exists()
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_without_a_directory_it_is_a_usage_error(hooknet_install):
    assert hooknet_install("--shims-only") == 2
