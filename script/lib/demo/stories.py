"""The ways to be a container: podman's by CNI, podman's by netavark, or a bare namespace where there is neither."""

from __future__ import annotations

import json
import statistics
import time
from enum import Enum, unique
from typing import TYPE_CHECKING, Any, Protocol

from lab import Cni, Sandbox
from lab.netavark import NetavarkPodman
from lab.podman import IMAGE, Container, Podman
from narrator import Narrator

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Address

ROUNDS = 5
NAME = "web"
NETWORK = "example"
PARENT = "enp0s31f6"
CONFLIST = """\
{ "cniVersion": "0.4.0", "name": "example",
  "plugins": [ { "type": "macvlan", "master": "enp0s31f6", "ipam": { "type": "dhcp" } } ] }
"""


@unique
class Way(Enum):
    """How hooknet comes to the container, in words. PODMAN5: with Debian trixie's podman, whatever is here."""

    CNI = "hooknet comes in by CNI"
    NETAVARK = "hooknet comes in as netavark's driver"
    PODMAN5 = "hooknet comes in as netavark's driver, of a podman 5"
    NAMESPACE = "a plain network namespace plays the container; everything else is as real"


class Story(Protocol):
    """What the demo needs of a container. Each step shows the command that it is."""

    def network(self) -> None: ...
    def start(self) -> None: ...
    def show(self) -> None: ...
    def address(self) -> IPv4Address: ...
    def stop(self) -> None: ...
    def compare(self) -> None: ...


class PodmanStory:
    """Real podman, on the seed's conflist."""

    def __init__(self, narrator: Narrator, podman: Podman) -> None:
        self.narrator = narrator
        self.podman = podman
        self.container: Container | None = None

    def network(self) -> None:
        (self.podman.net_d / f"90-{NETWORK}.conflist").write_text(CONFLIST)
        self.narrator.say("conflist", CONFLIST)
        self.narrator.say(
            "", "as it stands in many a tutorial; hooknet's shims answer to the names macvlan and dhcp"
        )

    def start(self) -> None:
        self.narrator.typed(f"podman run -d --name {NAME} --network {NETWORK} {IMAGE} sleep 3600")
        self.container = self.podman.start(NAME, network=NETWORK)
        self.narrator.say("podman", self.container.id[:12])

    def show(self) -> None:
        assert self.container
        self.narrator.typed(f"podman exec {NAME} ip addr show eth0")
        self.narrator.say("container", self.container.exec("ip", "addr", "show", "eth0"))

    def address(self) -> IPv4Address:
        assert self.container
        return self.container.address()

    def stop(self) -> None:
        assert self.container
        self.narrator.typed(f"podman rm -f {NAME}")
        self.container.rm()

    def compare(self) -> None:
        """The seed's command, timed beside the same container without a network."""
        self.narrator.typed(f"podman run --rm --network {NETWORK} {IMAGE} ip addr show eth0")
        self.narrator.say("container", self.podman.run(network=NETWORK, command=IP_ADDR))
        with self.narrator.hush():
            runs = [(self.timed("none"), self.timed(NETWORK)) for _ in range(ROUNDS)]
        none, ours = (statistics.median(column) for column in zip(*runs, strict=True))
        self.narrator.say("clock", f"podman run --rm --network none       {none:4.0f} ms")
        self.narrator.say("clock", f"podman run --rm --network {NETWORK:<11}{ours:4.0f} ms")
        self.narrator.say(
            "clock", f"so the network, lease and release     {ours - none:4.0f} ms (medians of {ROUNDS} runs)"
        )

    def timed(self, network: str) -> float:
        return milliseconds(lambda: self.podman.run(network=network, command=["true"]))


class DriverStory(PodmanStory):
    """Real podman, on a network of netavark's with hooknet as its driver."""

    podman: NetavarkPodman

    def network(self) -> None:
        self.narrator.typed(f"podman network create -d hooknet -o parent={PARENT} {NETWORK}")
        self.podman.network(NETWORK, parent=PARENT)


class NamespaceStory:
    """A network namespace as the container, and hooknet's shim called as a CNI runtime calls it."""

    def __init__(self, narrator: Narrator, cni: Cni) -> None:
        self.narrator = narrator
        self.cni = cni
        conflist: dict[str, Any] = json.loads(CONFLIST)
        self.config = {
            "cniVersion": conflist["cniVersion"],
            "name": conflist["name"],
            **conflist["plugins"][0],
        }
        self.sandbox: Sandbox | None = None

    def network(self) -> None:
        self.narrator.say("conflist", CONFLIST)

    def start(self) -> None:
        self.sandbox = self.cni.sandbox()
        self.narrator.typed(f"ip netns add {self.sandbox.name}")
        self.narrator.typed(self.shim("ADD"))
        reply = self.cni.add(self.config, self.sandbox)
        self.narrator.say("shim", json.dumps(reply.output))

    def show(self) -> None:
        assert self.sandbox
        self.narrator.typed(f"ip netns exec {self.sandbox.name} ip addr show eth0")
        self.narrator.say("container", self.sandbox.ip("addr", "show", "eth0"))

    def address(self) -> IPv4Address:
        assert self.sandbox
        return self.sandbox.interfaces()[0].ip

    def stop(self) -> None:
        assert self.sandbox
        self.narrator.typed(self.shim("DEL"))
        self.cni.delete(self.config, self.sandbox)

    def compare(self) -> None:
        """The whole process that a runtime waits for, ADD and DEL."""
        with self.narrator.hush():
            runs = [self.timed() for _ in range(ROUNDS)]
        add, delete = (statistics.median(column) for column in zip(*runs, strict=True))
        self.narrator.say("clock", f"ADD, as a whole process  {add:4.0f} ms")
        self.narrator.say("clock", f"DEL, as a whole process  {delete:4.0f} ms (medians of {ROUNDS} runs)")

    def timed(self) -> tuple[float, float]:
        sandbox = self.cni.sandbox()
        return self.cni.add(self.config, sandbox).ms, self.cni.delete(self.config, sandbox).ms

    def shim(self, command: str) -> str:
        assert self.sandbox
        where = f"CNI_NETNS={self.sandbox.path} CNI_IFNAME=eth0 CNI_CONTAINERID={self.sandbox.container_id}"
        return f"CNI_COMMAND={command} {where} {self.cni.plugin(self.config['type'])} < example.conf"


IP_ADDR = ["ip", "addr", "show", "eth0"]


def milliseconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return (time.perf_counter() - began) * 1000
