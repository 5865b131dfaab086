"""The arguments of an observer's call as the JSON that the outbox keeps, and back.

What an older hooknet wrote reads with the defaults of the fields that it did not know, so an upgrade loses no hook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hooknet.model import Attachment, Container, Lease, PostLeaseReason, ReleaseReason
from hooknet.serial import from_json, to_json

Reason = PostLeaseReason | ReleaseReason
REASONS: dict[str, type[Reason]] = {"post_lease": PostLeaseReason, "release": ReleaseReason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What happened. `reason` is the name of a PostLeaseReason or of a ReleaseReason, by the hook."""

    attachment: Attachment
    lease: Lease
    reason: str
    previous: Lease | None = None
    container: Container | None = None

    def arguments(self, hook: str) -> dict[str, Any]:
        """The arguments of `hook`, by name. Raises ValueError when the reason is not one of the hook's."""
        reason = REASONS[hook](self.reason)
        common = {
            "attachment": self.attachment,
            "lease": self.lease,
            "reason": reason,
            "container": self.container,
        }
        return common | {"previous": self.previous} if hook == "post_lease" else common


def encode(payload: Payload) -> bytes:
    return to_json(payload)


def decode(text: bytes) -> Payload:
    """What `encode` wrote. Raises ValueError on anything else."""
    return from_json(text, Payload)
