"""hooknet: DHCP leases for podman containers, with hooks.

`import hooknet` gives a plugin's author everything: the marker, the context with its logger and typed
settings, the types and the two exceptions.
"""

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
