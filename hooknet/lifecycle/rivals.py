"""Whose ARP is no conflict (RFC 5227 section 2.1.1 means *another host's*), though it looks like one.

A Linux host answers ARP for any of its addresses on any of its interfaces, and asks with any of them (arp_ignore and
arp_announce, unless they are set). Where a container has a second interface on the same LAN, that one says from
another MAC what the first one's address is. Whoever believed it would decline one address after the other, for ever.

The rules.
1. A MAC of an interface of the container's own, whoever made that interface, is no rival. `Registry.is_no_rival`
   knows those that hooknet made; the kernel is asked about all others, and only when such a packet has come: an ADD
   without a conflict costs nothing.
2. A MAC of a netns that is going is no rival for a while (`Registry.left_dying`).
3. A MAC of the *host's* own interfaces is a rival like any other: the host says so of its own addresses only, and a
   server that leases one of those has leased what is in use. (As a proxy, Linux answers no probes: their sender
   is 0.0.0.0, and arp_process() answers such a question for local addresses alone.)
"""

from __future__ import annotations

import logging

from hooknet.errors import HooknetError
from hooknet.lifecycle.ports import Netns

log = logging.getLogger(__name__)


async def is_of_the_container(netns: Netns, mac: str) -> bool:
    """Rule 1, by the kernel. False where the netns can't be asked: then the packet is believed."""
    try:
        return mac in await netns.macs()
    except (HooknetError, OSError) as error:
        log.debug("whether %s is the container's own can't be told: %s", mac, error)
        return False
