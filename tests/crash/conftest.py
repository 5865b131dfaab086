"""The scene of every crash: a container that lives through it, and a daemon that will die."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))  # `crash` is a package

from lab import Lab

from crash.scene import CrashingDaemon, Scene

Set = Callable[..., Scene]


@pytest.fixture
def scene(lab: Lab) -> Set:
    """Set the scene for a point: `scene("after ACK")`. The daemon is started and not armed yet."""

    def build(point: str, *, fail_at: str = "", **offering: int) -> Scene:
        lan = lab.lan()
        lan.serve("dnsmasq", **offering)
        host = lab.host(lan)
        host.podman.service()
        host.conflist("lan", {"type": "hooknet", "master": "host0"})
        daemon = CrashingDaemon(host.netns, host.folder / "crashing", podman_url=host.podman.url)
        host.cleanup.callback(daemon.stop)
        daemon.crash_at(point, fail_at=fail_at)
        daemon.start()
        return Scene(lan, host, daemon, {})

    return build
