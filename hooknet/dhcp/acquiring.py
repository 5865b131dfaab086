"""From INIT to a granted address: INIT, SELECTING and REQUESTING (RFC 2131 section 4.4.1).

The rules.
1. There is no random delay before the first DISCOVER of an ADD: a container's start can't wait for it. What
   many hosts would do at once (a restart of the daemon, a link that is back) is spread by the caller.
2. The DISCOVER asks for the address that was held before (option 50), unless that was NAKed or declined.
3. The BROADCAST flag is set when the settings say so, and when DISCOVERs stay unanswered, because unicast may
   not reach an interface without an address: from the second DISCOVER on inside an ADD, from the third
   otherwise.
4. With an OFFER the address probe leaves first, then the offer is made durable, then the REQUEST goes: what
   takes time overlaps.
5. A REQUEST that nobody answers leads back to INIT and to a DISCOVER at once: another server may be there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.dhcp import timers
from hooknet.dhcp.effects import GaveUp, Offer, Offered
from hooknet.dhcp.exchange import Exchange
from hooknet.dhcp.states import Event
from hooknet.dhcp.timers import Patience
from hooknet.errors import Kind

if TYPE_CHECKING:
    from hooknet.dhcp.core import Core, Effects
    from hooknet.dhcp.replies import Reply

SILENT_DISCOVERS = {Patience.ATTACH: 1, Patience.BACKGROUND: 2}


def retry(core: Core, now: float, wait: float) -> Effects:
    """In INIT: acquire anew after `wait` seconds, at once when there is nothing to wait for."""
    core.drop()
    core.wake = now + wait
    return discover(core, now) if wait <= 0 and core.link else ()


def discover(core: Core, now: float) -> Effects:
    """INIT to SELECTING: the first DISCOVER of an acquisition."""
    core.move(Event.DISCOVER)
    core.wake = None
    core.exchange = Exchange.new(now, core.randomness)
    return repeat_discover(core, now, core.exchange)


def repeat_discover(core: Core, now: float, exchange: Exchange) -> Effects:
    """A DISCOVER, the first or a later one."""
    exchange.broadcast = wants_broadcast(core, exchange)
    exchange.discovered(now)
    exchange.next_at = now + timers.repeat_wait(exchange.tries, core.patience, core.randomness)
    message = core.sender.discover(
        exchange.xid,
        exchange.secs,
        wanted=core.wanted,
        broadcast=exchange.broadcast,
        rapid_commit=core.settings.rapid_commit,
    )
    return (message,)


def wants_broadcast(core: Core, exchange: Exchange) -> bool:
    """Rule 3, for the message that is about to leave."""
    silent = exchange.tries >= SILENT_DISCOVERS[core.patience]
    return core.settings.broadcast or exchange.broadcast or silent


def take_offer(core: Core, now: float, reply: Reply, exchange: Exchange, next_hop: str | None) -> Effects:
    """SELECTING to REQUESTING: the first good offer wins."""
    address = reply.message.yiaddr
    offer = Offer(address=address, server=reply.server, server_mac=next_hop, xid=exchange.xid)
    core.move(Event.OFFER)
    core.exchange = exchange.selecting(offer, now)
    probe = core.watch(now, address) if core.settings.acd == "optimistic" else ()
    return (*probe, Offered(offer), *repeat_request(core, now, core.exchange))


def repeat_request(core: Core, now: float, exchange: Exchange) -> Effects:
    """A REQUEST for the offer, the first or a later one; or back to INIT when there were enough (rule 5)."""
    if exchange.tries >= timers.most_requests(core.patience):
        core.move(Event.GIVE_UP)
        return retry(core, now, 0.0)
    assert exchange.offer is not None
    exchange.broadcast = wants_broadcast(core, exchange)
    exchange.sent(now)
    exchange.next_at = now + timers.repeat_wait(exchange.tries, core.patience, core.randomness)
    return (core.sender.select(exchange.offer, exchange.secs, broadcast=exchange.broadcast),)


def leave_ipv4(core: Core, now: float, wait: float) -> Effects:
    """SELECTING to INIT for `wait` seconds: the network asks its hosts to use IPv6 only (RFC 8925)."""
    core.move(Event.IPV6_ONLY)
    retry(core, now, wait)
    if core.patience is not Patience.ATTACH:
        return ()
    why = (
        f"the network asks for IPv6 only (option 108) for {wait:.0f} s; don't request option 108 to get IPv4"
    )
    return (GaveUp(why, Kind.NO_LEASE),)
