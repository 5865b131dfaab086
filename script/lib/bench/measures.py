"""The rows that can be asked for by name, and the ground that each of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import containers
import crowd
import inside
import podman5
import single
from ground import Ground
from peers import hooknet_peers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from figures import Row
    from peers import Peer, Reference
    from sizes import Sizes


def everyone(ground: Ground, references: Sequence[Reference]) -> list[Peer]:
    """Every peer, its daemon up, on one ground."""
    return [*hooknet_peers(ground.daemon(), ground.shims), *(one.start(ground.host) for one in references)]


def one_by_one(references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    with Ground() as ground:
        yield from single.one_by_one(ground, everyone(ground, references), sizes)


def at_once(references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    with Ground() as ground:
        yield from single.many_at_once(ground, everyone(ground, references), sizes)


def podman(references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    with Ground() as ground:
        yield from containers.podman_run(ground, everyone(ground, references), sizes)


def podman_5(_references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    with Ground() as ground:
        yield from podman5.podman_run(ground, sizes)


def many(references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    """Footprint of every peer; ADDs beside a crowd and starts with one for hooknet, on the same ground.

    ADDs without a crowd are timed before it comes and after it has gone: a machine is not as fast now as it was.
    """
    found = {}
    with Ground() as ground:
        daemon = ground.daemon()
        peer, _ = hooknet_peers(daemon, ground.shims)
        starts = {0: crowd.start_samples(ground, peer, daemon, sizes)}
        daemon.restart()
        before = crowd.held_samples(ground, peer, sizes)
        daemon.restart()
        people, found[peer.name] = crowd.grown(ground, peer, sizes)
        people.make_room()
        after = crowd.held_samples(ground, peer, sizes)
        count = len(people.boxes)
        starts[count] = crowd.start_samples(ground, peer, daemon, sizes)
        people.leave()
        daemon.restart()
        again = crowd.held_samples(ground, peer, sizes)
    without = {name: [*some, *again[name]] for name, some in before.items()}
    for reference in references:
        with Ground() as ground:
            peer = reference.start(ground.host)
            _, found[peer.name] = crowd.grown(ground, peer, sizes)
    yield from crowd.footprint_rows(found)
    yield from crowd.held_rows(without, after, count)
    yield from crowd.start_rows(starts)


def renewing(references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    found = {}
    with Ground() as ground:
        peer, _ = hooknet_peers(ground.daemon(), ground.shims)
        found[peer.name] = crowd.renewing(ground, peer, sizes)
    for reference in references:
        with Ground() as ground:
            found[reference.name] = crowd.renewing(ground, reference.start(ground.host), sizes)
    yield from crowd.renewing_rows(found, sizes)


def dispatcher(_references: Sequence[Reference], sizes: Sizes) -> Iterator[Row]:
    yield inside.dispatcher(sizes)


MEASURES: dict[str, Callable[[Sequence[Reference], Sizes], Iterator[Row]]] = {
    "single": one_by_one,
    "at-once": at_once,
    "podman": podman,
    "podman-5": podman_5,
    "many": many,
    "renewing": renewing,
    "dispatcher": dispatcher,
}


def measure(name: str, references: Sequence[Reference], sizes: Sizes) -> list[Row]:
    """The rows of one measure."""
    return list(MEASURES[name](references, sizes))


def profile(sizes: Sizes) -> str:
    """`--profile`: an ADD step by step, as a table."""
    with Ground() as ground:
        daemon = ground.daemon()
        peer, _ = hooknet_peers(daemon, ground.shims)
        daemon.stop()
        shim = list(inside.shim_steps(ground, peer, sizes))
        daemon.start()
        steps, whole = inside.daemon_steps(ground, peer, daemon, sizes)
    return inside.profile_table([*steps, *shim], whole)
