"""What the lab tests of hooknet's own plugins share: a host on a LAN, and a daemon with one plugin configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab import Daemon, Host, Lab, Lan

HOOKNET = {"type": "hooknet", "master": "host0"}


@pytest.fixture
def plugged(lab: Lab) -> Callable[..., tuple[Lan, Host]]:
    """`plugged("kea", lease_time=86400)`: a LAN with that server, and a host whose network `lan` is hooknet's."""

    def plugged(kind: str = "dnsmasq", **offering: Any) -> tuple[Lan, Host]:
        lan = lab.lan()
        lan.serve(kind, **offering)
        host = lab.host(lan)
        host.conflist("lan", HOOKNET)
        return lan, host

    return plugged


@pytest.fixture
def serving() -> Callable[[Host, str], Daemon]:
    """`serving(host, config)`: a daemon with this hooknet.toml that follows the host's podman, serving."""

    def serving(host: Host, config: str, *, follow_podman: bool = False, **how: Any) -> Daemon:
        make = host.following_daemon if follow_podman else host.daemon
        daemon = make(config, **how)
        daemon.start()
        return daemon

    return serving
