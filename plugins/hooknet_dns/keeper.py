"""What a lease comes to in DNS: the one place that decides, for both modes.

Rules.
- A lease that is in use has its records; a renewal puts them there again, so whatever was lost comes back.
- A name, an address or a zone that is not the lease's any more loses its records first, by what was registered
  then and not by what the settings say now.
- A delivery may be late: the server was down, or the daemon. A lease that has run out, or whose address was leased
  to another attachment since, gets no records. A release of a lease that has a successor on the same attachment
  touches nothing.
- A name that belongs to someone else is left alone. Where the holder is another attachment of this host, it is
  handed over when the holder goes; else it is tried again for a minute, and then with each renewal.
- What an address's predecessor left in the reverse zone is replaced by a fresh lease only: a late delivery could
  replace a successor's.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import hooknet
from hooknet_dns import hosts
from hooknet_dns.complaints import Complaints
from hooknet_dns.identity import dhcid
from hooknet_dns.names import UnnamedError, derived_reverse_zone, reverse_name
from hooknet_dns.registry import Registration, Registry, Rows, key_of
from hooknet_dns.settings import Config, Policies, Policy, ttl
from hooknet_dns.turns import Turns

FRESH = 60.0
"""Seconds since the lease was granted within which a delivery counts as prompt."""
CONFLICT_PATIENCE = 60.0
"""Seconds for which a name that someone else holds is tried again: long enough for a container that moved here."""

ABANDONED = 3600.0
"""Seconds after the end of a lease, by which its release should have been delivered."""
TIDY_INTERVAL = 10.0
"""Seconds between two looks for what was abandoned."""


class Updater(Protocol):
    """`hooknet_dns.zones.Zones`, which only the update mode imports."""

    def claim(self, row: Registration, *, succeed: bool) -> bool: ...

    def withdraw(self, row: Registration, *, forward: bool = True, reverse: bool = True) -> None: ...


class Keeper:
    """Keeps DNS what the leases are. Called from several threads, never twice at once for one attachment."""

    def __init__(
        self,
        config: Config,
        policies: Policies,
        registry: Registry,
        zones: Updater | None,
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._policies = policies
        self._registry = registry
        self._zones = zones
        self._log = log
        self._complaints = Complaints(log)
        self._conflicts: dict[tuple[str, str, str], float] = {}
        self._tidy_at = 0.0
        self._turns = Turns()

    def sweep(self) -> None:
        """Bring the hosts files of a former run up to date. Raises OSError."""
        folders = {str(policy.hosts_dir) for policy in self._policies.all() if policy.mode == "hosts"}
        with self._registry.open() as rows:
            hosts.sweep(rows, folders)

    def hold(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, container: hooknet.Container | None
    ) -> None:
        """The lease is in use. Raises Retry and OSError."""
        with self._turns.wait(key_of(attachment)):
            self._hold(attachment, lease, container)
        self._tidy()

    def drop(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        """The lease is over. Raises Retry and OSError."""
        with self._turns.wait(key_of(attachment)):
            self._drop(attachment, lease)
        self._tidy()

    def _hold(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, container: hooknet.Container | None
    ) -> None:
        with self._registry.open() as rows:
            held = rows.get(attachment)
            wanted = self._wanted(attachment, lease, container, held)
            if wanted is not None and is_late(wanted, rows):
                self._log.debug("late news of %s at %s: the lease is over", wanted.name, wanted.address)
                return
        if held is not None:
            self._withdraw_what_changed(held, wanted)
        if wanted is not None:
            still_held = held is not None and held.held and is_same(held, wanted)
            self._claim(replace(wanted, held=still_held))

    def _drop(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        with self._registry.open() as rows:
            held = rows.get(attachment)
        row = held or self._unrecorded(attachment, lease)
        if row is not None and row.address == str(lease.address.ip):
            self._end(row)

    def _end(self, row: Registration) -> None:
        """Nothing of it is left. An heir has the same records, and keeps them."""
        with self._registry.open() as rows:
            heirs = [other for other in rows.of_name(row) if other.held and other.address == row.address]
        if not any(other.obtained > row.obtained for other in heirs):
            self._withdraw(row)
            self._hand_over(row)
        self._forget(row)
        self._log.info("%s no longer stands for %s", row.name, row.address)

    def _tidy(self) -> None:
        """Now and then, what nobody told the end of: the plugin was disabled meanwhile, say."""
        if time.monotonic() < self._tidy_at:
            return
        self._tidy_at = time.monotonic() + TIDY_INTERVAL
        with self._registry.open() as rows:
            row = rows.abandoned(time.time() - ABANDONED)
        if row is None:
            return
        with self._turns.attempt(key_of(row)) as alone:
            if alone and self._is_unchanged(row):
                with suppress(hooknet.Retry):  # another delivery will come by
                    self._end(row)

    def _is_unchanged(self, row: Registration) -> bool:
        with self._registry.open() as rows:
            return rows.get(row) == row

    def _wanted(
        self,
        attachment: hooknet.Attachment,
        lease: hooknet.Lease,
        container: hooknet.Container | None,
        held: Registration | None,
    ) -> Registration | None:
        """The registration that the lease should have; None when it should have none."""
        policy = self._policies.get(attachment.network)
        if policy is None:
            return None
        try:
            name = policy.template.render(attachment, container)
        except UnnamedError as error:
            if container is not None or held is None:
                self._complaints.say(str(attachment.key), f"{attachment.key} gets no name in DNS: {error}")
                return None
            name = held.name  # podman was too slow this time; the name is the same as before
        return registration(policy, attachment, lease, name, ttl(self._config, lease.lease_time))

    def _unrecorded(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> Registration | None:
        """What a lease that is over would have had: our memory may be lost while DNS still has the records."""
        policy = self._policies.get(attachment.network)
        if policy is None or policy.template.needs_container:
            return None
        return self._wanted(attachment, lease, None, None)

    def _withdraw_what_changed(self, held: Registration, wanted: Registration | None) -> None:
        """Before the new records are made, so that nothing of the old ones is forgotten."""
        if held.mode == "hosts":
            if wanted is None or (wanted.mode, wanted.place) != (held.mode, held.place):
                self._forget(held)
            return
        if wanted is None or not is_same(held, wanted):
            self._withdraw(held, forward=wanted is None or mark_of(wanted) != mark_of(held))
        if wanted is None:
            self._forget(held)

    def _claim(self, wanted: Registration) -> None:
        """Make its records, and remember that they are ours. Raises Retry and OSError."""
        with self._registry.open() as rows:
            rows.put(wanted)
            if wanted.mode == "hosts":
                hosts.write(rows, wanted.place, wanted.network)
            succeed = time.time() - wanted.obtained < FRESH or bool(rows.of_address(wanted))
        if wanted.mode == "update" and self._zones is not None:
            if not self._zones.claim(wanted, succeed=succeed):
                self._conflict(wanted)
                return
            self._conflicts.pop(key_of(wanted), None)
            self._complaints.fine(wanted.name)
        self._claimed(wanted)

    def _claimed(self, row: Registration) -> None:
        """The name is ours: news, or as it was."""
        if not row.held:
            with self._registry.open() as rows:
                rows.put(replace(row, held=True))
        level = logging.DEBUG if row.held else logging.INFO
        self._log.log(level, "%s stands for %s, ttl %d s", row.name, row.address, row.ttl)

    def _conflict(self, wanted: Registration) -> None:
        """The name is someone else's."""
        with self._registry.open() as rows:
            rows.put(replace(wanted, held=False))
            siblings = [other for other in rows.of_name(wanted) if other.held]
        if siblings:
            who = f"{siblings[0].container_id[:12]}/{siblings[0].ifname}@{siblings[0].network}"
            text = f"{wanted.name} is held by {who} and is handed over when that goes"
            self._complaints.say(
                wanted.name, f"{text}; {{ifname}} or {{network}} in the template tells them apart"
            )
            return
        text = f"{wanted.name} is not ours in DNS (it has no DHCID or another one) and stays as it is"
        self._complaints.say(wanted.name, text)
        now = time.monotonic()
        if now - self._conflicts.setdefault(key_of(wanted), now) < CONFLICT_PATIENCE:
            raise hooknet.Retry(text)
        self._conflicts.pop(key_of(wanted), None)

    def _withdraw(self, row: Registration, *, forward: bool = True) -> None:
        if row.mode == "hosts":
            return  # its file is written when it is forgotten
        if self._zones is None:
            text = (
                "the records of %s at %s are left in DNS: there is no update mode in [plugins.dns] any more"
            )
            self._log.error(text, row.name, row.address)
            return
        self._zones.withdraw(row, forward=forward)

    def _hand_over(self, row: Registration) -> None:
        """The name is free: whoever of this host waits for it gets it."""
        if row.mode == "hosts":
            return
        with self._registry.open() as rows:
            waiting = [other for other in rows.of_name(row) if not other.held and not is_late(other, rows)]
        for other in waiting[:1]:
            with self._turns.attempt(key_of(other)) as alone:
                if alone and self._is_unchanged(other):
                    self._claim(other)

    def _forget(self, row: Registration) -> None:
        with self._registry.open() as rows:
            rows.remove(row)
            if row.mode == "hosts":
                hosts.write(rows, row.place, row.network)
        self._conflicts.pop(key_of(row), None)


def is_late(row: Registration, rows: Rows) -> bool:
    """Whether the lease is over: it has run out, or its address went to another attachment since."""
    now = time.time()
    since = any(row.obtained < other.obtained <= now for other in rows.of_address(row))
    return since or row.expired(now)


def is_same(one: Registration, other: Registration) -> bool:
    """Whether their records are the same, but for the times."""
    return mark_of(one) == mark_of(other) and place_of(one) == place_of(other)


def mark_of(row: Registration) -> tuple[str, str, str, bytes]:
    """What tells its forward records from others."""
    return row.mode, row.name, row.place, row.dhcid


def place_of(row: Registration) -> tuple[str, str]:
    """Where its PTR is."""
    return row.address, row.reverse_zone


def registration(
    policy: Policy, attachment: hooknet.Attachment, lease: hooknet.Lease, name: str, seconds: int
) -> Registration:
    expires = lease.expires
    return Registration(
        container_id=attachment.container_id,
        ifname=attachment.ifname,
        network=attachment.network,
        mode=policy.mode,
        name=name,
        place=policy.zone if policy.mode == "update" else str(policy.hosts_dir),
        reverse_zone=reverse_zone_for(policy, lease),
        address=str(lease.address.ip),
        dhcid=dhcid(lease, name),
        ttl=seconds,
        obtained=lease.obtained.timestamp(),
        expires=None if expires is None else expires.timestamp(),
    )


def reverse_zone_for(policy: Policy, lease: hooknet.Lease) -> str:
    """Empty: no PTR for this address."""
    if policy.reverse is None:
        return ""
    zone = policy.reverse_zone or derived_reverse_zone(lease.address)
    return zone if reverse_name(lease.address.ip, zone) else ""
