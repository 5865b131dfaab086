"""static-mac: containers whose MAC address stays the same, so that a reservation on the DHCP server finds them.

A MAC is pinned by an explicit map (name, network, label, image), or derived from machine, network and name. One that
the user asks for (`--mac-address`) is more particular than a derived one and stays; one that contradicts a pin is
refused, because nobody can tell which of the two was meant. What can't work is refused before anything is done, with
the reason: the multicast bit, the parent's own MAC, the MAC of another container that is up. Waiting for a
predecessor that is still dying is the core's business.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import hooknet
from hooknet_static_mac.addresses import derived, normal, of_interface, why_unusable
from hooknet_static_mac.holders import Holders
from hooknet_static_mac.pins import Pin

MACHINE_ID = Path("/etc/machine-id")
ETHERNET = b"\x01"  # the first byte of a client-id that is a MAC (RFC 2132 section 9.14)
GONE = {hooknet.ReleaseReason.DETACHED, hooknet.ReleaseReason.VANISHED}


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.static-mac]`.

    pins: who has which MAC; the first that holds decides. derive: networks (patterns) where everybody else who has a
    name gets a MAC that follows from it. scope: `host`, the machine-id is part of it; `fleet`, it is not, and the
    same name has the same MAC on every host.
    """

    pins: tuple[Pin, ...] = ()
    derive: tuple[str, ...] = ()
    scope: Literal["host", "fleet"] = "host"


def make_plugin(context: hooknet.PluginContext[Config]) -> Macs | None:
    """The entry point. Only pins by label or image make hooknet look containers up."""
    config = context.config
    pins = config.pins
    if not pins and not config.derive:
        return None
    for pin in pins:
        if reason := why_unusable(pin.mac):
            context.logger.warning(
                "the MAC %s pinned for %s: %s; it will be refused", pin.mac, pin.told(), reason
            )
    machine = machine_id(context.state_dir) if config.derive and config.scope == "host" else ""
    kind = MacsByContainer if any(pin.needs_container for pin in pins) else MacsByName
    return kind(Choice(pins, config.derive, machine), Holders(), context.logger)


@dataclass(frozen=True, slots=True)
class Choice:
    """The MAC of each attachment: a pure function of what is known of it."""

    pins: Sequence[Pin]
    derive: Sequence[str]
    machine: str

    def pin(self, attachment: hooknet.Attachment, container: hooknet.Container | None) -> Pin | None:
        return next((pin for pin in self.pins if pin.holds(attachment, container)), None)

    def derived(self, attachment: hooknet.Attachment) -> str | None:
        name = attachment.container_name
        if name is None or not any(fnmatchcase(attachment.network, pattern) for pattern in self.derive):
            return None
        return derived(self.machine, attachment.network, name)


class Macs:
    """What both variants do, and who holds what."""

    def __init__(self, choice: Choice, holders: Holders, log: logging.Logger) -> None:
        self._choice = choice
        self._holders = holders
        self._log = log

    @hooknet.hookimpl
    def post_lease(self, attachment: hooknet.Attachment, lease: hooknet.Lease) -> None:
        self._holders.took(attachment, normal(lease.mac))

    @hooknet.hookimpl
    def release(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.ReleaseReason
    ) -> None:
        if reason in GONE:  # after the others the interface is still there
            self._holders.gave_up(attachment, normal(lease.mac))

    def pin(
        self,
        attachment: hooknet.Attachment,
        request: hooknet.LeaseRequest,
        container: hooknet.Container | None,
    ) -> hooknet.LeaseRequest | None:
        asked_for = request.mac if request.mac_origin is hooknet.MacOrigin.RUNTIME else None
        pin = self._choice.pin(attachment, container)
        if pin is not None and asked_for not in {None, pin.mac}:
            raise contradiction(attachment, request.mac, pin)
        mac = pin.mac if pin is not None else self._choice.derived(attachment)
        if mac is None:
            return None
        mac = asked_for or mac
        self._refuse_what_cannot_work(attachment, mac)
        return with_mac(request, mac)

    def _refuse_what_cannot_work(self, attachment: hooknet.Attachment, mac: str) -> None:
        """Raises Refused."""
        whose = attachment.container_name or attachment.container_id[:12]
        if reason := why_unusable(mac):
            raise hooknet.Refused(
                f"the MAC {mac} pinned for {whose}: {reason}", hint="correct it in [plugins.static-mac]"
            )
        if mac == of_interface(attachment.parent):
            raise hooknet.Refused(
                f"the MAC {mac} of {whose} is the one of the parent {attachment.parent} itself",
                hint="give it another one",
            )
        holder = self._holders.other(attachment, mac)
        if holder is not None:
            raise hooknet.Refused(
                f"the MAC {mac} of {whose} is in use on {attachment.parent} by "
                f"{holder.container_name or holder.container_id[:12]} ({holder.key})",
                hint="stop that one, or give each its own MAC in [plugins.static-mac]",
            )


class MacsByName(Macs):
    """Pins by name and network, and derived MACs: nobody is asked about the container."""

    @hooknet.hookimpl
    def pre_lease(
        self, attachment: hooknet.Attachment, request: hooknet.LeaseRequest
    ) -> hooknet.LeaseRequest | None:
        return self.pin(attachment, request, None)


class MacsByContainer(Macs):
    """Some pin is about a label or an image."""

    @hooknet.hookimpl
    def pre_lease(
        self,
        attachment: hooknet.Attachment,
        request: hooknet.LeaseRequest,
        container: hooknet.Container | None,
    ) -> hooknet.LeaseRequest | None:
        if container is None:
            self._log.warning(
                "%s: its labels and its image are not known, so no pin about them holds", attachment.key
            )
        return self.pin(attachment, request, container)


def contradiction(attachment: hooknet.Attachment, asked_for: str, pin: Pin) -> hooknet.Refused:
    whose = attachment.container_name or attachment.container_id[:12]
    return hooknet.Refused(
        f"the MAC {asked_for} asked for {whose} is not {pin.mac}, which is pinned for it ({pin.told()})",
        hint="leave --mac-address away, or change the pin in [plugins.static-mac]",
    )


def with_mac(request: hooknet.LeaseRequest, mac: str) -> hooknet.LeaseRequest:
    """The request with another MAC. A client-id that is the MAC (`client_id = "mac"`) follows it."""
    was = ETHERNET + bytes.fromhex(request.mac.replace(":", ""))
    client_id = (
        ETHERNET + bytes.fromhex(mac.replace(":", "")) if request.client_id == was else request.client_id
    )
    return replace(request, mac=mac, client_id=client_id)


def machine_id(state_dir: Path) -> str:
    """What tells this host from others: its machine-id, else a random one that is kept in `state_dir`."""
    for path in (MACHINE_ID, state_dir / "machine-id"):
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        if text and text != "uninitialized":
            return text
    made = os.urandom(16).hex()
    (state_dir / "machine-id").write_text(made + "\n", encoding="ascii")
    return made
