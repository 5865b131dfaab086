"""Servers whose packages would start services: where script/test unpacked them, and how to run them from there."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

UNPACKED = Path(__file__).resolve().parents[3] / ".cache" / "servers"


def libraries() -> str:
    """LD_LIBRARY_PATH of the unpacked servers."""
    arch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    return f"{UNPACKED}/usr/lib/{arch}:{UNPACKED}/lib/{arch}"


def executable(name: str) -> str:
    """Where the server `name` is: unpacked for the tests, or installed on the machine."""
    places = [UNPACKED / "usr/sbin", UNPACKED / "usr/bin", Path("/usr/sbin"), Path("/usr/bin")]
    found = next((place / name for place in places if (place / name).exists()), None)
    if found is None:
        raise FileNotFoundError(f"{name} is not here: script/test unpacks it into .cache/servers")
    return str(found)
