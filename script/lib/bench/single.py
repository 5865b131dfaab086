"""One ADD and one DEL after the other, all peers in turn; then many at once."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from calls import at_once, run
from figures import Goal, Row, in_turn, median, p95
from floor import Floor
from peers import DEBIAN, PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from calls import Outcome
    from ground import Box, Ground
    from peers import Peer
    from sizes import Sizes

SLOW_BY_A_BUG = "the ADD of 1.1.1 is slowed by a bug: it sends before the link is up, and waits to send again"


STARTED = "floor + start"
"""The floor, and the start of the interpreter that a plugin in Python has before its first line."""
BARE = ["/usr/bin/python3", "-IS", "-c", ""]


def bare_start() -> float:
    """Milliseconds of a whole process of the interpreter that does nothing."""
    began = time.perf_counter()
    subprocess.run(BARE, check=True)
    return (time.perf_counter() - began) * 1000


class CallError(RuntimeError):
    """A call failed that a measurement needs."""


def must(outcome: Outcome, what: str) -> Outcome:
    """Raises CallError with what the plugin said."""
    if not outcome.is_good:
        raise CallError(f"{what}: exit {outcome.code}: {outcome.stdout}")
    return outcome


def one_by_one(ground: Ground, peers: Sequence[Peer], sizes: Sizes) -> Iterator[Row]:
    """Each round: an ADD of each peer, then a DEL of each, begun by another peer each time."""
    floor = Floor(PARENT)
    boxes = {name: ground.boxes(1)[0] for name in [floor.name, *(peer.name for peer in peers)]}
    adds: dict[str, list[float]] = {name: [] for name in [*boxes, STARTED]}
    dels: dict[str, list[float]] = {name: [] for name in boxes}
    for turn in range(sizes.rounds):
        order = in_turn(peers, turn)
        ms, held = floor.add(boxes[floor.name])
        adds[floor.name].append(ms)
        adds[STARTED].append(ms + bare_start())
        for peer in order:
            boxes[peer.name].renew()
            adds[peer.name].append(must(run(peer.call("ADD", boxes[peer.name])), f"ADD of {peer.name}").ms)
        dels[floor.name].append(floor.delete(boxes[floor.name], held))
        for peer in order:
            dels[peer.name].append(must(run(peer.call("DEL", boxes[peer.name])), f"DEL of {peer.name}").ms)
    at_floor, of_debian = Goal(of=floor.name, times=3.5), Goal(of=DEBIAN, times=0.6)
    add_goals = (Goal(limit=20), at_floor, Goal(of=STARTED, times=3.5))
    yield figure("add p50", "ADD, median", adds, median, add_goals, SLOW_BY_A_BUG)
    yield figure("add p95", "ADD, 95 % within", adds, p95, (Goal(limit=30),), "")
    yield figure("del p50", "DEL, median", dels, median, (Goal(limit=30), of_debian), "")
    yield figure("del p95", "DEL, 95 % within", dels, p95, (), "")


def figure(
    key: str,
    label: str,
    samples: dict[str, list[float]],
    of: Callable[[Sequence[float]], float],
    goals: tuple[Goal, ...],
    note: str,
) -> Row:
    values = {name: of(some) for name, some in samples.items()}
    return Row(key=key, label=label, unit="ms", values=values, goals=goals, note=note, samples=samples)


WALL_GOALS = {50: 0.45, 200: 2.0}


def many_at_once(ground: Ground, peers: Sequence[Peer], sizes: Sizes) -> Iterator[Row]:
    """N ADDs started together, all peers in turn; then N DELs."""
    boxes = ground.boxes(max(count for count, _ in sizes.bursts))
    for count, times in sizes.bursts:
        bursts: dict[str, list[Burst]] = {peer.name: [] for peer in peers}
        for turn in range(times):
            for peer in in_turn(peers, turn):
                bursts[peer.name].append(Burst(peer, boxes[:count]))
        goals = (Goal(limit=WALL_GOALS[count]),) if count in WALL_GOALS else ()
        yield from rows_of(count, bursts, (*goals, Goal(of=DEBIAN, times=0.15)))


class Burst:
    """N ADDs at once, judged, and taken back."""

    def __init__(self, peer: Peer, boxes: Sequence[Box]) -> None:
        for box in boxes:
            box.renew()
        outcomes = at_once([peer.call("ADD", box) for box in boxes])
        self.each = [outcome.ms for outcome in outcomes]
        self.wall = max(outcome.ended for outcome in outcomes) - min(outcome.began for outcome in outcomes)
        self.failures = sum(not outcome.is_good for outcome in outcomes)
        addresses = [outcome.address for outcome in outcomes if outcome.address]
        self.duplicates = len(addresses) - len(set(addresses))
        gone = at_once([peer.call("DEL", box) for box in boxes])
        self.gone_wall = max(outcome.ended for outcome in gone) - min(outcome.began for outcome in gone)


def rows_of(count: int, bursts: dict[str, list[Burst]], goals: tuple[Goal, ...]) -> Iterator[Row]:
    def row(what: str, label: str, unit: str, values: dict[str, float], *some: Goal, note: str = "") -> Row:
        return Row(
            key=f"{what} {count}",
            label=f"{count} at once: {label}",
            unit=unit,
            values=values,
            goals=some,
            note=note,
        )

    def each(of: str) -> dict[str, float]:
        return {name: median([getattr(burst, of) for burst in some]) for name, some in bursts.items()}

    def all_of(of: str) -> dict[str, float]:
        return {name: float(sum(getattr(burst, of) for burst in some)) for name, some in bursts.items()}

    p50 = {name: median([ms / 1000 for burst in some for ms in burst.each]) for name, some in bursts.items()}
    none = Goal(limit=0)
    yield row("wall", "until the last ADD is answered", "s", each("wall"), *goals, note=SLOW_BY_A_BUG)
    yield row("burst p50", "ADD, median", "s", p50)
    yield row("failures", "failed ADDs, all bursts", "", all_of("failures"), none)
    yield row("duplicates", "addresses given twice, all bursts", "", all_of("duplicates"), none)
    yield row("wall del", "until the last DEL is answered", "s", each("gone_wall"))
