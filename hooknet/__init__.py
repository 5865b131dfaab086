"""hooknet: DHCP leases for podman containers, with hooks.

`import hooknet` gives a plugin's author everything: the marker, the context with its logger and typed
settings, the types and the two exceptions. Each name is looked up when it is first used, so that the command line
does not pay for what it does not need.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hooknet.config import Duration
    from hooknet.errors import HooknetError, Refused, Retry
    from hooknet.hookspecs import PluginContext, hookimpl
    from hooknet.model import (
        Attachment,
        Container,
        ContainerEvent,
        Lease,
        LeaseRequest,
        PostLeaseReason,
        ReleaseReason,
        Route,
    )

__version__ = "0.1.0"

__all__ = [
    "Attachment",
    "Container",
    "ContainerEvent",
    "Duration",
    "HooknetError",
    "Lease",
    "LeaseRequest",
    "PluginContext",
    "PostLeaseReason",
    "Refused",
    "ReleaseReason",
    "Retry",
    "Route",
    "__version__",
    "hookimpl",
]

_HOMES = {
    "Duration": "config",
    "HooknetError": "errors",
    "Refused": "errors",
    "Retry": "errors",
    "PluginContext": "hookspecs",
    "hookimpl": "hookspecs",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"hooknet.{_HOMES.get(name, 'model')}"), name)
