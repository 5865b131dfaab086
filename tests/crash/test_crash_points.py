"""kill -9 at every commit and between any two steps: of an ADD, of a DEL, of a renewal, of an undoing.

Each test has a container that lives through it (`calm`) and one that is hit (`victim`), under real podman, and the
same points are met once more on a bare namespace that outlives everything, where an orphan link can't hide.
"""

from __future__ import annotations

import pytest
from lab import Sandbox

from crash.conftest import Set
from crash.launcher import ADD_STEPS, COMMITS, DEL_STEPS, POINTS, RENEWAL_STEPS
from crash.scene import NETWORK, CrashingDaemon, Scene

ENDING = [name for name in COMMITS if "RELEASING" in name or "row" in name]
ADD_POINTS = [*(name for name in COMMITS if name not in ENDING), *ADD_STEPS]
HALF_MADE = [
    name for name in ADD_POINTS if not name.endswith(("REPLIED", "answer", "after the commit of CONFIGURED"))
]
DEL_POINTS = [*ENDING, *DEL_STEPS]
FAILS_AT = ("after DISCOVER", "after REQUEST", "after the address")
NOTHING_TO_RELEASE = {(point, "after DISCOVER") for point in ("before RELEASE", "after RELEASE")}
UNDOING = [
    (point, step) for step in FAILS_AT for point in DEL_POINTS if (point, step) not in NOTHING_TO_RELEASE
]


def the(scene: Scene) -> CrashingDaemon:
    assert isinstance(scene.daemon, CrashingDaemon)
    return scene.daemon


def test_every_point_is_met_by_a_test() -> None:
    assert {*ADD_POINTS, *DEL_POINTS, *RENEWAL_STEPS} == set(POINTS)


@pytest.mark.parametrize("point", ADD_POINTS)
def test_killed_inside_an_add_under_podman(scene: Set, point: str) -> None:
    here = scene(point)
    calm = here.host.podman.start("calm", network="lan")
    before = calm.address()
    the(here).arm()
    here.host.cleanup.callback(here.host.podman, "rm", "-f", "-i", "-t", "0", "victim", check=False)
    here.host.podman(
        "run", "-d", "--name=victim", "--network=lan", "localhost/box", "sleep", "3600", check=False
    )
    the(here).wait_for_crash()
    here.daemon.start()
    here.converges()
    here.host.podman("start", "victim")
    here.converges()
    assert set(here.living().values()) == {"calm", "victim"}
    assert calm.address() == before
    here.ends_empty()


def hit(here: Scene) -> tuple[Sandbox, bool]:
    """An ADD over which the daemon dies, and whether its caller had the answer."""
    the(here).arm()
    victim = here.host.cni.sandbox()
    heard = here.host.cni.call("ADD", NETWORK, victim).code == 0
    the(here).wait_for_crash()
    return victim, heard


@pytest.mark.long
@pytest.mark.parametrize("point", HALF_MADE)
def test_what_a_killed_add_left_half_made_is_undone(scene: Set, point: str) -> None:
    here = scene(point)
    calm = here.host.cni.sandbox()
    before = here.host.cni.add(NETWORK, calm).interface
    here.sandboxes["calm"] = calm
    victim, _ = hit(here)
    here.daemon.start()
    here.converges()
    assert victim.links() == set()
    assert calm.interfaces() == [before]
    here.ends_empty()


@pytest.mark.long
@pytest.mark.parametrize("point", ADD_POINTS)
def test_a_runtime_whose_add_was_killed_may_ask_again(scene: Set, point: str) -> None:
    here = scene(point)
    victim, heard = hit(here)
    here.daemon.start()
    here.sandboxes["victim"] = victim
    if not heard:
        here.host.cni.add(NETWORK, victim)
    here.converges()
    here.ends_empty()


@pytest.mark.long
@pytest.mark.parametrize("point", ADD_POINTS)
def test_a_runtime_whose_add_was_killed_may_give_up(scene: Set, point: str) -> None:
    """It calls DEL, as CNI wants it to, and meets no daemon."""
    here = scene(point)
    victim, _ = hit(here)
    here.host.cni.delete(NETWORK, victim)
    here.daemon.start()
    here.converges()
    assert victim.links() == set()
    here.ends_empty()


@pytest.mark.parametrize("point", DEL_POINTS)
def test_killed_inside_a_del_under_podman(scene: Set, point: str) -> None:
    here = scene(point)
    calm = here.host.podman.start("calm", network="lan")
    before = calm.address()
    victim = here.host.podman.start("victim", network="lan")
    the(here).arm()
    victim.rm()
    the(here).wait_for_crash()
    here.daemon.start()
    here.converges()
    assert set(here.living().values()) == {"calm"}
    assert calm.address() == before
    here.ends_empty()


@pytest.mark.long
@pytest.mark.parametrize("point", DEL_POINTS)
def test_killed_inside_a_del_of_a_namespace_that_stays(scene: Set, point: str) -> None:
    here = scene(point)
    victim = here.host.cni.sandbox()
    here.host.cni.add(NETWORK, victim)
    the(here).arm()
    here.host.cni.delete(NETWORK, victim)
    the(here).wait_for_crash()
    here.daemon.start()
    here.converges()
    assert victim.links() == set()
    here.host.cni.add(NETWORK, victim)
    here.sandboxes["victim"] = victim
    here.converges()
    here.ends_empty()


@pytest.mark.long
@pytest.mark.parametrize(("point", "step"), UNDOING)
def test_killed_while_an_add_that_failed_is_undone(scene: Set, point: str, step: str) -> None:
    here = scene(point, fail_at=step)
    the(here).arm()
    victim = here.host.cni.sandbox()
    assert here.host.cni.call("ADD", NETWORK, victim).code != 0
    the(here).wait_for_crash()
    here.daemon.start()
    here.converges()
    assert victim.links() == set()
    here.host.cni.add(NETWORK, victim)
    here.sandboxes["victim"] = victim
    here.converges()
    here.ends_empty()


@pytest.mark.parametrize("point", RENEWAL_STEPS)
def test_killed_inside_a_renewal(scene: Set, point: str) -> None:
    here = scene(point, t1=2, t2=4, lease_time=120)
    calm = here.host.podman.start("calm", network="lan")
    before = calm.address()
    the(here).arm()
    the(here).wait_for_crash()
    assert calm.address() == before
    here.daemon.start()
    here.converges()
    assert calm.address() == before
    here.ends_empty()
