import shutil
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNIT = HERE.parent
sys.path[:0] = [str(HERE), *(str(UNIT / room) for room in ("cni", "frontends", "shim"))]


@pytest.fixture
def folder():
    """A short path: socket names are limited."""
    path = Path(tempfile.mkdtemp(prefix="hooknet-nv-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def lifecycle():
    from driver_calls import FakeLifecycle

    return FakeLifecycle()
