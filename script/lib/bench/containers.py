"""What a network costs a real container: `podman run --rm` on it, over the same with `--network none`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from figures import Goal, Row, in_turn, median, over
from lab.podman import IMAGE, Podman, in_our_cgroup
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ground import Ground
    from peers import Peer
    from sizes import Sizes

NONE = "none"
NETWORK = "lan"


def podman_run(ground: Ground, peers: Sequence[Peer], sizes: Sizes) -> Iterator[Row]:
    """A podman for each peer, since podman asks every network's plugins for their VERSION at each run."""
    podmans = {peer.name: podman_for(ground, peer) for peer in peers}
    ways = [(NONE, podmans[peers[0].name]), *podmans.items()]
    taken: dict[str, list[float]] = {name: [] for name, _ in ways}
    for name, podman in ways:
        container(podman, name)  # the first run of a store makes its files
    for turn in range(sizes.runs):
        for name, podman in in_turn(ways, turn):
            taken[name].append(container(podman, name))
    values = {name: median(some) for name, some in taken.items()}
    yield Row(key="podman", label="`podman run --rm … true`", unit="ms", values=values, samples=taken)
    yield Row(
        key="podman over none",
        label="the same, over `--network none`",
        unit="ms",
        values={name: over(some, taken[NONE]) for name, some in taken.items() if name != NONE},
        goals=(Goal(limit=65),),
    )


def podman_for(ground: Ground, peer: Peer) -> Podman:
    host = ground.host
    podman = Podman(host.netns, host.folder / f"podman-{peer.name}", host.images, host.cleanup)
    podman.use_plugins(*peer.folders)
    write_network(podman, peer)
    return podman


def write_network(podman: Podman, peer: Peer) -> None:
    """The peer's configuration as the network `lan` of a podman."""
    plugin = {key: value for key, value in peer.config.items() if key not in {"name", "cniVersion"}}
    network = {"cniVersion": "0.4.0", "name": NETWORK, "plugins": [plugin]}
    (podman.net_d / f"90-{NETWORK}.conflist").write_text(json.dumps(network), encoding="utf-8")


def container(podman: Podman, name: str) -> float:
    """Milliseconds of one whole `podman run`."""
    network = NONE if name == NONE else NETWORK
    words = in_our_cgroup(("run", "--rm", f"--network={network}", IMAGE, "true"))
    began = time.perf_counter()
    run([*podman.command, *words], env=podman.environment)
    return (time.perf_counter() - began) * 1000
