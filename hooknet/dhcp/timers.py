"""When to try again, when to renew, and when to give up: RFC 2131 sections 4.1 and 4.4.5. Seconds everywhere.

The rules.
1. Unanswered DISCOVERs and REQUESTs are repeated after 4, 8, 16, 32 and then every 64 s, each ±1 s (RFC 2131
   section 4.1). Inside an ADD a runtime waits for us: 1, 2, 4 s and on from there, each ±0.1 s.
2. A REQUEST that nobody answers is given up, because the server may be gone and another one there: after four
   (60 s, RFC 2131 section 3.1), inside an ADD after three (7 s).
3. T1 and T2 get the "random fuzz" of section 4.4.5, so that a thousand leases that were taken in one minute
   are not renewed in one second: ±5 % of the time to T1, at most ±30 s, and never so much that T1 meets T2.
4. In RENEWING the next REQUEST waits for half of what is left until T2, in REBINDING until the lease's end;
   60 s at least (section 4.4.5), but never past T2 or the end, so that a lease of a minute is not slept
   through.
5. After a NAK or an expiry the first new DISCOVER leaves at once: the container has no address. Where this
   goes wrong again before a lease has lived for a minute, the waits grow: 2, 4, 8 … 300 s (inside an ADD 1,
   2, 4 …). So a server that grants leases of a second, or NAKs what it has offered, gets no storm.
6. An infinite time (RFC 2131 section 3.3) is `math.inf`: no timer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, unique
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hooknet.dhcp.effects import Binding

FIRST_WAIT = 4.0
LONGEST_WAIT = 64.0
WAIT_FUZZ = 1.0
FIRST_WAIT_ATTACH = 1.0
WAIT_FUZZ_ATTACH = 0.1

REQUESTS = 4
REQUESTS_ATTACH = 3

RENEW_FLOOR = 60.0
FUZZ_SHARE = 0.05
FUZZ_MOST = 30.0

BACKOFF_FIRST = 2.0
BACKOFF_FIRST_ATTACH = 1.0
BACKOFF_LONGEST = 300.0
STABLE = 60.0
"""A lease that has been in use for so long was no part of a series of failures."""

RESTART_SPREAD = 5.0
"""Seconds over which is spread what many would do at once: after a restart, or a link that is back."""


class Randomness(Protocol):
    """The part of `random.Random` that a client needs."""

    def getrandbits(self, k: int, /) -> int: ...

    def uniform(self, a: float, b: float, /) -> float: ...


@unique
class Patience(Enum):
    """ATTACH: a runtime waits for the lease. BACKGROUND: nobody does, the RFC's times hold."""

    ATTACH = "attach"
    BACKGROUND = "background"


def repeat_wait(tries: int, patience: Patience, randomness: Randomness) -> float:
    """How long the `tries`-th DISCOVER or REQUEST (1, 2, …) waits for an answer (rule 1)."""
    attach = patience is Patience.ATTACH
    first, fuzz = (FIRST_WAIT_ATTACH, WAIT_FUZZ_ATTACH) if attach else (FIRST_WAIT, WAIT_FUZZ)
    return doubled(first, tries - 1, LONGEST_WAIT) + randomness.uniform(-fuzz, fuzz)


def most_requests(patience: Patience) -> int:
    """How many REQUESTs go unanswered before the client starts over (rule 2)."""
    return REQUESTS_ATTACH if patience is Patience.ATTACH else REQUESTS


def next_extension(now: float, end: float) -> float:
    """When to repeat a REQUEST in RENEWING (`end`: T2) or REBINDING (`end`: the expiry), as a boot time.

    `math.inf` when `end` comes first: then what happens at `end` is next (rule 4).
    """
    left = end - now
    wait = max(RENEW_FLOOR, left / 2)
    return now + wait if wait < left else math.inf


def backoff_wait(failures: int, patience: Patience, randomness: Randomness) -> float:
    """How long to stay in INIT after `failures` failures in a row (rule 5)."""
    if failures <= 1:
        return 0.0
    first = BACKOFF_FIRST_ATTACH if patience is Patience.ATTACH else BACKOFF_FIRST
    return doubled(first, failures - 2, BACKOFF_LONGEST) * randomness.uniform(0.9, 1.1)


def doubled(first: float, times: int, longest: float) -> float:
    """`first`, doubled `times` times, at most `longest`. Hours of silence must not overflow a float."""
    return min(first * 2.0 ** min(times, 16), longest)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Boot times of one binding, fuzzed: t1 <= t2 <= expires, `math.inf` for never."""

    t1: float = math.inf
    t2: float = math.inf
    expires: float = math.inf

    @classmethod
    def of(cls, binding: Binding, randomness: Randomness) -> Schedule:
        """Rules 3 and 6. The properties of `Binding` are ordered already, whatever a lease says."""
        expires = binding.expires_at
        t2 = min(fuzzed(binding.t2_at, binding.since, expires - binding.t2_at, randomness), expires)
        t1 = min(fuzzed(binding.t1_at, binding.since, binding.t2_at - binding.t1_at, randomness), t2)
        return cls(t1, t2, expires)


def fuzzed(at: float, since: float, room: float, randomness: Randomness) -> float:
    """`at`, moved by the fuzz of rule 3; `room` is the time until what must stay later."""
    if math.isinf(at):
        return at
    most = min((at - since) * FUZZ_SHARE, room / 4, FUZZ_MOST)
    return at + randomness.uniform(-most, most) if most > 0 else at


@dataclass(slots=True)
class Failures:
    """Failures in a row (rule 5): NAKs and expiries in one series, conflicts (see `acd`) in another."""

    count: int = 0

    def add(self, held_for: float = 0.0) -> int:
        """One more, after a lease was in use for `held_for` seconds. How many it are in this series."""
        self.count = 1 if held_for >= STABLE else self.count + 1
        return self.count
