"""The fixtures that tests ask for: `lan`, `host` and `daemon` for the usual case, `lab` for any other.

A fresh lab costs 0.1 s, a fresh daemon what its imports cost: nothing is shared between tests but the image
and the shims, so no test can see what another did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import world as the_world
from lab.daemon import Daemon, install_shims
from lab.machine import SYSTEMD, Machine
from lab.place import Lab
from lab.podman import make_image_store

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from lab.host import Host
    from lab.lan import Lan


@pytest.fixture(scope="session")
def world() -> Path:
    """A world to build labs in. Without one, lab tests fail in CI and in script/test, and skip elsewhere."""
    reason = the_world.missing()
    if reason and the_world.required():
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    the_world.FOLDER.mkdir(exist_ok=True)
    return the_world.FOLDER


@pytest.fixture(scope="session")
def images(world: Path) -> Path:
    """The image store with `localhost/box`."""
    return make_image_store(world / "images")


@pytest.fixture(scope="session")
def shims(world: Path) -> Path:
    """The folder with hooknet's CNI shims, written by hooknet's own installer."""
    return install_shims(world / "shims")


@pytest.fixture
def bare_lab(world: Path, images: Path) -> Iterator[Lab]:
    """A lab without hooknet: Debian's plugins only."""
    lab = Lab(world, images=images)
    yield lab
    lab.close()


@pytest.fixture
def lab(world: Path, images: Path, shims: Path) -> Iterator[Lab]:
    """A lab whose hosts find hooknet's shims before Debian's plugins."""
    lab = Lab(world, images=images, shims=shims)
    yield lab
    lab.close()


@pytest.fixture
def lan(lab: Lab) -> Lan:
    """A LAN with dnsmasq."""
    lan = lab.lan()
    lan.serve("dnsmasq")
    return lan


@pytest.fixture
def host(lab: Lab, lan: Lan) -> Host:
    """A host on that LAN; its parent interface is `host0`."""
    return lab.host(lan)


@pytest.fixture
def daemon(host: Host) -> Daemon:
    """A hooknet daemon on that host, with its defaults, serving. `host.following_daemon()` follows podman too."""
    daemon = host.daemon()
    daemon.start()
    return daemon


@pytest.fixture
def machine(lan: Lan, host: Host) -> Machine:
    """That host, booted by a systemd of its own, with hooknet in /opt and not installed yet."""
    if not SYSTEMD.exists():
        (pytest.fail if the_world.required() else pytest.skip)(f"no lab: there is no {SYSTEMD}")
    machine = Machine(host)
    machine.boot()
    return machine


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what every server, daemon and podman of its lab said."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    labs = {id(value): value for value in arguments.values() if isinstance(value, Lab)}
    if report.failed and call.when != "teardown":
        report.sections += [(name, text) for lab in labs.values() for name, text in lab.logs()]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a world is a lab test."""
    for item in items:
        if "world" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
