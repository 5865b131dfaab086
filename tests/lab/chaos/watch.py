"""The kernel's word: every macvlan of this world, wherever it is, looked at again and again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.netns import NAMES

from hooknet.errors import HooknetError
from hooknet.kernel.links import link_state, list_links
from hooknet.kernel.netns import entered, open_netns

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path

PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Interface:
    """A macvlan. `netns`: the name of the namespace that it is in."""

    netns: str
    name: str
    mac: str
    addresses: tuple[IPv4Address, ...]


def macvlans() -> list[Interface]:
    """All of them, now. Changes the netns of the calling thread for a moment."""
    return [interface for path in sorted(NAMES.iterdir()) for interface in macvlans_in(path)]


def macvlans_in(path: Path) -> list[Interface]:
    try:
        with open_netns(str(path), allow_own=True) as netns, entered(netns.fd):
            states = [link_state(link.name) for link in list_links() if link.kind == "macvlan"]
    except (HooknetError, OSError):  # it went meanwhile
        return []
    return [
        Interface(path.name, state.name, state.mac, tuple(a.ip for a in state.addresses))
        for state in states
        if state is not None
    ]


class Watch:
    """Looks for addresses that are in two places, until `stop`."""

    def __init__(self) -> None:
        self.looks = 0
        self.duplicates: list[str] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look, name="watch", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        self.thread.join()

    def look(self) -> None:
        while not self.over.wait(PAUSE):
            self.looks += 1
            for address, places in self.twice().items():
                again = self.twice().get(address)  # a look takes time: an address may have moved in it
                if again:
                    self.duplicates.append(f"{time.strftime('%T')} {address}: {places}, then {again}")

    @staticmethod
    def twice() -> dict[IPv4Address, list[Interface]]:
        places: dict[IPv4Address, list[Interface]] = {}
        for interface in macvlans():
            for address in interface.addresses:
                places.setdefault(address, []).append(interface)
        return {address: found for address, found in places.items() if len(found) > 1}
