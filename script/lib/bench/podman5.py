"""What a network costs a container of podman 5, through each of hooknet's two doors, beside netavark's own proxy.

One podman, one lab, the ways in turn. netavark's proxy needs hooknet's socket for its runs and is started before the
clock is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from figures import Goal, Row, in_turn, over
from lab.podman5 import PROXY_SOCKET, Podman5
from peers import HOOKNET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ground import Ground
    from sizes import Sizes

NETAVARK = "netavark"
DRIVER, PROXY, NONE = "hooknet", "macvlan", "none"
CONFIG = "[netavark]\nproxy = true\n"


def podman_run(ground: Ground, sizes: Sizes) -> Iterator[Row]:
    podman = Podman5(ground.host, ground.shims / "hooknet")
    podman.service()
    ground.daemon(CONFIG, podman_url=podman.url)
    for driver in (DRIVER, PROXY):
        podman.network(driver, driver=driver)
    ways: dict[str, Callable[[], float]] = {
        NONE: lambda: container(podman, NONE),
        DRIVER: lambda: container(podman, DRIVER),
        PROXY: lambda: container(podman, PROXY),
        NETAVARK: lambda: container_of_netavark(podman),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # the first run of a store makes its files
    names = list(ways)
    for turn in range(sizes.runs):
        for name in in_turn(names, turn):
            taken[name].append(ways[name]())
    yield from rows(taken)


def rows(taken: dict[str, list[float]]) -> Iterator[Row]:
    none = taken[NONE]
    label = "podman 5: `podman run --rm … true` over `--network none`"
    for door, words in (
        (DRIVER, "the driver `hooknet`"),
        (PROXY, "a `macvlan` network, by the proxy's socket"),
    ):
        yield Row(
            key=f"podman 5 {door}",
            label=f"{label}, {words}",
            unit="ms",
            values={HOOKNET: over(taken[door], none), NETAVARK: over(taken[NETAVARK], none)},
            goals=(Goal(limit=60), Goal(of=NETAVARK, times=1.2)),
            samples={HOOKNET: taken[door], NETAVARK: taken[NETAVARK], NONE: none},
        )


def container(podman: Podman5, network: str) -> float:
    """Milliseconds of one whole `podman run`."""
    began = time.perf_counter()
    podman("run", "--rm", f"--network={network}", "localhost/box", "true")
    return (time.perf_counter() - began) * 1000


def container_of_netavark(podman: Podman5) -> float:
    """The same with netavark's own proxy on the socket, instead of ours."""
    ours = PROXY_SOCKET.rename(PROXY_SOCKET.with_name("ours"))
    theirs = podman.netavark_proxy()
    took = container(podman, PROXY)
    theirs.stop()
    ours.rename(PROXY_SOCKET)
    return took
