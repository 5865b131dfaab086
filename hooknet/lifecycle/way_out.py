"""By which way a broadcast of an ADD leaves: the parent, or the container's own interface.

What a macvlan in bridge mode broadcasts the kernel copies to every other macvlan on its parent, one after the other,
and then sends it (docs/decisions/by-the-parent.md). Where a thousand containers share a parent, each of an ADD's
broadcasts wakes them all, and the ADD waits for that. A DHCP message is none of their business, unless one of them is
the DHCP server.

Rules.
1. With fewer than `CROWD` attachments on a parent everything leaves by the container's own interface, and everybody
   hears it. So it does where the parent is none of the host's, where the link is none of ours or copies nothing, and
   where nobody waits (a renewal that failed, a daemon's start).
2. In a crowd, DISCOVER and REQUEST leave by the parent: the LAN hears them, the other containers don't. Where no
   server has answered `HEARD_WITHIN` seconds later, they leave by the container's own interface as well.
3. In a crowd, the first ARP probe of an ADD leaves by the parent too: whoever has the address on the LAN is found
   before the ADD is answered. The other containers hear the next one, 0.25 to 0.4 s later. Where the ADD waits for
   all probes (`acd = "strict"`), they all leave by the container's own interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hooknet.dhcp.effects import Delivery
from hooknet.dhcp.messages import MessageType
from hooknet.model import MacvlanMode

if TYPE_CHECKING:
    from hooknet.dhcp.effects import Send
    from hooknet.lifecycle.entries import Entry, Registry

CROWD = 100
HEARD_WITHIN = 0.2
QUESTIONS = frozenset({MessageType.DISCOVER, MessageType.REQUEST})


class WayOut:
    """The way of one session's messages."""

    def __init__(self, registry: Registry, entry: Entry) -> None:
        self._entry = entry
        self._is_crowded = (
            entry.host_parent is not None
            and entry.record.mode is MacvlanMode.BRIDGE
            and not entry.is_replied()
            and registry.is_crowded(entry.host_parent, CROWD)
        )
        self._unanswered: Send | None = None
        self._for_all: Send | None = None
        self._has_probed = False

    def of_message(self, effect: Send) -> str | None:
        """The parent by which a DHCP message leaves; None: by the container's own interface."""
        self._unanswered = effect
        is_question = effect.type in QUESTIONS and effect.delivery is Delivery.BROADCAST_FRAME
        return (
            self._entry.host_parent
            if self._is_crowded and is_question and effect is not self._for_all
            else None
        )

    def of_arp(self) -> str | None:
        """As `of_message`, for an ARP packet."""
        is_first, self._has_probed = not self._has_probed, True
        optimistic = self._entry.settings.acd == "optimistic"
        return self._entry.host_parent if self._is_crowded and is_first and optimistic else None

    def heard(self) -> None:
        """A server has answered."""
        self._unanswered = None

    def once_more(self, effect: Send) -> tuple[Send, ...]:
        """What has left by the parent leaves by the interface now, unless it was answered or others came after it."""
        if self._unanswered is not effect:
            return ()
        self._for_all = effect
        return (effect,)
