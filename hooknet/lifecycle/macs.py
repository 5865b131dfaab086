"""The MAC that an attachment starts with, before any plugin, and who chose it.

What the user asks for comes first, then what the interface has already, then one that follows from who the attachment
is. Netavark's proxy is told a MAC and not whether the user chose it, so there it counts as the interface's.
"""

from __future__ import annotations

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.links import Parent
from hooknet.lifecycle.identity import Host, mac_for
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.requests import AttachRequest
from hooknet.model import MacOrigin, MacvlanMode


async def first_mac(
    request: AttachRequest, netns: Netns, parent: Parent, host: Host
) -> tuple[str, MacOrigin]:
    """Raises BAD_CONFIG where an interface should be and is not."""
    if request.mac is not None:
        return request.mac, request.mac_origin
    present = await _present(request, netns, parent)
    if present is not None:
        return present, MacOrigin.INTERFACE
    return mac_for(request.key, host), MacOrigin.GENERATED


async def _present(request: AttachRequest, netns: Netns, parent: Parent) -> str | None:
    """Under another main plugin the interface is there, and has its MAC; a passthru macvlan has its parent's."""
    if request.link is not None:
        return parent.mac if request.link.mode is MacvlanMode.PASSTHRU else None
    state = await netns.link_state(request.key.ifname)
    if state is None:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"there is no interface {request.key.ifname} in {request.netns}",
            details="as an IPAM plugin, hooknet leases for an interface that the main plugin has made",
            hint='use {"type": "hooknet"} to have hooknet make it',
        )
    return state.mac
