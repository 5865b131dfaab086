"""What an interface that somebody else made hangs on."""

from __future__ import annotations

from hooknet.lifecycle.ports import Machine, Netns


async def parent_below(machine: Machine, netns: Netns, ifname: str) -> str:
    """The host's interface below `ifname`; the default route's where that is not known. Raises PARENT."""
    link = await netns.link_state(ifname)
    if link is not None and link.parent_index is not None and link.parent_elsewhere:
        names = await machine.link_names()
        if link.parent_index in names:
            return names[link.parent_index]
    return (await machine.parent(None)).name
