"""Who an attachment is to the DHCP server: the client identifier (option 61).

The same name gets the same address. By default the identifier is RFC 4361's: type 255, an IAID of four bytes, and
a DUID-UUID (RFC 6355, type 4) that is derived from scope, network and container name; so a container that is
recreated under its name is the same client, whatever its MAC. Where no name is known, container id and interface
name take its place: unique, and gone with the container.
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


def _rfc4361(*parts: str, iaid_of: str) -> bytes:
    duid = DUID_UUID + uuid.uuid5(NAMESPACE, "\0".join(parts)).bytes
    iaid = zlib.crc32(iaid_of.encode()).to_bytes(4, "big")
    return bytes([RFC4361_TYPE]) + iaid + duid
