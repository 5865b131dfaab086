import subprocess
from pathlib import Path

import pytest

from hooknet.errors import HooknetError
from hooknet.shim.install import Choices, text

CHOICES = Choices(daemon=Path("/opt/hooknet/bin/hooknet"))


def test_what_is_written_says_what_was_chosen():
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


@pytest.mark.parametrize("name", ["x" * 110 + ".sock", "x" * 107])
def test_a_socket_path_that_no_socket_can_have_is_refused(name):
    with pytest.raises(HooknetError):
        text(Choices(daemon=Path("/d"), socket=Path("/" + name)))


def test_a_program_may_lie_as_deep_as_it_likes():
    assert "/" + "x" * 110 + "/hooknet" in text(Choices(daemon=Path("/" + "x" * 110 + "/hooknet")))


def test_what_is_written_is_sh_and_python():
    written = text(CHOICES)
    compile(written, "shim", "exec", dont_inherit=True)
    assert subprocess.run(
        ["sh", "-c", written.partition("\nexec ")[0]], env={"CNI_COMMAND": "VERSION"}, check=True
    )
