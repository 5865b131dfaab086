"""The Python half of a shim, compiled: taken by the Python that made it, for the text that it was made of."""

import subprocess
import sys
from pathlib import Path

import pytest

from hooknet.shim import install
from hooknet.shim.install import COMPILED, Choices, text, with_compiled

CHOICES = Choices(daemon=Path("/opt/hooknet/bin/hooknet"), socket=Path("/nonexistent/cni.sock"))
OF_THIS_PYTHON = sys.implementation.cache_tag
SYSTEMS = subprocess.run(
    ["/usr/bin/python3", "-IS", "-c", "import sys; print(sys.implementation.cache_tag)"],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
).stdout.strip()
"""The Python of the shims, and so of these tests: where it is another one than ours, nothing compiled fits."""
ALIKE = pytest.mark.skipif(SYSTEMS != OF_THIS_PYTHON, reason=f"the system's Python is {SYSTEMS}")


@pytest.fixture
def shim(tmp_path):
    """The text of a shim of which the compiled half only says so."""
    written = text(CHOICES).partition(COMPILED)[0]
    path = tmp_path / "hooknet"
    path.write_text(with_compiled(written, "print('compiled:', sys.argv[1:])"))
    path.chmod(0o755)
    return path


def ran(shim):
    return subprocess.run(
        [shim, "one"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"CNI_COMMAND": "ADD"},
        check=False,
    ).stdout


@ALIKE
def test_it_is_taken_by_the_same_python(shim):
    assert ran(shim) == "compiled: ['one']\n"


@ALIKE
def test_a_text_that_was_changed_by_hand_counts(shim):
    shim.write_text(shim.read_text().replace('"/nonexistent/cni.sock"', '"/nonexistent/other.sock"'))
    assert "does not answer on /nonexistent/other.sock" in ran(shim)


def test_what_another_python_has_made_is_left(shim):
    shim.write_text(shim.read_text().replace(f"{COMPILED}{OF_THIS_PYTHON} ", f"{COMPILED}cpython-31 "))
    assert "does not answer on /nonexistent/cni.sock" in ran(shim)


def test_an_alpha_or_beta_of_python_compiles_nothing_that_lasts(monkeypatch):
    class Beta:
        releaselevel = "beta"

    monkeypatch.setattr(install.sys, "version_info", Beta)
    assert COMPILED not in text(CHOICES)


def test_two_installations_are_alike():
    program = (
        "import decimal, sys; from pathlib import Path; from hooknet.shim.install import *;"
        "choices = Choices(daemon=Path('/opt/hooknet/bin/hooknet'), socket=Path('/nonexistent/cni.sock'));"
        "sys.stdout.write(text(choices))"
    )
    again = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert again.stdout == text(CHOICES)
