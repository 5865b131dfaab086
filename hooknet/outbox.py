"""The durable outbox: what observers are still owed.

A row is committed in the same transaction as the journal phase that causes it, so that neither a crash nor a
restart loses a hook. The dispatcher (`hooknet.hooks`) makes the rows and delivers them; the journal
(`hooknet.store`) keeps them. Both speak in this module's words, and neither imports the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One call of one observer hook of one plugin, yet to be made.

    id: given by the journal, rising; 0 before the row is committed. hook: `post_lease` or `release`. stream:
    the identity; deliveries of one plugin and stream are made in the order of their ids. payload: JSON.
    attempts: calls made so far. not_before, created: wall clock, seconds. error: why the last call failed.
    renews: a lease was extended and nothing else, so of two in a row the newer one says it all (before the commit).
    """

    hook: str
    plugin: str
    stream: str
    payload: bytes
    id: int = 0
    attempts: int = 0
    not_before: float = 0.0
    created: float = 0.0
    error: str = ""
    renews: bool = False


class Outbox(Protocol):
    """The journal's side of the outbox. Each method returns once the change is durable."""

    async def pending(self) -> Sequence[Delivery]:
        """Every delivery that is not done, in the order of their ids."""

    async def done(self, delivery: Delivery) -> None:
        """Forget `delivery`: it was made, or given up."""

    async def postpone(self, delivery: Delivery, *, not_before: float, error: str = "") -> None:
        """Keep `delivery`, count an attempt, and note why it failed. `not_before`: wall clock, seconds."""
