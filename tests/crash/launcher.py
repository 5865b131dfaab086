"""The real daemon, which kills itself with SIGKILL when it reaches a named point.

    python -m crash.launcher POINT ARMED daemon …      POINT: one of `POINTS`; ARMED: a file

The product knows nothing of this: the daemon's own methods are wrapped here, before it starts. A point is
passed harmlessly until the file ARMED exists, so that a test can set its scene first. HOOKNET_FAIL_AT names a
point at which an error is raised instead, to bring the daemon into the middle of an undoing.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hooknet.cli.main import main
from hooknet.dhcp.messages import MessageType
from hooknet.errors import HooknetError, Kind
from hooknet.frontends.cni_socket import CniServer
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.linux import LinuxLine, LinuxMachine, LinuxNetns
from hooknet.model import Phase
from hooknet.store import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = (*(phase.value for phase in Phase), "the row's end")
COMMITS = [f"{when} the commit of {what}" for what in ROWS for when in ("before", "after")]
ADD_STEPS = [
    "before the link",
    "after the link",
    "after DISCOVER",
    "after OFFER",
    "after REQUEST",
    "after ACK",
    "before the address",
    "after the address",
    "before the answer",
    "after the answer",
]
DEL_STEPS = ["before RELEASE", "after RELEASE", "after the link is deleted"]
RENEWAL_STEPS = [
    "after REQUEST on renewal",
    "after ACK on renewal",
    "before the commit of a renewal",
    "after the commit of a renewal",
]
POINTS = [*COMMITS, *ADD_STEPS, *DEL_STEPS, *RENEWAL_STEPS]


class Now:
    """What this process is to do, and what it is doing."""

    point = ""
    armed = Path()
    renewing = False


def reach(name: str) -> None:
    """The daemon is at this point."""
    if not Now.armed.exists():
        return
    if name == Now.point:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == os.environ.get("HOOKNET_FAIL_AT"):
        raise HooknetError(Kind.IO, f"the test lets it fail: {name}")


def around(
    owner: type,
    method: str,
    *,
    before: str | None = None,
    after: str | None = None,
    when: Callable[..., bool] | None = None,
) -> None:
    """Wrap an async method, so that it reaches points."""
    original = getattr(owner, method)

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        counts = when is None or when(*args, **kwargs)
        if before is not None and counts:
            reach(before)
        result = await original(*args, **kwargs)
        if after is not None and counts:
            reach(after)
        return result

    setattr(owner, method, wrapped)


def commits(batch: list[Any]) -> Iterator[str]:
    """What a batch of the journal's writer commits, in the words of the points."""
    for job in batch:
        for statement in job.statements:
            if statement.sql == journal.PUT:
                phase = statement.row[4]
                yield "a renewal" if phase == Phase.REPLIED and Now.renewing else phase
            elif statement.sql == journal.REMOVE:
                yield "the row's end"


def wrap_commits() -> None:
    """Each job is committed by itself: which ones share a commit is chance, and a point's name would not tell."""
    original = journal.Journal._commit

    def commit(self: journal.Journal, batch: list[Any]) -> None:
        for job in batch:
            names = list(commits([job]))
            for name in names:
                reach(f"before the commit of {name}")
            original(self, [job])
            for name in names:
                reach(f"after the commit of {name}")

    journal.Journal._commit = commit  # type: ignore[method-assign]


def wrap_bound() -> None:
    """An ACK, of the first lease or of a renewal."""
    original = Leases.bound

    async def bound(self: Leases, entry: Any, netns: Any, effect: Any) -> None:
        Now.renewing = entry.record.phase is Phase.REPLIED
        reach("after ACK on renewal" if Now.renewing else "after ACK")
        await original(self, entry, netns, effect)

    Leases.bound = bound  # type: ignore[method-assign]


def wrap_all() -> None:
    wrap_commits()
    wrap_bound()
    around(LinuxNetns, "make_link", before="before the link", after="after the link")
    around(LinuxNetns, "configure", before="before the address", after="after the address")
    around(LinuxNetns, "delete_link", after="after the link is deleted")
    around(LinuxNetns, "send_once", before="before RELEASE", after="after RELEASE")
    around(LinuxMachine, "send_on_parent", before="before RELEASE", after="after RELEASE")
    around(Leases, "offered", before="after OFFER")
    for kind in (MessageType.DISCOVER, MessageType.REQUEST):
        around(
            LinuxLine,
            "send",
            after=f"after {kind.name}",
            when=lambda _, effect, *_parent, kind=kind: effect.type is kind,
        )
    around(
        LinuxLine,
        "send",
        after="after REQUEST on renewal",
        when=lambda _, effect, *_parent: effect.type is MessageType.REQUEST and int(effect.source) != 0,
    )
    around(
        CniServer,
        "_send",
        before="before the answer",
        after="after the answer",
        when=lambda _self, _line, answer: answer.attached is not None,
    )


if __name__ == "__main__":
    Now.point, Now.armed = sys.argv[1], Path(sys.argv[2])
    assert Now.point in POINTS, Now.point
    sys.argv = ["hooknet", *sys.argv[3:]]
    wrap_all()
    sys.exit(main())
