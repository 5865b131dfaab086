"""The updates themselves, each guarded by prerequisites, so that a record of someone else is never touched.

The rules (RFC 4703 section 5, with the DHCID of RFC 4701 as the mark of what is ours):
- Claiming a name: only where the name has no record at all, or has exactly our DHCID; then its addresses become
  ours alone. Anything else is a conflict, and stays as it is.
- Claiming an address's PTR: where there is none; or where the mark is ours; or, if the lease is fresh, where it is
  any DHCP client's: the server gave us the address, so what another client left there is over. A PTR without a mark
  was put there by a person, and stays.
- Withdrawing: the address goes from the name only where the name has our DHCID, and the DHCID goes only when no
  address is left; the PTR goes only while it names us and has our DHCID. So a removal that is late, or comes twice,
  finds nothing of a successor's to remove.
Each update is atomic on the server (RFC 2136 section 3.7): two updaters can't both succeed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.update

from hooknet_dns.exchange import Line
from hooknet_dns.names import reverse_name
from hooknet_dns.registry import Registration

Update = dns.update.UpdateMessage
Change = Callable[[Update], None]


@unique
class Claim(Enum):
    """What became of a claim."""

    OURS = "ours"
    FOREIGN = "foreign"


class Forward:
    """The A and DHCID records of a name."""

    def __init__(self, line: Line, row: Registration) -> None:
        self._line = line
        self._ttl = row.ttl
        self._name = absolute(row.name)
        self._address = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.A, row.address)
        self._mark = mark(row)

    def claim(self) -> Claim:
        """Raises UndeliveredError."""
        if ask(self._line, self._when_unused, self._put):
            return Claim.OURS
        return Claim.OURS if ask(self._line, self._when_ours, self._put) else Claim.FOREIGN

    def withdraw(self) -> None:
        """Raises UndeliveredError."""
        if ask(self._line, self._when_ours, self._drop_address):
            ask(self._line, self._when_empty, self._drop_mark)

    def _when_unused(self, update: Update) -> None:
        update.absent(self._name)

    def _when_ours(self, update: Update) -> None:
        update.present(self._name, self._mark)

    def _when_empty(self, update: Update) -> None:
        self._when_ours(update)
        update.absent(self._name, dns.rdatatype.A)
        update.absent(self._name, dns.rdatatype.AAAA)

    def _put(self, update: Update) -> None:
        update.replace(self._name, self._ttl, self._address)
        update.replace(self._name, self._ttl, self._mark)

    def _drop_address(self, update: Update) -> None:
        update.delete(self._name, self._address)

    def _drop_mark(self, update: Update) -> None:
        update.delete(self._name, self._mark)


class Reverse:
    """The PTR and DHCID records of an address."""

    def __init__(self, line: Line, row: Registration) -> None:
        self._line = line
        self._ttl = row.ttl
        self._name = absolute(reverse_name(row.ip, row.reverse_zone) or row.ip.reverse_pointer)
        self._target = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.PTR, f"{row.name}.")
        self._mark = mark(row)

    def claim(self, *, succeed: bool) -> Claim:
        """`succeed`: take over what another DHCP client left. Raises UndeliveredError."""
        guards = [self._when_unused, self._when_ours, *([self._when_marked] if succeed else [])]
        made = any(ask(self._line, guard, self._put) for guard in guards)
        return Claim.OURS if made else Claim.FOREIGN

    def withdraw(self) -> None:
        """Raises UndeliveredError."""
        ask(self._line, self._when_it_names_us, self._drop)

    def _when_unused(self, update: Update) -> None:
        update.absent(self._name)

    def _when_ours(self, update: Update) -> None:
        update.present(self._name, self._mark)

    def _when_marked(self, update: Update) -> None:
        update.present(self._name, dns.rdatatype.DHCID)

    def _when_it_names_us(self, update: Update) -> None:
        self._when_ours(update)
        update.present(self._name, self._target)

    def _put(self, update: Update) -> None:
        update.replace(self._name, self._ttl, self._target)
        update.replace(self._name, self._ttl, self._mark)

    def _drop(self, update: Update) -> None:
        update.delete(self._name, self._target)
        update.delete(self._name, self._mark)


def ask(line: Line, guard: Change, change: Change) -> bool:
    """Send one update. Whether it was made: the prerequisites of `guard` held."""
    update = Update(line.zone)
    guard(update)
    change(update)
    return line.ask(update) is dns.rcode.NOERROR


def absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name, dns.name.root)


def mark(row: Registration) -> dns.rdata.Rdata:
    """The DHCID record."""
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DHCID, row.dhcid, 0, len(row.dhcid))
