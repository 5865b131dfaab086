"""Calls as netavark makes them (written down from podman 5.4.2), and a lifecycle that records them."""

import json

from cni_world import FakeLifecycle as CniLifecycle

from hooknet.cni.envelope import Envelope, encode_request

CONTAINER = "3b894d0107b3" + "a" * 52
NETNS = "/run/netns/netns-3a409099-c33f-3e2b-a7dd-1ec016cdfe0d"
NETWORK = {
    "name": "lan",
    "id": "cd64b0f8112ba5aae6e13ed565b673feea65a5ec8d44d40c08b9c0efb97e12b8",
    "driver": "hooknet",
    "created": "2026-01-02T03:04:05.6Z",
    "ipv6_enabled": False,
    "internal": False,
    "dns_enabled": True,
    "options": {"parent": "eth0"},
    "ipam_options": {},
}


class FakeLifecycle(CniLifecycle):
    """`held`: what `find` knows, by MAC or by interface name within a netns."""

    def __init__(self):
        super().__init__()
        self.held = {}

    async def require_parent(self, name, mtu):
        await self._do("require_parent", (name, mtu))

    async def parent_below(self, netns, ifname):
        await self._do("parent_below", (netns, ifname))
        return "eno7"

    def find(self, netns, mac, ifname):
        return self.held.get((netns, mac)) or self.held.get((netns, ifname))


def network(**changes):
    return NETWORK | changes


def setup_document(*, network_options=None, **changes):
    """What setup and teardown get; `changes` are the network's."""
    return {
        "container_id": CONTAINER,
        "container_name": "web",
        "port_mappings": [],
        "network": network(dns_enabled=False, ipam_options={"driver": "dhcp"}) | changes,
        "network_options": {
            "aliases": [CONTAINER[:12]],
            "interface_name": "eth0",
            "static_ips": None,
            "static_mac": None,
            "options": None,
        }
        | (network_options or {}),
    }


def envelope(verb, document, *words):
    words = words or ((NETNS,) if verb in {"setup", "teardown"} else ())
    stdin = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Envelope(("hooknet", verb, *words), {}, stdin)


def raw(verb, document, *words):
    called = envelope(verb, document, *words)
    return encode_request(called.args, called.env, called.stdin)
