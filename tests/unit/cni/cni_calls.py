"""Requests as runtimes send them."""

import json

from hooknet.cni.request import parse
from hooknet.errors import HooknetError

CONTAINER = "c0ffee" + "0" * 58
NETNS = "/run/netns/netns-1"
ENV = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": CONTAINER,
    "CNI_NETNS": NETNS,
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/opt/hooknet/cni:/usr/lib/cni",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web",
}
SEED = {
    "cniVersion": "0.4.0",
    "name": "example",
    "type": "macvlan",
    "master": "enp0s31f6",
    "ipam": {"type": "dhcp"},
}
OURS = {"cniVersion": "1.0.0", "name": "lan", "type": "hooknet", "master": "eth0"}


def env(verb="ADD", **changes):
    """The environment of a call; a change to None takes a variable away."""
    merged = ENV | {"CNI_COMMAND": verb} | {f"CNI_{key.upper()}": value for key, value in changes.items()}
    return {key: value for key, value in merged.items() if value is not None}


def request(config=None, *, plugin="hooknet", verb="ADD", environment=None, **changes):
    """Parse a call with `changes` to the configuration; a change to None takes a key away."""
    merged = (config if config is not None else OURS) | changes
    document = {key: value for key, value in merged.items() if value is not None}
    return parse(plugin, environment or env(verb), json.dumps(document).encode())


def conf(config=None, *, plugin="hooknet", **changes):
    return request(config, plugin=plugin, **changes).wanted


def code_or_none(work, *args):
    """CNI's code of the HooknetError that `work` raises, None when it succeeds. Any other exception passes."""
    try:
        work(*args)
    except HooknetError as error:
        return error.code
    return None
