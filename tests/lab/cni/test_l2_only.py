"""L2 only: hooknet makes the interface and knows of it; the image's own DHCP client leases the address."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING, Any

import pytest
from lab import eventually
from lab.cni import netconf
from lab.package import make_wheel, pip_install

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Daemon, Host, Lan

PINNED = "02:00:5e:10:00:01"
CLIENT = """\
cat > /tmp/bound <<'END'
[ "$1" = bound ] && ip address add $ip/$mask dev $interface && ip route add default via $router
END
chmod +x /tmp/bound
udhcpc -n -q -i eth0 -s /tmp/bound && exec sleep 3600
"""
WITNESS = """
import json, os
import hooknet

def write(hook, **seen):
    with open(os.environ["WITNESS"], "a") as file:
        file.write(json.dumps({"hook": hook, **seen}) + "\\n")

@hooknet.hookimpl
def pre_lease(attachment, request):
    write("pre_lease", container=attachment.container_name, mac=request.mac)

@hooknet.hookimpl
def post_lease(attachment, lease, reason, previous):
    write("post_lease", address=str(lease.address))

@hooknet.hookimpl
def release(attachment, lease, reason):
    write("release", address=str(lease.address))
"""


@pytest.mark.parametrize(
    "plugin",
    [
        {"type": "hooknet", "master": "host0", "ipam": {}},
        {"type": "macvlan", "master": "host0"},
    ],
    ids=["hooknet", "macvlan without ipam"],
)
def test_a_container_leases_by_its_own_client(
    lan: Lan, host: Host, tmp_path: Path, plugin: dict[str, Any]
) -> None:
    diary = tmp_path / "diary"
    installed = pip_install(make_wheel(tmp_path, "witness", WITNESS), tmp_path / "site")
    daemon = host.following_daemon(
        env={"PYTHONPATH": search_path(installed), "WITNESS": str(diary)}, writable=[tmp_path]
    )
    daemon.start()
    host.conflist("plain", plugin)
    container = host.podman.start(
        "own",
        "--cap-add=NET_ADMIN,NET_RAW",
        f"--mac-address={PINNED}",
        network="plain",
        command=("sh", "-c", CLIENT),
    )
    eventually(lambda: "inet " in container.exec("ip", "-4", "address", "show", "eth0"), what="a lease")
    lease = lan.server.lease_of(container.address())
    assert lease is not None
    assert lease.mac == PINNED
    container.exec("ping", "-c1", "-W2", str(lan.address(1)))

    [shown] = daemon.leases()
    known = {key: shown[key] for key in ("container", "network", "address", "state", "mac", "phase")}
    assert known == {
        "container": "own",
        "network": "plain",
        "address": None,
        "state": "L2",
        "mac": PINNED,
        "phase": "REPLIED",
    }
    assert "own" in daemon.hooknet("leases").stdout
    daemon.hooknet("reconcile")
    assert len(daemon.leases()) == 1

    container.rm()
    assert daemon.leases() == []
    assert [json.loads(line) for line in diary.read_text().splitlines()] == [
        {"hook": "pre_lease", "container": "own", "mac": PINNED}
    ], "no lease is ours: neither post_lease nor release"
    events = [json.loads(line) for line in daemon.hooknet("events", "--format", "json").stdout.splitlines()]
    ours = [(e["kind"], e.get("address")) for e in events if e.get("container") == "own"]
    assert [event for event in ours if event[0] in {"add", "del", "lease", "release", "dhcp"}] == [
        ("add", None),
        ("del", None),
    ]
    assert lan.server.leases(), "the lease was the container's own: it did not release it"


def search_path(installed: Path) -> str:
    """Where the daemon finds the plugin, before what this run uses already."""
    import os

    return ":".join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))


def test_the_result_has_an_interface_and_no_address(lan: Lan, host: Host, daemon: Daemon) -> None:
    config, sandbox = netconf(ipam={}, dns={"nameservers": ["192.0.2.53"]}), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    assert added.output == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": sandbox.mac(), "sandbox": str(sandbox.path)}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    assert sandbox.interfaces() == []
    assert "UP" in sandbox.link()["flags"]
    assert host.cni.check(config, sandbox, added).code == 0
    sandbox.ip("address", "add", "192.0.2.7/24", "dev", "eth0")
    assert host.cni.check(config, sandbox, added).code == 0, "what the container sets is its own business"
    sandbox.ip("link", "delete", "eth0")
    assert host.cni.check(config, sandbox, added).error["code"] == 103
    host.cni.delete(config, sandbox)
    assert daemon.leases() == []


def test_the_attachment_outlives_the_daemon_and_the_containers_address_too(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    config, sandbox = netconf(ipam={}), host.cni.sandbox()
    added = host.cni.add(config, sandbox)
    sandbox.ip("address", "add", "192.0.2.7/24", "dev", "eth0")
    daemon.crash()
    daemon.hooknet("reconcile")
    [shown] = daemon.leases()
    assert (shown["container"], shown["state"], shown["address"]) == (sandbox.name, "L2", None)
    assert host.cni.check(config, sandbox, added).code == 0
    assert sandbox.interfaces() == [IPv4Interface("192.0.2.7/24")]
    host.cni.delete(config, sandbox)
    assert sandbox.links() == set()
    assert daemon.leases() == []
