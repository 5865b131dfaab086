"""The test kit, for hooknet's own tests and for plugin authors.

Models with sensible defaults (`make_lease` and its siblings), a simulated LAN with scripted servers (`Lan`),
a clock that a test turns (`FakeClock`), and a harness for plugins (`hooknet.testing.plugins`).
"""

from __future__ import annotations

from hooknet.testing.clock import DAY, YEAR, FakeClock
from hooknet.testing.faults import Faults
from hooknet.testing.hosts import Heard, Host, Sent, Use
from hooknet.testing.lan import Lan, Squatter
from hooknet.testing.models import make_attachment, make_binding, make_container, make_lease, make_request
from hooknet.testing.server import (
    FOREVER,
    Behaviour,
    Grant,
    Server,
    grants,
    nak,
    offers,
    silent,
    spoiled,
    twice,
    with_fields,
    with_options,
    without,
)

__all__ = [
    "DAY",
    "FOREVER",
    "YEAR",
    "Behaviour",
    "FakeClock",
    "Faults",
    "Grant",
    "Heard",
    "Host",
    "Lan",
    "Sent",
    "Server",
    "Squatter",
    "Use",
    "grants",
    "make_attachment",
    "make_binding",
    "make_container",
    "make_lease",
    "make_request",
    "nak",
    "offers",
    "silent",
    "spoiled",
    "twice",
    "with_fields",
    "with_options",
    "without",
]
