"""What the journal keeps of one attachment.

A `Record` is immutable; a step of the lifecycle makes the next one with `dataclasses.replace` and writes it whole.
It holds everything that recovery needs when nothing else is left: where the interface is, what was asked for and
from whom, what was granted, and whether plugins heard of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hooknet.dhcp.effects import Binding, Offer
from hooknet.model import Attachment, AttachmentKey, LeaseRequest, MacvlanMode, Phase

NetnsKey = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A container's first process. `started`: clock ticks since boot (/proc/PID/stat), so a reused pid is seen."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One generation of one attachment.

    netns_id: (device, inode) of the netns when it was attached. boot_id: the boot in which it was; a binding's
    boot-time seconds mean nothing in another. created: wall clock, seconds since the epoch. mode: the macvlan mode,
    None when another plugin made the interface. mtu: the one that was asked for, in bytes. hears: `post_lease` was
    queued for the current lease, so `release` is owed. client_id: the identity, also where there is no request yet.
    parent_index: the parent's, by which it is known after a rename; None where it was not noted. release_at: of a
    lease that lapses (RELEASING): wall clock, when it is given back after all (lifecycle/lapsing.py).
    """

    attachment: Attachment
    phase: Phase
    boot_id: str
    created: float
    netns_id: NetnsKey
    mac: str
    client_id: bytes = b""
    mode: MacvlanMode | None = None
    mtu: int | None = None
    parent_in_netns: bool = False
    parent_index: int | None = None
    l2_only: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    request: LeaseRequest | None = None
    changed_by: Mapping[str, str] = field(default_factory=dict)
    offer: Offer | None = None
    binding: Binding | None = None
    hears: bool = False
    process: Process | None = None
    release_at: float | None = None

    @property
    def key(self) -> AttachmentKey:
        return self.attachment.key

    @property
    def generation(self) -> int:
        return self.attachment.generation
