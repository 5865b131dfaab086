"""When is a container gone? The pure answer: store x kernel x podman in, actions out.

A container is gone when DEL says so (that is not reconcile's business), and besides:
- when its netns is gone, or its path has another inode, or the interface in it is gone;
- when podman knows it and its process has been dead for a whole reconcile period: a killed conmon leaves netns,
  link, address and podman's "Up" in place, so only the process tells.
A container that podman does not know, with a live netns, is never released: it may belong to another CNI runtime or
another podman store, or podman may be down. After a reboot of the host every netns is gone: then the leases of
containers that podman still knows, or while podman can't be asked, are left to lapse, since these containers will
ask for the same addresses again (but not for longer than was asked for: `lapsing`); those of removed containers are
released.
An attachment that is half made (not yet CONFIGURED) is undone. One that is CONFIGURED and not REPLIED was answered,
or not: nobody knows. It is undone when podman knows the container and shows no process; else it is kept, since its
netns and interface live (a runtime that had no answer deletes both, or calls DEL, or asks again).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique

from hooknet.model import AttachmentKey, Phase
from hooknet.store.records import NetnsKey, Process, Record


@unique
class Act(Enum):
    """What to do with an attachment."""

    RELEASE = "release"  # gone: RELEASE, link, hooks (VANISHED), row
    LAPSE = "let lapse"  # void after a reboot: hooks (VANISHED), row; the address is kept in memory, no RELEASE now
    UNDO = "undo"  # half made and nobody waits for it
    ADOPT = "adopt"  # complete but for the answer, and nothing says that its container is gone: it is REPLIED
    REPAIR = "repair"  # the address is missing from the interface: verify the lease and set it again
    RESTORE = "restore"  # a live lease without a client (daemon start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the kernel says of one attachment.

    netns: (device, inode) at the recorded path, None when there is none. has_link: the interface with our MAC is
    there; None when the netns can't be looked into. has_address: the leased address is on it.
    """

    netns: NetnsKey | None
    has_link: bool | None = None
    has_address: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What podman says of one container. process: None when it has none (created, exited)."""

    running: bool
    process: Process | None = None
    alive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One attachment as the daemon holds it. busy: an ADD, DEL or exchange is under way: hands off.

    dead_since: boot time (seconds) when its process was first seen dead, None while it is not.
    """

    record: Record
    busy: bool = False
    has_client: bool = True
    dead_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything a plan is made of, taken before any lock. podman None: it can't be asked."""

    now: float
    boot_id: str
    period: float
    held: Sequence[Held]
    seen: Mapping[AttachmentKey, Seen]
    podman: Mapping[str, Known] | None


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, with the reason in words."""

    act: Act
    key: AttachmentKey
    generation: int
    why: str


Suspect = tuple[AttachmentKey, int]
"""An attachment and its generation: a container that is started again is not dead because it was before."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions, and since when each suspicious container has been dead."""

    actions: tuple[Action, ...]
    dead_since: Mapping[Suspect, float]


def plan(picture: Picture) -> Plan:
    """Decide. Pure: the same picture gives the same plan."""
    actions: list[Action] = []
    dead: dict[Suspect, float] = {}
    for held in picture.held:
        if held.busy:
            continue
        suspect = (held.record.key, held.record.generation)
        if is_dead(held.record, picture):
            dead[suspect] = held.dead_since if held.dead_since is not None else picture.now
        decided = _decide(held, picture, dead.get(suspect))
        if decided is not None:
            act, why = decided
            actions.append(Action(act, held.record.key, held.record.generation, why))
    return Plan(tuple(actions), dead)


def is_dead(record: Record, picture: Picture) -> bool:
    """Podman knows the container, and its process is not there."""
    if picture.podman is None:
        return False
    known = picture.podman.get(record.key.container_id)
    return known is not None and not known.alive


def _decide(  # noqa: PLR0911 - one return per sentence of the rule
    held: Held, picture: Picture, dead_since: float | None
) -> tuple[Act, str] | None:
    record = held.record
    if record.boot_id != picture.boot_id:
        return _after_reboot(record, picture)
    seen = picture.seen.get(record.key, Seen(netns=None))
    if seen.netns is None:
        return Act.RELEASE, f"its netns {record.attachment.netns} is gone"
    if seen.netns != record.netns_id:
        return Act.RELEASE, f"its netns path {record.attachment.netns} has another inode"
    if record.phase is not Phase.REPLIED:
        return _unanswered(record, seen, picture)
    if seen.has_link is False:
        return Act.RELEASE, f"its interface {record.key.ifname} is gone"
    if dead_since is not None and picture.now - dead_since >= picture.period:
        return (
            Act.RELEASE,
            f"its process has been dead for {picture.now - dead_since:.0f} s, though podman knows it",
        )
    return _upkeep(held, seen)


def _after_reboot(record: Record, picture: Picture) -> tuple[Act, str]:
    if record.binding is None:
        return Act.LAPSE, "the host was rebooted"
    if picture.podman is None:
        return Act.LAPSE, "the host was rebooted and podman can't be asked"
    if record.key.container_id in picture.podman:
        return Act.LAPSE, "the host was rebooted; its container will ask for the address again"
    return Act.RELEASE, "the host was rebooted and its container was removed"


def _unanswered(record: Record, seen: Seen, picture: Picture) -> tuple[Act, str]:
    if record.phase is not Phase.CONFIGURED:
        return Act.UNDO, f"it was left at {record.phase.value} and its caller never heard"
    if seen.has_link is False:
        return Act.UNDO, f"its interface {record.key.ifname} is gone"
    known = picture.podman.get(record.key.container_id) if picture.podman is not None else None
    if known is None:
        return Act.ADOPT, "its netns lives, and podman knows nothing of it"
    if known.alive:
        return Act.ADOPT, "its container lives"
    return Act.UNDO, "its container does not run and its caller never heard"


def _upkeep(held: Held, seen: Seen) -> tuple[Act, str] | None:
    record = held.record
    if record.l2_only or (record.request is None and record.binding is None):
        return None
    if not held.has_client:
        return Act.RESTORE, "the daemon was restarted"
    if record.binding is not None and seen.has_link and seen.has_address is False:
        return Act.REPAIR, f"{record.binding.lease.address} is missing from {record.key.ifname}"
    return None
