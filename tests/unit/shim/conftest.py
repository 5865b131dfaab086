import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hooknet.shim.compiled import MARK
from hooknet.shim.install import INTERPRETER, Choices, text


@pytest.fixture
def folder():
    """A short path that other users may enter: socket names are limited, and a test runs as nobody."""
    path = Path(tempfile.mkdtemp(prefix="hooknet-shim-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def socket_path(folder):
    (folder / "run").mkdir()
    return folder / "run" / "cni.sock"


@pytest.fixture(params=["compiled", "as text"])
def make_shim(request, folder, socket_path):
    """Write a shim that dials this test's socket and no other; keywords as for `Choices`."""

    def make(name="hooknet", **choices):
        defaults = {"daemon": Path("/opt/x/bin/hooknet"), "socket": socket_path}
        path = folder / name
        whole = text(Choices(**(defaults | choices)))
        assert (MARK in whole) == choices.get("interpreter", INTERPRETER).exists()
        path.write_text(whole if request.param == "compiled" else whole.partition(MARK)[0])
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def shim(make_shim):
    return make_shim()
