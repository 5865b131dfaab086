"""The parent of an ADD, once it can be used.

At boot containers may be quicker than the network: the parent is set up a moment later, and a switch takes its time
to give it a carrier. Both are waited for, within the ADD's deadline. What no waiting mends is said at once: a parent
that is not there, or can't carry containers at all.

Under another main plugin nothing is waited for: the link is there already, and a bridge has a carrier only when its
first port is up, which may be ours.
"""

from __future__ import annotations

import asyncio

from hooknet.errors import HooknetError
from hooknet.kernel.parents import Parent, require_carrier, require_fit, require_up
from hooknet.lifecycle.deadline import Deadline
from hooknet.lifecycle.ports import Machine, Netns
from hooknet.lifecycle.requests import AttachRequest

POLL = 0.1  # seconds


async def ready_parent(machine: Machine, request: AttachRequest, netns: Netns, deadline: Deadline) -> Parent:
    """Raises PARENT with what is wrong, after the deadline where time could have mended it."""
    inside = netns if request.parent_in_netns else None
    while True:
        parent = await machine.parent(request.parent, inside)
        if request.link is None:
            return parent
        require_fit(parent)
        try:
            require_up(parent)
            require_carrier(parent)
        except HooknetError as error:
            if not deadline.left:
                waited = f"waited {deadline.allowed:g} s"
                raise HooknetError(error.kind, error.message, details=waited, hint=error.hint) from None
        else:
            return parent
        await asyncio.sleep(POLL)
