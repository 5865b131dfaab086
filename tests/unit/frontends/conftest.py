import shutil
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cni"), str(HERE.parent / "shim")]


@pytest.fixture
def folder():
    """A short path: socket names are limited."""
    path = Path(tempfile.mkdtemp(prefix="hooknet-fe-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def lifecycle():
    from cni_world import FakeLifecycle

    return FakeLifecycle()
