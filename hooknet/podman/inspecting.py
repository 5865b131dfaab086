"""What podman can say of networks and of single containers.

Slow, and it blocks while podman holds a container's lock: for the one time when the journal was lost, and for
nothing that an ADD waits for.
"""

from __future__ import annotations

import json
from typing import Any

from hooknet.podman.service import PodmanUnavailable, fetch

TIMEOUT = 20.0  # seconds; as for the list
LONGEST = 8 * 1024 * 1024  # bytes


async def network_backend(url: str) -> str:
    """`cni` or `netavark`; empty where podman does not say. Raises PodmanUnavailable, as all here."""
    info = await _object(url, "/info")
    host = info.get("host")
    found = host.get("networkBackend") if isinstance(host, dict) else None
    return found if isinstance(found, str) else ""


async def networks(url: str) -> dict[str, dict[str, Any]]:
    """Every network's description, by name, as netavark gets it too."""
    found = await _json(url, "/networks/json")
    rows = found if isinstance(found, list) else []
    return {row["name"]: row for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)}


async def container(url: str, container_id: str) -> dict[str, Any]:
    """One container's description (`podman inspect`)."""
    return await _object(url, f"/containers/{container_id}/json")


async def _object(url: str, path: str) -> dict[str, Any]:
    found = await _json(url, path)
    if not isinstance(found, dict):
        raise PodmanUnavailable(url, f"its answer to {path} can't be read")
    return found


async def _json(url: str, path: str) -> Any:
    body = await fetch(url, path, {}, timeout=TIMEOUT, longest=LONGEST, threads=None)
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise PodmanUnavailable(url, f"its answer to {path} can't be read") from None
