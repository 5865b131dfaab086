"""What the kernel's refusals mean, in words: one translation for everything in this room."""

from __future__ import annotations

import errno
import os

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.capabilities import missing_capabilities

NOT_PERMITTED = frozenset({errno.EPERM, errno.EACCES})


def refused(doing: str, error: OSError, kind: Kind = Kind.IO, *, hint: str = "") -> HooknetError:
    """The error to raise when the kernel answered `error` to what `doing` names ("set eth0 up")."""
    why = error.strerror or os.strerror(error.errno or 0)
    if error.errno not in NOT_PERMITTED:
        return HooknetError(kind, f"can't {doing}: {why}", hint=hint)
    lacking = ", ".join(f"CAP_{name}" for name in missing_capabilities())
    return HooknetError(
        kind,
        f"can't {doing}: {why}",
        details=f"the daemon lacks {lacking}" if lacking else "a security policy of the host forbids it",
        hint="run it as root, or put the capability into CapabilityBoundingSet= of its unit"
        if lacking
        else hint,
    )
