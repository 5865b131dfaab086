"""Who has which MAC on which parent, as far as leases tell.

A MAC may be used once on a parent. This table lets a second container that is given the same one fail at once and
with the name of the first. It never stands in the way of a successor: an attachment of the same container name
on the same network may take the MAC over (the core waits, bounded, until the kernel lets go of it), a holder
whose netns is gone holds nothing, and one that is just being detached is given a moment. Where the table knows
too little (just after a start) the kernel refuses, and the core names the holder.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import hooknet

MOMENT = 1.0
"""Seconds that a newcomer waits for a holder's end: half of what `pre_lease` has by default."""


@dataclass(slots=True)
class Holders:
    """Thread-safe: hooks run side by side. `moment`: seconds."""

    moment: float = MOMENT
    _table: dict[tuple[str, str], hooknet.Attachment] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def took(self, attachment: hooknet.Attachment, mac: str) -> None:
        """`attachment` is up with `mac`."""
        with self._changed:
            held = self._table.get((attachment.parent, mac))
            if held is None or held.generation <= attachment.generation:
                self._table[attachment.parent, mac] = attachment

    def gave_up(self, attachment: hooknet.Attachment, mac: str) -> None:
        """`attachment` is gone. What a successor has taken meanwhile stays its own."""
        with self._changed:
            held = self._table.get((attachment.parent, mac))
            if held is not None and held.key == attachment.key and held.generation <= attachment.generation:
                del self._table[attachment.parent, mac]
                self._changed.notify_all()

    def other(self, newcomer: hooknet.Attachment, mac: str) -> hooknet.Attachment | None:
        """Another live attachment that has `mac` on the newcomer's parent; waits a moment for its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._other(newcomer, mac) is None, self.moment)
            return self._other(newcomer, mac)

    def _other(self, newcomer: hooknet.Attachment, mac: str) -> hooknet.Attachment | None:
        held = self._table.get((newcomer.parent, mac))
        if held is None or same_identity(held, newcomer) or not Path(held.netns).exists():
            return None
        return held


def same_identity(one: hooknet.Attachment, other: hooknet.Attachment) -> bool:
    """The same attachment, or the one before it of the same name."""
    if one.key == other.key:
        return True
    return (
        one.container_name is not None
        and one.container_name == other.container_name
        and one.network == other.network
    )
