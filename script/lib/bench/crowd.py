"""Many leases: what a daemon needs for them, what an ADD costs beside them, how a daemon starts with them.

Each peer has a ground of its own for this, because what a macvlan broadcasts reaches every other one on its parent.
The floor beside it speaks by the parent, where nothing is copied, and shows what the kernel needs all the same.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calls import at_once, run
from figures import Goal, Row, median
from floor import Floor
from lab import eventually
from lab.daemon import Daemon
from peers import DEBIAN, HOOKNET, PARENT
from single import CallError, must

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ground import Box, Ground
    from peers import Peer
    from sizes import Sizes

WAVE = 50
TRIES = 5
SPARE = 10
STEP, STEPS = 10, 20
TICKS = os.sysconf("SC_CLK_TCK")


class Crowd:
    """A peer's leases on a ground, growing."""

    def __init__(self, ground: Ground, peer: Peer) -> None:
        self.ground = ground
        self.peer = peer
        self.boxes: list[Box] = []

    def grow(self, to: int) -> None:
        """Attach boxes, some at once, until there are `to`; what fails is tried again, as a user would."""
        waiting = self.ground.boxes(to - len(self.boxes))
        for _ in range(TRIES):
            failed: list[Box] = []
            for start in range(0, len(waiting), WAVE):
                wave = waiting[start : start + WAVE]
                outcomes = at_once([self.peer.call("ADD", box) for box in wave])
                self.ground.acquaint(outcomes)
                self.boxes += [box for box, outcome in zip(wave, outcomes, strict=True) if outcome.is_good]
                failed += [box for box, outcome in zip(wave, outcomes, strict=True) if not outcome.is_good]
            if not failed:
                return
            at_once([self.peer.call("DEL", box) for box in failed])
            waiting = failed
        raise CallError(f"{self.peer.name}: {len(waiting)} of {to} leases could not be had")

    def spread(self, to: int, seconds: float) -> None:
        """As `grow`, a few at a time, in steps that take `seconds` together, or longer where the peer does."""
        held, began = len(self.boxes), time.monotonic()
        step = max(STEP, (to - held) // STEPS)
        steps = [*range(held + step, to, step), to]
        for number, count in enumerate(steps, start=1):
            self.grow(count)
            time.sleep(max(began + seconds * number / len(steps) - time.monotonic(), 0.0))

    def make_room(self) -> None:
        """A few leave, so that others can come.

        A broadcast is copied to every macvlan on its parent before it goes out, and a veth's receiver drops it when
        1000 frames wait already (net.core.netdev_max_backlog): the 1001st macvlan of a veth is never heard.
        """
        self._leave(max(len(self.boxes) - SPARE, len(self.boxes) // 2))

    def leave(self) -> None:
        """All of them go."""
        self._leave(0)

    def _leave(self, keep: int) -> None:
        self.boxes, leaving = self.boxes[:keep], self.boxes[keep:]
        for start in range(0, len(leaving), WAVE):
            for outcome in at_once([self.peer.call("DEL", box) for box in leaving[start : start + WAVE]]):
                must(outcome, "DEL of a crowd")


def footprint(peer: Peer) -> dict[str, float]:
    """RSS in MB, threads and descriptors of a daemon."""
    status = Path(f"/proc/{peer.daemon.pid}/status").read_text(encoding="ascii")
    words = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "rss": int(words["VmRSS"].split()[0]) / 1024,
        "threads": float(words["Threads"]),
        "fds": float(len(list(Path(f"/proc/{peer.daemon.pid}/fd").iterdir()))),
    }


FOOTPRINT_GOALS = {("rss", 0): 95.0, ("rss", 1000): 105.0, ("threads", 1000): 24.0, ("fds", 1000): 40.0}
WHAT = {"rss": ("resident memory", "MB"), "threads": ("threads", ""), "fds": ("descriptors", "")}


def footprint_rows(found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> Iterator[Row]:
    """`found`: peer, leases, what, value."""
    counts = sorted({count for of_peer in found.values() for count in of_peer})
    for what, (label, unit) in WHAT.items():
        for count in counts:
            limit = FOOTPRINT_GOALS.get((what, count))
            yield Row(
                key=f"{what} {count}",
                label=f"{label} at {count} leases",
                unit=unit,
                values={name: of_peer[count][what] for name, of_peer in found.items() if count in of_peer},
                goals=(Goal(limit=limit),) if limit is not None else (),
            )


def grown(ground: Ground, peer: Peer, sizes: Sizes) -> tuple[Crowd, dict[int, dict[str, float]]]:
    """A crowd at its full size, with the daemon's footprint on the way."""
    crowd = Crowd(ground, peer)
    time.sleep(sizes.patience)
    found = {0: footprint(peer)}
    for count in sizes.crowd:
        crowd.grow(count)
        time.sleep(sizes.patience)
        found[count] = footprint(peer)
    return crowd, found


# an ADD beside a crowd


def held_samples(ground: Ground, peer: Peer, sizes: Sizes) -> dict[str, list[float]]:
    """ADDs (and DELs, not counted) of the peer and of the floor, in turn, in milliseconds."""
    floor, box, other = Floor(PARENT), *ground.boxes(2)
    taken: dict[str, list[float]] = {peer.name: [], floor.name: []}
    for _ in range(sizes.held):
        ms, held = floor.add(other)
        taken[floor.name].append(ms)
        box.renew()
        taken[peer.name].append(must(run(peer.call("ADD", box)), "ADD beside a crowd").ms)
        floor.delete(other, held)
        must(run(peer.call("DEL", box)), "DEL beside a crowd")
    return taken


def held_rows(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]], count: int
) -> Iterator[Row]:
    none = {name: median(some) for name, some in before.items()}
    many = {name: median(some) for name, some in after.items()}
    ratio = {name: many[name] / none[name] for name in none}
    label = f"ADD, median, with {count} leases held"
    yield Row(key="held 0", label="ADD, median, with 0 leases held", unit="ms", values=none, samples=before)
    yield Row(key=f"held {count}", label=label, unit="ms", values=many, samples=after)
    yield Row(
        key="held ratio",
        label=f"the second by the first ({count} by 0 leases)",
        unit="times",
        values=ratio,
        goals=(Goal(limit=1.1),),
        note="in a crowd hooknet speaks by the parent, as the floor does: a macvlan's broadcasts are copied to all",
    )
    peer, floor = none
    yield Row(
        key="held ratio of the peer",
        label="the same, of what each ADD takes longer than the floor beside it",
        unit="times",
        values={peer: (many[peer] - many[floor]) / (none[peer] - none[floor])},
        goals=(Goal(limit=1.1),),
    )


# a start with a crowd in the journal


def start_samples(ground: Ground, peer: Peer, daemon: Daemon, sizes: Sizes) -> list[float]:
    """Seconds from the start of the daemon until the first ADD is answered, again and again."""
    box = ground.boxes(1)[0]
    taken = []
    for _ in range(sizes.starts):
        daemon.stop()
        daemon.cni_socket.unlink(missing_ok=True)
        box.renew()
        began = time.perf_counter()
        super(Daemon, daemon).start()
        eventually(lambda: answers(daemon.cni_socket), within=30, what="the daemon listens")
        outcome = must(run(peer.call("ADD", box)), "the first ADD")
        taken.append(outcome.ended - began)
        must(run(peer.call("DEL", box)), "its DEL")
    return taken


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
        return True


def start_rows(taken: Mapping[int, Sequence[float]]) -> Iterator[Row]:
    for count, some in taken.items():
        yield Row(
            key=f"start {count}",
            label=f"start with {count} leases in the journal, until the first ADD is answered",
            unit="s",
            values={HOOKNET: median(some)},
            goals=(Goal(limit=1.5),) if count else (),
            samples={HOOKNET: some},
        )


# renewals


def processor_time(peer: Peer) -> float:
    """Seconds of processor time that the daemon has used so far."""
    fields = Path(f"/proc/{peer.daemon.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(frozen=True, slots=True)
class Renewing:
    """What a daemon needed in each of some windows: % of a core, and the renewals per second that the server made."""

    used: tuple[float, ...]
    rates: tuple[float, ...]

    @property
    def of_each(self) -> list[float]:
        """Milliseconds of processor time for a renewal."""
        return [used * 10 / rate for used, rate in zip(self.used, self.rates, strict=True) if rate]


def renewing(ground: Ground, peer: Peer, sizes: Sizes) -> dict[int, Renewing]:
    """What is needed while so many leases are all renewed every T1 seconds, in windows of that length.

    They come a few at a time, spread over T1: what started in one second would be renewed in one second, and whether
    that falls into a window would be chance. And they come while renewals are rare, since the reference's ADDs take
    longer than anybody waits while hundreds of its leases are renewed. Without the sizes that the peer never had.
    """
    crowd = Crowd(ground, peer)
    found = {}
    for count in sizes.renewing:
        ground.renew_every(sizes.lull)
        try:
            crowd.spread(count, sizes.t1)
        except CallError as error:
            print(error, file=sys.stderr)
            break
        ground.renew_every(sizes.t1)
        time.sleep(sizes.lull + sizes.t1 + sizes.patience)
        windows = [window(ground, peer, sizes.t1) for _ in range(sizes.windows)]
        used, rates = zip(*windows, strict=True)
        if not all(rates):
            raise CallError(f"{peer.name}: of {count} leases none was renewed in {sizes.t1} s")
        found[count] = Renewing(used, rates)
    return found


def window(ground: Ground, peer: Peer, seconds: float) -> tuple[float, float]:
    """% of a core and ACKs per second, over `seconds`."""
    log = ground.lan.server.log
    log.mark()
    began, used = time.perf_counter(), processor_time(peer)
    time.sleep(seconds)
    used, lasted = processor_time(peer) - used, time.perf_counter() - began
    return used / lasted * 100, log.new().count("DHCPACK(") / lasted


CPU_GOALS = {100: (Goal(limit=1.4),)}


def renewing_rows(found: Mapping[str, Mapping[int, Renewing]], sizes: Sizes) -> Iterator[Row]:
    for count in sizes.renewing:
        had = {name: of_peer[count] for name, of_peer in found.items() if count in of_peer}
        rates = [f"{name} {median(some.rates):.1f}/s" for name, some in had.items()]
        rates += [f"{name} never had so many leases" for name in found if name not in had]
        yield Row(
            key=f"cpu {count}",
            label=f"processor time, {count} leases renewing every {sizes.t1} s",
            unit="% of a core",
            values={name: median(some.used) for name, some in had.items()},
            samples={name: some.used for name, some in had.items()},
            goals=(*CPU_GOALS.get(count, ()), Goal(of=DEBIAN)),
            note=f"renewals that the server acknowledged: {', '.join(rates)}",
        )
        each = {name: some.of_each for name, some in had.items() if some.of_each}
        yield Row(
            key=f"cpu of one, {count}",
            label=f"the same, of each renewal, {count} leases",
            unit="ms",
            values={name: median(some) for name, some in each.items()},
            samples=each,
            goals=(Goal(of=DEBIAN),),
        )
