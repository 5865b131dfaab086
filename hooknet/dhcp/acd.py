"""Address conflict detection (RFC 5227): is somebody else using this address? Time is an argument.

The rules.
1. Probing. Three ARP probes (sender address 0). A conflict is any ARP packet of another MAC whose sender
   address is ours, or another MAC's probe for it (section 2.1.1).
2. `strict` has the RFC's timing, after the ACK and before the address is used: a random wait of up to 1 s,
   probes 1 to 2 s apart, 2 s after the last one.
3. `optimistic` adds no waiting to an ADD: the first probe leaves with the REQUEST, the others within a
   second, and the watch ends 1 s after the ACK (`used`). Hosts on a LAN answer an ARP request within
   milliseconds. What is heard in time is declined before the caller has its answer, what comes later takes
   the address away. Another's probe is no conflict then: of two clients that were offered one address the
   server refuses one, and who probes for an address in use hears of it from the kernel.
4. Then the address is announced twice, 2 s apart (section 2.3), so that nobody keeps a predecessor's MAC.
5. In use, an address is defended with one announcement, at most once per 10 s. Another conflict within these
   10 s means that the other host does not give way: the address is given up (section 2.4 (b)). A frame that
   reaches us twice (two sockets, a duplicating switch) is one conflict.
6. Our own MAC is no other host. `off` sends nothing and hears nothing.
7. A conflict is followed by a DECLINE and a wait of 10 s before the next DISCOVER (RFC 2131 section 3.1 (5));
   from the tenth conflict in a row of 60 s (RFC 5227 section 2.1.1). Inside an ADD the first two are not
   followed by a wait: the pool has other addresses and the runtime waits for us.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import TYPE_CHECKING

from hooknet.dhcp import wire
from hooknet.dhcp.effects import SendArp
from hooknet.dhcp.timers import Patience

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from hooknet.dhcp.timers import Randomness

PROBE_WAIT = 1.0
PROBE_NUM = 3
PROBE_MIN = 1.0
PROBE_MAX = 2.0
ANNOUNCE_WAIT = 2.0
ANNOUNCE_NUM = 2
ANNOUNCE_INTERVAL = 2.0
DEFEND_INTERVAL = 10.0
MAX_CONFLICTS = 10
RATE_LIMIT_INTERVAL = 60.0

OPTIMISTIC_MIN = 0.25
OPTIMISTIC_MAX = 0.4
OPTIMISTIC_WATCH = 1.0
DECLINE_WAIT = 10.0
UNWAITED_CONFLICTS = 2
SAME_FRAME = 0.2


@unique
class Verdict(Enum):
    """What an ARP packet means for an address."""

    NOTHING = "nothing"
    CONFLICT = "conflict"
    DEFEND = "defend"


def probe(mac: str, address: IPv4Address) -> SendArp:
    return SendArp(wire.arp_probe(mac, address), wire.BROADCAST_MAC)


def announcement(mac: str, address: IPv4Address) -> SendArp:
    return SendArp(wire.arp_announcement(mac, address), wire.BROADCAST_MAC)


def claims(packet: wire.ArpPacket, mac: str, address: IPv4Address) -> bool:
    """Whether another host uses the address (rule 5)."""
    return packet.sender == address and packet.sender_mac != mac


def contends(packet: wire.ArpPacket, mac: str, address: IPv4Address) -> bool:
    """Whether another host uses the address or is about to (rule 1)."""
    probes = not int(packet.sender) and packet.target == address and packet.operation == wire.ARP_REQUEST
    return claims(packet, mac, address) or (probes and packet.sender_mac != mac)


class AddressCheck:
    """The probes and announcements of one address, rules 1 to 4. `timer` when `deadline` has come.

    `probing` is True until the watch for conflicts has ended; the check is over when it is False and
    `deadline` is None.
    """

    def __init__(self, address: IPv4Address, mac: str, randomness: Randomness, *, strict: bool) -> None:
        self.address = address
        self.strict = strict
        self.probing = True
        self.deadline: float | None = None
        self._mac = mac
        self._randomness = randomness
        self._spacing = (PROBE_MIN, PROBE_MAX) if strict else (OPTIMISTIC_MIN, OPTIMISTIC_MAX)
        self._probes = 0
        self._announcements = 0
        self._in_use: float | None = None

    def start(self, now: float) -> tuple[SendArp, ...]:
        """The first probe: at once when optimistic (rule 3), after a random wait when strict (rule 2)."""
        self.deadline = now + (self._randomness.uniform(0.0, PROBE_WAIT) if self.strict else 0.0)
        return self.timer(now)

    def used(self, now: float) -> None:
        """The address is in use from now on; an optimistic watch ends a second later (rule 3)."""
        self._in_use = now
        if not self.strict and self.probing and self._probes == PROBE_NUM:
            self.deadline = now + OPTIMISTIC_WATCH

    def conflicts(self, packet: wire.ArpPacket) -> bool:
        return (contends if self.strict else claims)(packet, self._mac, self.address)

    @property
    def over(self) -> bool:
        return not self.probing and self.deadline is None

    def timer(self, now: float) -> tuple[SendArp, ...]:
        """What is due: a probe, the end of the watch with an announcement, or the second announcement."""
        if self.deadline is None or now < self.deadline:
            return ()
        if self._probes < PROBE_NUM:
            self._probes += 1
            self.deadline = self._after_probe(now)
            return (probe(self._mac, self.address),)
        self.probing = False
        self._announcements += 1
        again = self._announcements < ANNOUNCE_NUM
        self.deadline = now + ANNOUNCE_INTERVAL if again else None
        return (announcement(self._mac, self.address),)

    def _after_probe(self, now: float) -> float | None:
        if self._probes < PROBE_NUM:
            return now + self._randomness.uniform(*self._spacing)
        if self.strict:
            return now + ANNOUNCE_WAIT
        return None if self._in_use is None else max(self._in_use + OPTIMISTIC_WATCH, now + OPTIMISTIC_MIN)


class Defence:
    """Rule 5, for the address in use."""

    def __init__(self) -> None:
        self._last: float | None = None

    def heard(self, now: float, packet: wire.ArpPacket, mac: str, address: IPv4Address) -> Verdict:
        """What to do about a packet that was heard while `address` is in use."""
        if not claims(packet, mac, address):
            return Verdict.NOTHING
        since = None if self._last is None else now - self._last
        if since is not None and since < SAME_FRAME:
            return Verdict.NOTHING
        self._last = now
        return Verdict.DEFEND if since is None or since >= DEFEND_INTERVAL else Verdict.CONFLICT


def conflict_wait(conflicts: int, patience: Patience) -> float:
    """How long to stay in INIT after so many conflicts in a row (rule 7)."""
    if conflicts >= MAX_CONFLICTS:
        return RATE_LIMIT_INTERVAL
    at_once = patience is Patience.ATTACH and conflicts <= UNWAITED_CONFLICTS
    return 0.0 if at_once else DECLINE_WAIT
