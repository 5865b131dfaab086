"""What a front end says to the lifecycle, and what it gets back. No front end is visible from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from hooknet.config import NetworkSettings
from hooknet.lifecycle.timing import Timing
from hooknet.model import Attachment, AttachmentKey, FixedPlan, Lease, MacOrigin, MacvlanMode, Runtime

Assign = Callable[[], Awaitable[FixedPlan]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWanted:
    """How the container's interface is to be made. None in an `AttachRequest` means that it exists already.

    mtu: bytes, None for the parent's.
    """

    mode: MacvlanMode = MacvlanMode.BRIDGE
    mtu: int | None = None
    bcqueuelen: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachRequest:
    """One interface to attach.

    parent: None for the interface of the default route. parent_in_netns: it is looked up inside the container's netns
    (CNI `linkInContainer`). mac: as the runtime wants it, None for one of ours;
    mac_origin: who chose it. link: None when somebody else made the interface. sets_address: address and routes are
    ours to set all the same (a proxy), not only to be told (an IPAM plugin). l2_only: no lease is ours. given: the
    per-network settings found in the runtime's configuration (`Config.settings_for`). hostname: what the user calls
    this container, which goes before the settings' and need not be a host name. formerly: what the network was called
    before; an address that is remembered from then is asked for. parameters: option codes to request besides the
    defaults; skip_parameters: defaults that are not. options: further options to send. requested_address: the runtime
    wants exactly this address. own_netns: the daemon's own netns is allowed (CNI_NETNS_OVERRIDE). assign: where the
    addresses come from when another IPAM plugin gives them (then `l2_only` is True as well); called when the link is
    up, and when it raises, the whole is undone. timing: its clock began to run when the caller came.
    """

    key: AttachmentKey
    netns: str
    runtime: Runtime = Runtime.CNI
    container_name: str | None = None
    aliases: tuple[str, ...] = ()
    parent: str | None = None
    parent_in_netns: bool = False
    mac: str | None = None
    mac_origin: MacOrigin = MacOrigin.RUNTIME
    link: LinkWanted | None = None
    sets_address: bool = False
    l2_only: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    hostname: str | None = None
    formerly: tuple[str, ...] = ()
    parameters: tuple[int, ...] = ()
    skip_parameters: tuple[int, ...] = ()
    options: Mapping[int, bytes] = field(default_factory=dict)
    requested_address: IPv4Address | None = None
    own_netns: bool = False
    assign: Assign | None = None
    timing: Timing = field(default_factory=Timing, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What is there after a successful attach. `lease` is None on an L2-only network. `mtu`: bytes."""

    attachment: Attachment
    mac: str
    mtu: int
    settings: NetworkSettings
    lease: Lease | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachRequest:
    """One interface to give back. `netns` None: it is gone, or the runtime does not tell.

    `delete_link`: False when another plugin made the interface (IPAM only). `netns_id`/`at`: from a tombstone:
    the (device, inode) of the netns and the wall clock (seconds) when the caller left it; nothing that was
    attached later, or to another netns, is touched.
    """

    key: AttachmentKey
    netns: str | None = None
    delete_link: bool = True
    netns_id: tuple[int, int] | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Could an ADD be served now (CNI STATUS)? The fields that are an `AttachRequest`'s mean what they mean there.

    makes_link: the interface is ours to make, so the parent must carry it. leases: the address is ours to lease.
    """

    network: str
    parent: str | None = None
    parent_in_netns: bool = False
    makes_link: bool = True
    leases: bool = True
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentView:
    """One row of `hooknet leases`: what the daemon holds, ready for JSON.

    state: the DHCP client's (`BOUND`, `RENEWING`, …) or `L2` without a lease. changed_by: field of the request to
    the plugin that changed it. timing: the last ADD, step to milliseconds since its start, in order. host_parent:
    the parent's name on the host, None where it lies in the container's netns.
    """

    attachment: Attachment
    phase: str
    state: str
    mac: str
    client_id: str
    hostname: str | None
    lease: Lease | None
    changed_by: Mapping[str, str] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    host_parent: str | None = None
