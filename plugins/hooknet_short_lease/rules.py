"""Which lease time a container gets: its own label, else the first rule whose conditions all hold, else the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import hooknet

LEAST = 10
INFINITE = 0xFFFFFFFF  # RFC 2131 section 3.3


def seconds(value: float | str) -> int:
    """A lease time in whole seconds, from a number or from text such as "90s", "5m", "2h", "infinite".

    Raises ValueError, below 10 seconds too: such a lease would be renewed all the time.
    """
    try:
        whole = int(hooknet.parse_duration(value))
    except ValueError:
        raise ValueError(f'{value!r} is no lease time: write seconds, or text such as "5m"') from None
    if not LEAST <= whole <= INFINITE:
        raise ValueError(f"{value!r} is no lease time: give {LEAST} seconds or more")
    return whole


@dataclass(frozen=True, kw_only=True)
class Rule(hooknet.Conditions):
    """One `[[plugins.short-lease.rules]]`. lease_time: `default` leaves the request as it is."""

    lease_time: hooknet.Duration | Literal["default"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lease_time != "default":
            seconds(self.lease_time)

    @property
    def wanted(self) -> int | None:
        """Seconds; None for the server's own time."""
        return None if self.lease_time == "default" else seconds(self.lease_time)
