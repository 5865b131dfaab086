"""The last line of a shim: taken by the Python that made it, for the text that it was made of, and else not."""

import subprocess
from pathlib import Path

import pytest

from hooknet.shim.compiled import MARK, compiled, ended_by, is_taken, with_compiled
from hooknet.shim.install import INTERPRETER, Choices, text

CHOICES = Choices(daemon=Path("/opt/hooknet/bin/hooknet"), socket=Path("/nonexistent/cni.sock"))
TEXT = text(CHOICES).partition(MARK)[0] + "\n"
AS_TEXT = "the hooknet daemon does not answer on /nonexistent/cni.sock"


@pytest.fixture
def shim(tmp_path):
    """A shim whose last line holds code that says nothing but that it was taken."""
    path = tmp_path / "hooknet"
    path.write_text(ended_by(TEXT, compiled("print('taken:', sys.argv[1:])", INTERPRETER)))
    path.chmod(0o755)
    return path


def ran(shim, **more):
    return subprocess.run(
        [shim, "one"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"CNI_COMMAND": "ADD"},
        check=False,
        **more,
    ).stdout


def change(shim, before, after):
    found = shim.read_text()
    assert before in found
    shim.write_text(found.replace(before, after))


def test_it_is_taken_by_the_python_that_made_it(shim):
    assert ran(shim) == "taken: ['one']\n"


def test_it_is_taken_through_a_link_and_by_a_relative_path(shim, tmp_path):
    (tmp_path / "macvlan").symlink_to(shim)
    assert ran(tmp_path / "macvlan") == ran("./hooknet", cwd=tmp_path) == "taken: ['one']\n"


def test_a_text_that_was_changed_by_hand_counts(shim):
    change(shim, '"/nonexistent/cni.sock"', '"/nonexistent/other.sock"')
    assert "does not answer on /nonexistent/other.sock" in ran(shim)


@pytest.mark.parametrize("python", ["cpython-31-", "pypy311-", ""])
def test_what_another_python_has_made_is_left(shim, python):
    change(shim, f"{MARK}cpython-", MARK + python)
    assert AS_TEXT in ran(shim)


def test_another_bytecode_of_the_same_version_is_left(shim):
    made = compiled("print('taken')", INTERPRETER)
    name, _, ready = made.partition(" ")
    other = name[:-1] + ("0" if name[-1] != "0" else "1")
    shim.write_text(ended_by(TEXT, f"{other} {ready}"))
    assert AS_TEXT in ran(shim)


@pytest.mark.parametrize("kept", [1, 10, 60])
def test_a_line_that_was_cut_is_left(shim, kept):
    before, mark, line = shim.read_text().partition(MARK)
    shim.write_text(before + mark + line[:kept])
    assert AS_TEXT in ran(shim)


def test_a_line_that_was_damaged_is_left(shim):
    found = shim.read_text()
    shim.write_text(found[:-9] + ("A" if found[-9] != "A" else "B") + found[-8:])
    assert AS_TEXT in ran(shim)


def test_after_a_line_that_was_added_the_text_counts(shim):
    shim.write_text(shim.read_text() + "# added\n")
    assert AS_TEXT in ran(shim)


def test_the_doctor_can_tell_whether_it_is_taken():
    whole = text(CHOICES)
    python = whole.rpartition(MARK)[2].partition(" ")[0]
    assert is_taken(whole, python)
    assert not is_taken(whole, "cpython-31-00")
    assert not is_taken(whole.replace("LIMIT = 1 << 20", "LIMIT = 1 << 21"), python)
    assert not is_taken(whole + "# added\n", python)
    assert not is_taken(TEXT, python)


@pytest.mark.parametrize("interpreter", ["/nonexistent/python3", "/bin/false"])
def test_without_its_interpreter_nothing_is_compiled(interpreter):
    assert with_compiled(TEXT, Path(interpreter)) == TEXT


def test_two_installations_are_alike():
    assert text(CHOICES) == text(CHOICES)
    assert MARK in text(CHOICES)
