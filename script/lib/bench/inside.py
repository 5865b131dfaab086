"""Where an ADD's time goes: the marks that the daemon keeps of every ADD, and the shim and the dispatcher alone.

The shim is measured against a socket that this process serves: from the spawn to the connection, to the whole
request, and from the answer to its end. The daemon's marks are read back by `hooknet leases --format json`.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from calls import Running, run
from figures import Goal, Row, median, number
from lab.daemon import RUN_DIR
from peers import HOOKNET
from single import must

from hooknet.config import Config
from hooknet.hooks import Plugins
from hooknet.model import PostLeaseReason, ReleaseReason
from hooknet.testing import make_attachment, make_lease, make_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ground import Box, Ground
    from lab import Daemon
    from peers import Peer
    from sizes import Sizes

SHIM = "the shim: "
ROUNDS_OF_THE_DISPATCHER = 200


# the daemon's own marks


def daemon_steps(ground: Ground, peer: Peer, daemon: Daemon, sizes: Sizes) -> tuple[list[Row], float]:
    """A row per step of the ADD inside the daemon, and the median of the whole process."""
    box = ground.boxes(1)[0]
    whole: list[float] = []
    steps: dict[str, list[float]] = {}
    for _ in range(sizes.rounds):
        box.renew()
        whole.append(must(run(peer.call("ADD", box)), "ADD").ms)
        (lease,) = (one for one in daemon.leases() if one["container_id"] == box.container_id)
        for step, ms in durations(lease["timing"]).items():
            steps.setdefault(step, []).append(ms)
        must(run(peer.call("DEL", box)), "DEL")
    return [step_row(f"daemon: {step}", some) for step, some in steps.items()], median(whole)


def durations(marks: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds between each mark and the one before it."""
    ordered = sorted(marks.items(), key=lambda mark: mark[1])
    before = [0.0, *(at for _, at in ordered)]
    return {step: at - earlier for (step, at), earlier in zip(ordered, before, strict=False)}


def step_row(label: str, samples: Sequence[float]) -> Row:
    return Row(
        key=label, label=label, unit="ms", values={HOOKNET: median(samples)}, samples={HOOKNET: samples}
    )


# the shim alone


def shim_steps(ground: Ground, peer: Peer, sizes: Sizes) -> Iterator[Row]:
    """The parts of one call that happen in the shim, and what any process of its kinds costs. Needs no daemon."""
    box = ground.boxes(1)[0]
    RUN_DIR.mkdir(exist_ok=True)
    path = RUN_DIR / "cni.sock"
    path.unlink(missing_ok=True)
    steps: dict[str, list[float]] = {}
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listening:
        listening.bind(str(path))
        listening.listen()
        for _ in range(sizes.calls):
            for step, ms in one_shim(peer, box, listening).items():
                steps.setdefault(step, []).append(ms)
    path.unlink()
    for _ in range(sizes.calls):
        steps.setdefault("VERSION, a whole process", []).append(run(peer.call("VERSION", box)).ms)
    yield from (step_row(SHIM + step, some) for step, some in steps.items())
    yield step_row("for comparison: /bin/true", processes(["/bin/true"], sizes.calls))
    yield step_row(
        "for comparison: python3 -IS -c ''", processes(["/usr/bin/python3", "-IS", "-c", ""], sizes.calls)
    )


def one_shim(peer: Peer, box: Box, listening: socket.socket) -> dict[str, float]:
    """One call, served by hand; milliseconds of its steps."""
    running = Running(peer.call("ADD", box))
    line, _ = listening.accept()
    connected = time.perf_counter()
    with line:
        request = b""
        while not is_whole(request):
            request += line.recv(65536)
        received = time.perf_counter()
        line.sendall(b"hooknet/1 0 3\n{}\n")
        line.recv(1)
        heard = time.perf_counter()
    ended = running.wait().ended
    return {
        "start, until it is connected": (connected - running.began) * 1000,
        "its request": (received - connected) * 1000,
        "reads the answer and hangs up": (heard - received) * 1000,
        "its end": (ended - heard) * 1000,
    }


def is_whole(request: bytes) -> bool:
    head, newline, body = request.partition(b"\n")
    return bool(newline) and len(body) == sum(map(int, head.split()[1:]))


def processes(command: list[str], times: int) -> list[float]:
    """Milliseconds of a whole process that does nothing, again and again."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


# the dispatcher alone


def dispatcher(sizes: Sizes) -> Row:
    """What the hooks of one ADD and its DEL cost in the dispatcher when no plugin has anything to do."""
    samples = asyncio.run(dispatched(sizes.calls * ROUNDS_OF_THE_DISPATCHER))
    return Row(
        key="dispatcher",
        label="the dispatcher's own cost of an ADD and its DEL, no plugins configured",
        unit="ms",
        values={HOOKNET: median(samples)},
        goals=(Goal(limit=0.2),),
    )


async def dispatched(times: int) -> list[float]:
    attachment, request, lease = make_attachment(), make_request(), make_lease()
    with tempfile.TemporaryDirectory() as state:
        plugins = Plugins.load(Config(), Path(state))
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            await plugins.pre_lease(attachment, request, nobody)
            plugins.deliveries_for_post_lease(attachment, lease, PostLeaseReason.BOUND, None, None)
            plugins.deliveries_for_release(attachment, lease, ReleaseReason.DETACHED, None)
            taken.append((time.perf_counter() - began) * 1000)
    return taken


async def nobody() -> None:
    """No plugin asks for the container."""


def profile_table(rows: Sequence[Row], whole: float) -> str:
    """The steps as Markdown, with their share of the whole process."""
    lines = ["| step | ms | of an ADD |", "|---|---|---|"]
    for row in rows:
        ms = row.values[HOOKNET]
        lines.append(f"| {row.label} | {number(ms)} | {ms / whole:.0%} |")
    return "\n".join([*lines, f"| an ADD, the whole process | {number(whole)} | 100 % |"])
