"""Network namespaces that are only numbers."""

from __future__ import annotations

import errno
import sys
import threading
from pathlib import Path

import pytest

from hooknet.kernel import netns

sys.path.insert(0, str(Path(__file__).parent))

from kernel_calls import FOREIGN, HOME


@pytest.fixture
def place(monkeypatch):
    """Replaces setns: `place.now()` is where the thread is; what is in `place.locked` can't be entered."""

    class Place:
        def __init__(self) -> None:
            self.thread = threading.local()
            self.locked = set()

        def now(self):
            return getattr(self.thread, "here", HOME)

        def setns(self, fd) -> None:
            target = FOREIGN if fd == FOREIGN else HOME
            if target in self.locked:
                raise OSError(errno.EPERM, "Operation not permitted")
            self.thread.here = target

    place = Place()
    monkeypatch.setattr(netns, "setns", place.setns)
    return place
