import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab import podman5


@pytest.fixture
def podman(host, shims):
    """podman 5 on the host, with hooknet as netavark's driver. Where its root is missing the test fails."""
    reason = podman5.missing()
    if reason:
        pytest.fail(reason, pytrace=False)
    return podman5.Podman5(host, shims / "hooknet")


@pytest.fixture
def following(host, podman):
    """A daemon that follows podman 5's events; not started yet."""

    def make(config="", **how):
        podman.service()
        return host.daemon(config, podman_url=podman.url, **how)

    return make
