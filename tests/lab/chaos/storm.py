"""What goes wrong around the containers: the daemon, podman's service and the DHCP server are killed, the cable is
pulled. One thing at a time, for as long as the lives last."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from lab import Daemon, Lan
    from lab.process import Program

SHORTEST, LONGEST = 0.5, 3.0


class Storm:
    """Runs in a thread of its own until `calm`, and leaves everything up."""

    def __init__(
        self, chance: random.Random, daemon: Daemon, service: Program, lan: Lan, tally: dict[str, int]
    ) -> None:
        self.chance = chance
        self.daemon = daemon
        self.service = service
        self.lan = lan
        self.tally = tally
        self.over = threading.Event()
        self.failed: str | None = None
        self.thread = threading.Thread(target=self.rage, name="storm")

    def start(self) -> None:
        self.thread.start()

    def calm(self) -> None:
        """Raises RuntimeError when something did not come back."""
        self.over.set()
        self.thread.join()
        if self.failed:
            raise RuntimeError(self.failed)

    def rage(self) -> None:
        blows: tuple[Callable[[], None], ...] = (
            self.crash,
            self.crash,
            self.upgrade,
            self.no_service,
            self.no_server,
            self.no_cable,
        )
        while not self.over.wait(self.chance.uniform(SHORTEST, LONGEST)):
            blow = self.chance.choice(blows)
            name = f"storm: {blow.__name__.replace('_', ' ')}"
            self.tally[name] = self.tally.get(name, 0) + 1
            try:
                blow()
            except (AssertionError, RuntimeError, OSError):
                self.failed = traceback.format_exc()
                return

    def pause(self, longest: float) -> None:
        self.over.wait(self.chance.uniform(0.0, longest))

    def crash(self) -> None:
        self.daemon.kill()
        self.pause(1.0)
        self.daemon.start()

    def upgrade(self) -> None:
        self.daemon.stop()
        self.daemon.start()

    def no_service(self) -> None:
        self.service.kill()
        self.pause(2.0)
        self.service.start()

    def no_server(self) -> None:
        self.lan.server.process.kill()
        self.pause(1.5)
        self.lan.server.start()

    def no_cable(self) -> None:
        self.lan.unplug()
        self.pause(1.0)
        self.lan.replug()
