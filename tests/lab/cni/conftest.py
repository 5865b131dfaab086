"""One LAN, one host and one daemon for a whole module: its tests share them, and each has a sandbox of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from lab import Cni, Daemon, Host, Lab, Lan, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a test of one verb happens."""

    lan: Lan
    host: Host
    daemon: Daemon

    @property
    def cni(self) -> Cni:
        return self.host.cni

    def sandbox(self) -> Sandbox:
        return self.host.cni.sandbox()


@pytest.fixture(scope="module")
def shared_lab(world: Path, images: Path, shims: Path) -> Iterator[Lab]:
    lab = Lab(world, images=images, shims=shims)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def stand(shared_lab: Lab) -> Stand:
    lan = shared_lab.lan()
    lan.serve("dnsmasq")
    host = shared_lab.host(lan)
    daemon = host.daemon(config="[network.impatient]\ntimeout = 1\n")
    daemon.start()
    return Stand(lan, host, daemon)
