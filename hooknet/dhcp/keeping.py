"""From a granted address to its end: BOUND, RENEWING, REBINDING, INIT-REBOOT, REBOOTING (RFC 2131 4.4.5).

The rules.
1. An ACK may change anything, the address too. The new lease takes the old one's place in one step (`Bound`
   with the reason that `changes` finds); there is no moment without an address. Inside REQUESTING an ACK for
   another address than the offered one is taken as well: the server has written it down, and it is checked
   like any other.
2. An ACK whose lease has run out before it arrived grants nothing.
3. A NAK, an expiry or a conflict in use: `Lost`, at once, then back to INIT.
4. REBOOTING: a lease in use is kept when nobody answers (RFC 2131 section 3.2, MAY). Inside an ADD it is not
   in use yet: two REQUESTs, then a DISCOVER.
5. A NAK in doubt (`replies`, rule 4) counts two seconds later, when no server has said yes.
6. An address that is new on this host is checked; so is one after a link that was away. One that comes in by
   renewal is checked while in use, also with `acd = "strict"`: there is no ADD that could wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.dhcp import acd, timers
from hooknet.dhcp.acquiring import retry, wants_broadcast
from hooknet.dhcp.changes import reason_for
from hooknet.dhcp.effects import Binding, Bound, Declined, Lost
from hooknet.dhcp.exchange import Exchange
from hooknet.dhcp.leases import to_lease
from hooknet.dhcp.states import Event, State
from hooknet.dhcp.timers import Patience, Schedule
from hooknet.model import PostLeaseReason, ReleaseReason

if TYPE_CHECKING:
    from hooknet.dhcp.core import Core, Effects
    from hooknet.dhcp.replies import Reply

NAK_GRACE = 2.0
REBOOT_REQUESTS_ATTACH = 2
REBOOT_PAUSE = 10.0
"""A link that flaps asks for its leases at most so often, seconds."""


def granted(core: Core, now: float, reply: Reply, exchange: Exchange, next_hop: str | None) -> Effects:
    """An ACK in whatever state waits for one."""
    binding = binding_of(core, reply, exchange, next_hop)
    if binding.expires_at <= now:
        return ()
    if core.binding is not None:
        return extended(core, now, core.binding, binding)
    address = binding.lease.address.ip
    if core.settings.acd == "strict":
        core.move(Event.ACK_TO_CHECK)
        core.exchange = None
        core.pending = binding
        return core.watch(now, address, strict=True)
    core.move(Event.ACK)
    probe = core.watch(now, address)
    return (*probe, bind(core, now, binding, PostLeaseReason.BOUND))


def binding_of(core: Core, reply: Reply, exchange: Exchange, next_hop: str | None) -> Binding:
    """What an ACK grants. `next_hop`: unknown (None) when the ACK came through a UDP socket."""
    held = core.binding
    if next_hop is None and held is not None and held.lease.server == reply.server:
        next_hop = held.lease.server_mac
    lease = to_lease(
        reply.message,
        obtained=core.utc(exchange.sent_at),
        hostname=core.request.fqdn or core.request.hostname,
        mac=core.request.mac,
        client_id=core.request.client_id,
        server_mac=next_hop,
    )
    return Binding(lease=lease, since=exchange.sent_at)


def extended(core: Core, now: float, held: Binding, binding: Binding) -> Effects:
    """An ACK while a lease is in use."""
    was_in_doubt = core.state is State.REBOOTING
    core.move(Event.ACK)
    moved = held.lease.address.ip != binding.lease.address.ip
    probe = core.watch(now, binding.lease.address.ip) if moved or was_in_doubt else ()
    core.lost = held.lease
    return (bind(core, now, binding, reason_for(held.lease, binding.lease)), *probe)


def bind(core: Core, now: float, binding: Binding, reason: PostLeaseReason) -> Bound:
    """The state is BOUND: this lease is in use from now on."""
    if core.binding is None:
        core.used_since = now
    previous, core.lost = core.lost, None
    core.wake = core.exchange = core.pending = core.doubted = None
    core.binding = binding
    core.wanted = binding.lease.address.ip
    core.schedule = Schedule.of(binding, core.randomness)
    if core.check is not None:
        core.check.used(now)
    return Bound(binding=binding, reason=reason, previous=previous)


def clear(core: Core, now: float) -> Effects:
    """PROBING to BOUND: nobody else uses the address."""
    assert core.pending is not None
    core.move(Event.CLEAR)
    return (bind(core, now, core.pending, PostLeaseReason.BOUND),)


# renewing and rebinding


def renew(core: Core, now: float) -> Effects:
    """T1: ask the server that granted the lease."""
    core.move(Event.T1)
    return extend(core, now)


def rebind(core: Core, now: float) -> Effects:
    """T2: ask every server."""
    core.move(Event.T2)
    return extend(core, now)


def extend(core: Core, now: float) -> Effects:
    """A REQUEST in RENEWING or REBINDING, the first or a later one."""
    assert core.binding is not None
    new = Exchange.new(now, core.randomness)
    exchange = new if core.exchange is None else core.exchange.renewed(now, core.randomness)
    core.wake = None
    core.exchange = exchange
    exchange.sent(now)
    renewing = core.state is State.RENEWING and not core.binding.is_in_doubt
    end = core.schedule.t2 if renewing else core.schedule.expires
    exchange.next_at = timers.next_extension(now, end)
    write = core.sender.renew if renewing else core.sender.rebind
    return (write(exchange.xid, now - exchange.began, core.binding.lease),)


# INIT-REBOOT


def doubt(core: Core, binding: Binding, at: float) -> None:
    """To INIT-REBOOT: at boot time `at` the servers are asked whether this lease is still ours."""
    core.move(Event.REBOOT)
    core.exchange = core.check = None
    core.doubted = binding
    core.wake = at


def not_too_often(core: Core, at: float) -> float:
    """`at`, or later when the servers were asked just before: a link may flap (REBOOT_PAUSE)."""
    return at if core.asked_at is None else max(at, core.asked_at + REBOOT_PAUSE)


def ask(core: Core, now: float) -> Effects:
    """INIT-REBOOT to REBOOTING."""
    core.move(Event.REBOOT_REQUEST)
    core.wake = None
    core.asked_at = now
    core.exchange = Exchange.new(now, core.randomness)
    return repeat_ask(core, now, core.exchange)


def repeat_ask(core: Core, now: float, exchange: Exchange) -> Effects:
    """The REQUEST of INIT-REBOOT, the first or a later one; or what follows when nobody says yes."""
    if exchange.doubt:
        return nak(core, now)
    attach = core.patience is Patience.ATTACH
    if exchange.tries >= (REBOOT_REQUESTS_ATTACH if attach else timers.REQUESTS):
        return unanswered(core, now)
    assert core.doubted is not None
    address = core.doubted.lease.address.ip
    exchange.broadcast = wants_broadcast(core, exchange)
    exchange.sent(now)
    exchange.next_at = now + timers.repeat_wait(exchange.tries, core.patience, core.randomness)
    overlap = core.binding is None and core.settings.acd == "optimistic"
    probe = core.watch(now, address) if overlap and exchange.tries == 1 else ()
    secs = now - exchange.began
    return (*probe, core.sender.reboot(exchange.xid, secs, address=address, broadcast=exchange.broadcast))


def unanswered(core: Core, now: float) -> Effects:
    """Rule 4."""
    if core.binding is None:
        core.move(Event.GIVE_UP)
        return retry(core, now, 0.0)
    core.move(Event.KEEP)
    core.exchange = core.doubted = None
    return ()


# ends


def refused(core: Core, now: float, reply: Reply, exchange: Exchange) -> Effects:
    """A NAK in whatever state waits for an answer."""
    asked_everybody = core.state in {State.REBINDING, State.REBOOTING}
    if asked_everybody and core.binding is not None and reply.server != core.binding.lease.server:
        if not exchange.doubt:
            exchange.doubt = True
            exchange.next_at = min(exchange.next_at, now + NAK_GRACE)
        return ()
    return nak(core, now)


def nak(core: Core, now: float) -> Effects:
    """A NAK that counts."""
    wait = timers.backoff_wait(core.failures.add(core.held_for(now)), core.patience, core.randomness)
    lost = lose(core, ReleaseReason.NAK)
    core.move(Event.NAK)
    core.wanted = None
    return (*lost, *retry(core, now, wait))


def expire(core: Core, now: float) -> Effects:
    """The lease has run out, whatever was under way."""
    wait = timers.backoff_wait(core.failures.add(core.held_for(now)), core.patience, core.randomness)
    lost = lose(core, ReleaseReason.EXPIRED)
    core.move(Event.EXPIRY)
    return (*lost, *retry(core, now, wait))


def conflict(core: Core, now: float, rival: str) -> Effects:
    """Somebody else (`rival`, a MAC) uses the address: tell the server, and take another one."""
    stake = core.at_stake()
    assert stake is not None
    wait = acd.conflict_wait(core.conflicts.add(core.held_for(now)), core.patience)
    decline = core.sender.decline(core.xid(), stake, f"address in use by {rival}")
    ended = lose(core, ReleaseReason.DECLINED) or (Declined(stake),)
    core.move(Event.CONFLICT)
    core.wanted = None
    return (decline, *ended, *retry(core, now, wait))


def lose(core: Core, reason: ReleaseReason) -> Effects:
    """The lease in use is lost; () when none is."""
    if core.binding is None:
        return ()
    core.lost = core.binding.lease
    return (Lost(core.binding.lease, reason),)
