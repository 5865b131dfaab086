"""CHECK and STATUS: does the kernel agree with the journal, and could an ADD be served now?"""

from __future__ import annotations

from hooknet.config import NetworkSettings
from hooknet.errors import HooknetError, Kind
from hooknet.kernel.links import LinkState
from hooknet.kernel.parents import Parent, require_carrier, require_fit, require_up
from hooknet.lifecycle.entries import Entry
from hooknet.lifecycle.leases import Leases
from hooknet.lifecycle.ports import Netns
from hooknet.lifecycle.probing import servers_offering
from hooknet.lifecycle.requests import Attached, AttachRequest, StatusRequest


class Checker:
    """Answers CHECK and STATUS."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._services = leases.services

    async def check(self, entry: Entry | None, request: AttachRequest) -> Attached:
        """Raises CHECK_FAILED with every difference. A lease that changed since the ADD is right."""
        if entry is None or not entry.is_settled():
            raise _failed(
                f"{request.key} is not attached", "the journal has no complete attachment under this key"
            )
        record = entry.record
        async with self._services.machine.netns(request.netns, record.netns_id) as netns:
            state = await netns.link_state(entry.key.ifname)
            if state is None:
                problems = [f"the interface {entry.key.ifname} is missing"]
            else:
                problems = await self._differences(entry, netns, state, {record.mac, request.mac})
                if request.assign is not None:
                    problems += await netns.missing_fixed(entry.key.ifname, await request.assign())
        if problems:
            raise _failed(f"{request.key} is not as it should be", "; ".join(problems))
        return Attached(
            attachment=record.attachment,
            mac=record.mac,
            mtu=entry.plan.mtu if entry.plan is not None and entry.plan.mtu else entry.parent_mtu or 0,
            settings=entry.settings,
            lease=record.binding.lease if record.binding is not None else None,
        )

    async def _differences(
        self, entry: Entry, netns: Netns, state: LinkState, macs: set[str | None]
    ) -> list[str]:
        """`macs`: ours, and the one that a plugin after us in the chain may have set."""
        record, ifname = entry.record, entry.key.ifname
        problems = []
        if state.mac not in macs:
            problems.append(f"{ifname} has the MAC {state.mac}, not {record.mac}")
        if not state.up:
            problems.append(f"{ifname} is down")
        if record.mode is not None and state.mode != record.mode:
            problems.append(f"{ifname} is in mode {state.mode}, not {record.mode}")
        if record.request is not None and record.binding is None:
            problems.append(f"no lease is held ({entry.note or 'a new one is asked for'})")
        if entry.plan is not None:
            problems += await netns.missing(ifname, entry.plan)
        return problems

    async def status(self, request: StatusRequest, settings: NetworkSettings, *, attached: int = 0) -> None:
        """Raises UNAVAILABLE when an ADD could not be served: journal, parent, pool, and if asked to, server.

        attached: how many containers the network has. Raises DEGRADED when they suffer too: without the parent.
        """
        failing = self._services.journal.failing
        if failing is not None:
            raise _unavailable("the journal can't be written", failing, hint="see what `hooknet status` says")
        if request.parent_in_netns:
            return  # each container brings its own
        try:
            parent = await self._ready_parent(request, attached)
        except HooknetError as error:
            raise _cut_off(error, attached) from None
        if request.leases:
            await self._require_offer(parent, settings)

    async def _ready_parent(self, request: StatusRequest, attached: int) -> Parent:
        """The parent as an ADD would need it. Raises PARENT.

        An ADD waits for a carrier, but nobody knows whether one will come. Under another main plugin only whoever is
        attached needs it: a bridge without a port has none until the first container comes.
        """
        parent = await self._services.machine.parent(request.parent)
        if request.makes_link:
            require_fit(parent)
        require_up(parent)
        if request.makes_link or attached:
            require_carrier(parent)
        return parent

    async def _require_offer(self, parent: Parent, settings: NetworkSettings) -> None:
        """Ask the servers, when the pool was exhausted the last time, or settings want it. Raises UNAVAILABLE."""
        since = self._leases.silent_parents.get(parent.name)
        if since is None and not settings.probe_server:
            return
        if await servers_offering(self._services, parent):
            # whoever asks us first must not wait for an ADD
            self._leases.silent_parents.pop(parent.name, None)
            return
        if since is None:
            raise _unavailable(
                f"no DHCP server answers on {parent.name}",
                "a DISCOVER was sent as a probe",
                hint=f"`hooknet doctor --parent {parent.name}`",
            )
        ago = self._services.machine.now() - since
        raise _unavailable(
            f"no address is offered on {parent.name}: the pool is probably exhausted",
            f"for {ago:.0f} s",
            hint="enlarge the pool or shorten its leases",
        )


def _failed(message: str, details: str) -> HooknetError:
    return HooknetError(Kind.CHECK_FAILED, message, details=details, hint="restart the container")


def _cut_off(error: HooknetError, attached: int) -> HooknetError:
    """Without the parent nobody reaches the LAN: CNI's code 51 where somebody is attached, else 50."""
    if not attached:
        return _unavailable(error.message, error.details, hint=error.hint)
    cut = f"{attached} attached containers can't reach the LAN"
    details = "; ".join(filter(None, (error.details, cut)))
    return HooknetError(Kind.DEGRADED, error.message, details=details, hint=error.hint)


def _unavailable(message: str, details: str, *, hint: str) -> HooknetError:
    return HooknetError(Kind.UNAVAILABLE, message, details=details, hint=hint)
