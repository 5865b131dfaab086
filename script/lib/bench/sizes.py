"""How much is measured: enough for a median, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """rounds: ADD/DEL of each peer. bursts: how many at once, and how often. runs: of podman.

    crowd: leases held for the rows about many. patience: seconds of silence until a daemon is called idle.
    t1: seconds between renewals; windows: of t1 seconds, in which processor time is counted; renewing: leases then;
    lull: seconds between renewals while they come.
    starts: restarts of the daemon. held: ADDs beside a crowd. calls: of the dispatcher and of the bare shim.
    """

    rounds: int = 40
    bursts: tuple[tuple[int, int], ...] = ((10, 5), (50, 5), (200, 3))
    runs: int = 40
    crowd: tuple[int, ...] = (200, 1000)
    patience: float = 8.0
    t1: int = 10
    windows: int = 5
    renewing: tuple[int, ...] = (100, 990)
    lull: int = 60
    starts: int = 5
    held: int = 40
    calls: int = 50


FULL = Sizes()
SMOKE = Sizes(
    rounds=1,
    bursts=((3, 1),),
    runs=1,
    crowd=(2,),
    patience=0.5,
    t1=3,
    lull=5,
    windows=1,
    renewing=(2,),
    starts=1,
    held=1,
    calls=2,
)
