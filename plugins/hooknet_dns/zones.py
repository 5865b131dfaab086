"""The update mode as the keeper sees it: claim a registration's records, or withdraw them.

Here the outcomes of updates become what they mean. No server took the update: `Retry`, for as long as it takes. Two
cases have no remedy in waiting, and are said instead: a reverse zone that nobody configured and the server does not
have (then there is no PTR), and records in a zone of former settings that the server refuses to touch (then they
are left, and the log names them).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import hooknet
from hooknet_dns.complaints import Complaints
from hooknet_dns.exchange import Clock, Line, UndeliveredError
from hooknet_dns.registry import Registration
from hooknet_dns.settings import Policies, Policy, Server, Upstream
from hooknet_dns.updates import Claim, Forward, Reverse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """Where updates go. former: the zone is of settings that are no more. guessed: nobody configured the zone."""

    zone: str
    upstream: Upstream
    clock: Clock
    former: bool = False
    guessed: bool = False


class Zones:
    """The zones of all networks. timeout: seconds for one answer of one server."""

    def __init__(self, policies: Policies, timeout: float, log: logging.Logger) -> None:
        self._policies = policies
        self._timeout = timeout
        self._log = log
        self._complaints = Complaints(log)
        self._best: dict[Upstream, Server] = {}

    def claim(self, row: Registration, *, succeed: bool) -> bool:
        """Put the records there. Whether the name is ours; without it there is no PTR either. Raises Retry.

        succeed: replace the PTR that another DHCP client left at the address.
        """
        policy = self._policy(row)
        if policy is None:
            return False
        forward, reverse = self._targets(policy, row)
        if self._send(forward, row, lambda line: Forward(line, row).claim()) is not Claim.OURS:
            return False
        if reverse is not None:
            made = self._send(reverse, row, lambda line: Reverse(line, row).claim(succeed=succeed))
            if made is Claim.FOREIGN:
                text = f"{row.address} has a PTR record that is not ours, which stays as it is"
                self._complaints.say(row.address, text)
        return True

    def withdraw(self, row: Registration, *, forward: bool = True, reverse: bool = True) -> None:
        """Remove what of the records is ours. Raises Retry."""
        policy = self._policy(row)
        if policy is None:
            self._leave(row, "its network has no update mode in [plugins.dns] any more")
            return
        forward_target, reverse_target = self._targets(policy, row)
        if forward:
            self._send(forward_target, row, lambda line: Forward(line, row).withdraw())
        if reverse and reverse_target is not None:
            self._send(reverse_target, row, lambda line: Reverse(line, row).withdraw())

    def _policy(self, row: Registration) -> Policy | None:
        policy = self._policies.get(row.network)
        return policy if policy is not None and policy.mode == "update" else None

    def _targets(self, policy: Policy, row: Registration) -> tuple[Target, Target | None]:
        clock = Clock.start(self._timeout)
        forward = Target(row.place, policy.forward, clock, former=row.place != policy.zone)
        if not row.reverse_zone:
            return forward, None
        guessed = policy.reverse_zone is None
        former = policy.reverse is None or not (guessed or row.reverse_zone == policy.reverse_zone)
        upstream = policy.reverse or policy.forward
        return forward, Target(row.reverse_zone, upstream, clock, former=former, guessed=guessed)

    def _send(self, target: Target, row: Registration, work: Callable[[Line], T]) -> T | None:
        """What `work` returns; None where it could not be done and waiting is no remedy. Raises Retry."""
        try:
            result = work(Line.to(target.zone, target.upstream, target.clock, self._best))
        except UndeliveredError as error:
            if target.former and error.refused:
                self._leave(row, f"{target.zone} is of former settings: {error}")
                return None
            if target.guessed and error.no_such_zone:
                hint = "set reverse_zone to its name, or reverse = false"
                self._complaints.say(target.zone, f"no PTR records in {target.zone}: {error}; {hint}")
                return None
            self._complaints.say(target.zone, str(error))
            raise hooknet.Retry(str(error)) from error
        self._complaints.fine(target.zone)
        return result

    def _leave(self, row: Registration, why: str) -> None:
        self._log.error(
            "the records of %s at %s can't be removed and are left: %s", row.name, row.address, why
        )
