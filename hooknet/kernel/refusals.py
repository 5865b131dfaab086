"""What the kernel's refusals mean, in words: one translation for everything in this room."""

from __future__ import annotations

import errno
import os
import socket

from hooknet.errors import HooknetError, Kind
from hooknet.kernel.capabilities import missing_capabilities

NOT_PERMITTED = frozenset({errno.EPERM, errno.EACCES})
RESTART = "restart the container"
REMEDIES = {
    errno.ENODEV: f"the interface is gone: {RESTART}",
    errno.ENETDOWN: f"the interface is down: {RESTART}",
    errno.ENOMEM: "free some memory, or raise the limits of the daemon's unit",
    errno.ENOBUFS: "free some memory, or raise the limits of the daemon's unit",
    errno.EMFILE: "raise LimitNOFILE= of the daemon's unit",
}
LOOK = "the kernel's log (dmesg) may say more, and `hooknet doctor` looks at this host"


def refused(doing: str, error: OSError, kind: Kind = Kind.IO) -> HooknetError:
    """The error to raise when the kernel answered `error` to what `doing` names ("set eth0 up")."""
    why = error.strerror or os.strerror(error.errno or 0)
    if error.errno not in NOT_PERMITTED:
        return HooknetError(kind, f"can't {doing}: {why}", hint=REMEDIES.get(error.errno or 0, LOOK))
    lacking = ", ".join(f"CAP_{name}" for name in missing_capabilities())
    return HooknetError(
        kind,
        f"can't {doing}: {why}",
        details=f"the daemon lacks {lacking}" if lacking else "a security policy of the host forbids it",
        hint="run it as root, or put the capability into CapabilityBoundingSet= of its unit"
        if lacking
        else "see the log of SELinux or AppArmor, and the unit's own restrictions",
    )


def index_of(ifname: str) -> int:
    """The interface's number, in the netns of the calling thread. Raises IO when it is gone."""
    try:
        return socket.if_nametoindex(ifname)
    except OSError:
        raise interface_gone(ifname) from None


def interface_gone(ifname: str) -> HooknetError:
    """Somebody took the container's interface away while hooknet was at work on it."""
    return HooknetError(Kind.IO, f"there is no interface {ifname} in the container any more", hint=RESTART)
