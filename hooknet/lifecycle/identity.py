"""Who an attachment is to the DHCP server: the client identifier (option 61).

The same name gets the same address. By default the identifier is RFC 4361's: type 255, an IAID of four bytes, and
a DUID-UUID (RFC 6355, type 4) that is derived from scope, network and container name; so a container that is
recreated under its name is the same client, whatever its MAC. Where no name is known, container id and interface
name take its place: unique, and gone with the container.

The MAC, where nobody gives one, follows from machine, container id, network and interface: a container that is
restarted is the same neighbour to the LAN's switches and ARP caches. It is no name's: a container that is made anew
has another (the plugin static-mac changes that).
"""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass

from hooknet.config import NetworkSettings, client_id_bytes
from hooknet.model import AttachmentKey

RFC4361_TYPE = 255
DUID_UUID = (4).to_bytes(2, "big")
HARDWARE_ETHERNET = 1
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:hooknet:identity")


@dataclass(frozen=True, slots=True)
class Host:
    """What `identity_scope = "host"` mixes in: the machine-id, or a random id kept in the state directory."""

    machine: str


def client_id_for(
    key: AttachmentKey, name: str | None, mac: str, settings: NetworkSettings, host: Host
) -> bytes:
    """The bytes of option 61 for an attachment. `name`: the container's or pod's, None when unknown."""
    match settings.client_id:
        case "mac":
            return bytes([HARDWARE_ETHERNET]) + bytes.fromhex(mac.replace(":", ""))
        case "name" if name is not None:
            scope = host.machine if settings.identity_scope == "host" else ""
            return _rfc4361("name", scope, key.network, name, iaid_of=key.network)
        case "name" | "container-id":
            return fallback_client_id(key)
        case given:
            return client_id_bytes(given)


def fallback_client_id(key: AttachmentKey) -> bytes:
    """The identity of exactly this container and interface, for when its name is taken or unknown."""
    return _rfc4361("container", key.container_id, key.network, key.ifname, iaid_of=key.ifname)


def mac_for(key: AttachmentKey, host: Host) -> str:
    """The MAC of an attachment for which nobody has given one: it stays over restarts of the container."""
    text = f"mac\0{host.machine}\0{key.container_id}\0{key.network}\0{key.ifname}"
    return random_mac(int.from_bytes(uuid.uuid5(NAMESPACE, text).bytes[:5], "big"))


def random_mac(bits: int) -> str:
    """A locally administered unicast address (IEEE 802, section 8.4) from 40 bits."""
    return ":".join(f"{byte:02x}" for byte in (0x02, *bits.to_bytes(5, "big")))


def _rfc4361(*parts: str, iaid_of: str) -> bytes:
    duid = DUID_UUID + uuid.uuid5(NAMESPACE, "\0".join(parts)).bytes
    iaid = zlib.crc32(iaid_of.encode()).to_bytes(4, "big")
    return bytes([RFC4361_TYPE]) + iaid + duid
