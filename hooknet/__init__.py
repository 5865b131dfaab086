"""hooknet: DHCP leases for podman containers, with hooks.

`import hooknet` gives a plugin's author everything: the marker, the context with its logger and typed settings, the
types, the exceptions, and what rules and settings are made of. Each name is looked up when it is first used, so that
the command line does not pay for what it does not need.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hooknet.binding import Duration, parse_duration
    from hooknet.conditions import Conditions
    from hooknet.errors import HooknetError, Kind, Refused, Retry
    from hooknet.hookspecs import PluginContext, hookimpl
    from hooknet.model import (
        Attachment,
        AttachmentKey,
        Container,
        ContainerEvent,
        Lease,
        LeaseRequest,
        MacOrigin,
        PostLeaseReason,
        ReleaseReason,
        Route,
        Runtime,
    )

__version__ = "0.1.0"

__all__ = [
    "Attachment",
    "AttachmentKey",
    "Conditions",
    "Container",
    "ContainerEvent",
    "Duration",
    "HooknetError",
    "Kind",
    "Lease",
    "LeaseRequest",
    "MacOrigin",
    "PluginContext",
    "PostLeaseReason",
    "Refused",
    "ReleaseReason",
    "Retry",
    "Route",
    "Runtime",
    "__version__",
    "hookimpl",
    "parse_duration",
]

_HOMES = {
    "Duration": "binding",
    "parse_duration": "binding",
    "Conditions": "conditions",
    "HooknetError": "errors",
    "Kind": "errors",
    "Refused": "errors",
    "Retry": "errors",
    "PluginContext": "hookspecs",
    "hookimpl": "hookspecs",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"hooknet.{_HOMES.get(name, 'model')}"), name)
