"""One exchange: a message that waits for its answer, and everything that its repetitions must agree on.

The rules (RFC 2131 sections 4.1 and 4.4.1).
1. A new exchange has a new random xid. The REQUEST for an offer carries the xid and the `secs` of the
   DISCOVER.
2. DISCOVERs and REQUESTs are repeated with the same xid, because a slow server's answer to the first is as
   good. In RENEWING and REBINDING a repetition comes a minute later or more: it gets a new xid, so that an
   answer can be told from a late one, and the lease runs from the message that was answered.
3. A lease runs from when the REQUEST that was answered first left, not from the ACK: the server's clock
   started somewhere between the two. For a rapid commit, the DISCOVER before the last one counts: an answer
   to an even earlier one would be seconds late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hooknet.dhcp.effects import Offer
    from hooknet.dhcp.timers import Randomness

XID_BITS = 32


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What is under way. Boot times in seconds.

    began: `secs` counts from here. sent_at: the lease would run from here (rule 3). next_at: when to repeat
    or give up. tries: how often the message left. broadcast: whether it had the BROADCAST flag. doubt: a NAK
    from a server that may know nothing of this lease was heard.
    """

    xid: int
    began: float
    sent_at: float
    next_at: float = 0.0
    tries: int = 0
    secs: float = 0.0
    broadcast: bool = False
    offer: Offer | None = None
    doubt: bool = False
    last_sent: float = 0.0

    @classmethod
    def new(cls, now: float, randomness: Randomness) -> Exchange:
        return cls(xid=randomness.getrandbits(XID_BITS), began=now, sent_at=now, last_sent=now)

    def renewed(self, now: float, randomness: Randomness) -> Exchange:
        """The next REQUEST in RENEWING or REBINDING (rule 2): `secs` goes on, everything else starts anew."""
        following = Exchange.new(now, randomness)
        following.began = self.began
        return following

    def selecting(self, offer: Offer, now: float) -> Exchange:
        """The REQUEST for an offer (rule 1)."""
        return Exchange(
            xid=self.xid,
            began=self.began,
            sent_at=now,
            last_sent=now,
            secs=self.secs,
            broadcast=self.broadcast,
            offer=offer,
        )

    def sent(self, now: float) -> None:
        """The message left once more."""
        self.tries += 1
        self.last_sent = now

    def discovered(self, now: float) -> None:
        """A DISCOVER left once more (rule 3)."""
        self.sent_at = self.last_sent
        self.secs = now - self.began
        self.sent(now)
