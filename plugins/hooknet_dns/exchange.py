"""One update to the first server that takes it, and what went wrong with those that did not.

An update goes by TCP: it arrives or it visibly does not, and its answer can't be forged from off the path. The
answers that RFC 2136 section 2.2 gives to prerequisites are answers; everything else (no connection, no answer in
time, a signature that is not right or missing, REFUSED, NOTAUTH, SERVFAIL…) sends the update to the next server. An
unsigned answer to a signed update is never believed (RFC 8945 section 5.3).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import dns.update

from hooknet_dns.keys import Key, KeyFileError
from hooknet_dns.settings import Server, Upstream
from hooknet_dns.transport import round_trip

LONGEST = 8.0
"""Seconds for the exchanges of one claim or withdrawal. A delivery has three at most, and hooknet gives it 30."""

ANSWERS = frozenset(
    {dns.rcode.NOERROR, dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN}
)
REFUSALS = {
    dns.rcode.REFUSED: "refuses the update: allow this key to update A, PTR and DHCID records of the zone",
    dns.rcode.NOTAUTH: "is not the primary of this zone: see zone, reverse_zone and servers in [plugins.dns]",
    dns.rcode.NOTZONE: "says that the name is outside of this zone: see zone and reverse_zone in [plugins.dns]",
}
NO_ANSWER = dns.rcode.SERVFAIL
TSIG_TROUBLES: dict[type[Exception], str] = {
    dns.tsig.PeerBadKey: "does not know the key {key}",
    dns.tsig.PeerBadSignature: "has another secret or algorithm for the key {key}",
    dns.tsig.PeerBadTime: "has another time of day, so it does not take what the key {key} signs: set the clocks",
    dns.tsig.PeerBadTruncation: "wants longer signatures than the key {key} makes",
    dns.tsig.BadSignature: "signs with another secret or algorithm than our key {key}",
    dns.tsig.BadTime: "has another time of day, so its signatures are no good: set the clocks",
}


class UndeliveredError(Exception):
    """No server took the update. refusals: how the servers said no, NO_ANSWER among them where one said nothing."""

    def __init__(self, why: str, refusals: frozenset[dns.rcode.Rcode] = frozenset({NO_ANSWER})) -> None:
        super().__init__(why)
        self._refusals = refusals

    @property
    def refused(self) -> bool:
        """Whether every server is there and does not want such an update at all."""
        return self._refusals <= set(REFUSALS)

    @property
    def no_such_zone(self) -> bool:
        """Whether every server is there and is not the zone's primary."""
        return self._refusals == {dns.rcode.NOTAUTH}


class RefusalError(Exception):
    """One server said no, by `rcode`."""

    def __init__(self, rcode: dns.rcode.Rcode, why: str) -> None:
        super().__init__(why)
        self.rcode = rcode


class QuietKey(dns.tsig.Key):
    """dnspython's own representation of a key shows the secret."""

    def __repr__(self) -> str:
        return f"<TSIG key {self.name}>"


@dataclass(frozen=True, slots=True)
class Clock:
    """The time for the exchanges of one claim or withdrawal. timeout: seconds for one answer; until: monotonic."""

    timeout: float
    until: float

    @classmethod
    def start(cls, timeout: float) -> Clock:
        return cls(timeout, time.monotonic() + LONGEST)

    def share(self, servers: int) -> float:
        """Seconds for the next of so many servers that may have to be asked."""
        return min(self.timeout, (self.until - time.monotonic()) / servers)


@dataclass(frozen=True, slots=True)
class Line:
    """A zone's servers, with the key read for this delivery. best: by upstream, the server that answered last."""

    zone: str
    upstream: Upstream
    key: Key | None
    clock: Clock
    best: dict[Upstream, Server]

    @classmethod
    def to(cls, zone: str, upstream: Upstream, clock: Clock, best: dict[Upstream, Server]) -> Line:
        """Raises UndeliveredError when the key can't be read."""
        try:
            return cls(zone, upstream, upstream.key.load() if upstream.key else None, clock, best)
        except KeyFileError as error:
            raise UndeliveredError(str(error)) from None

    def in_order(self) -> list[Server]:
        """All servers, first the one that answered last."""
        return sorted(self.upstream.servers, key=lambda server: server != self.best.get(self.upstream))

    def ask(self, update: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        """The answer of the first server that gives one. Raises UndeliveredError."""
        if self.key is not None:
            update.use_tsig(QuietKey(self.key.name, self.key.secret, self.key.algorithm))
        troubles: list[str] = []
        refusals: set[dns.rcode.Rcode] = set()
        servers = self.in_order()
        for number, server in enumerate(servers):
            try:
                answer = self._ask(server, update, self.clock.share(len(servers) - number))
            except RefusalError as refusal:
                refusals.add(refusal.rcode)
                troubles.append(f"{server} {refusal}")
            except (OSError, EOFError, dns.exception.DNSException) as error:
                refusals.add(NO_ANSWER)
                troubles.append(f"{server} {self._trouble(error)}")
            else:
                self.best[self.upstream] = server
                return answer
        raise UndeliveredError(f"zone {self.zone}: " + "; ".join(troubles), frozenset(refusals))

    def _ask(self, server: Server, update: dns.update.UpdateMessage, timeout: float) -> dns.rcode.Rcode:
        reply = answer_to(update, round_trip(server, update.to_wire(), timeout))
        rcode = reply.rcode()
        if rcode in REFUSALS:
            raise RefusalError(rcode, REFUSALS[rcode])
        if self.key is not None and not reply.had_tsig:
            raise RefusalError(rcode, f"gave an answer without a signature ({dns.rcode.to_text(rcode)})")
        if rcode not in ANSWERS:
            raise RefusalError(rcode, f"says {dns.rcode.to_text(rcode)}")
        return rcode

    def _trouble(self, error: Exception) -> str:
        """In words, without anything secret."""
        match error:
            case TimeoutError():
                return "did not answer in time"
            case EOFError():
                return "closed the connection without an answer"
            case OSError():
                return f"can't be reached: {error.strerror or error}"
        for kind, text in TSIG_TROUBLES.items():
            if isinstance(error, kind):
                return text.format(key=self.key.name if self.key else "")
        return f"gave an answer that makes no sense ({type(error).__name__})"


def answer_to(update: dns.update.UpdateMessage, wire: bytes) -> dns.message.Message:
    """The answer in `wire`, its signature checked where it has one. Raises RefusalError and dnspython's own."""
    try:
        reply = dns.message.from_wire(wire, keyring=update.keyring, request_mac=update.mac)
    except dns.exception.FormError:  # also, from dnspython 2.7 on, what should be signed and is not
        reply = dns.message.from_wire(wire)
    if not update.is_response(reply):
        raise RefusalError(dns.rcode.FORMERR, "answers another question than ours")
    return reply
