"""What a verb needs and is not there: the server, the daemon, the netns, root."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.cni import netconf

if TYPE_CHECKING:
    import subprocess

    from lab import Daemon, Host, Lan, Sandbox

NOBODY = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--"]
ROOTLESS = [*NOBODY, "unshare", "--user", "--map-root-user", "--"]


# The server


def test_a_dead_server_is_no_reason_for_del_to_fail_or_to_wait(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    lan.server.stop()
    assert host.cni.check(netconf(), sandbox, added).code == 0, "the lease is held all the same"
    gone = host.cni.delete(netconf(), sandbox)
    assert gone.ms < 2000
    assert sandbox.links() == set()
    assert daemon.leases() == []


# The daemon


def test_a_check_without_a_daemon_fails_and_the_address_stays(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    daemon.kill()
    error = host.cni.check(netconf(), sandbox, added).error
    assert error["code"] == 11
    assert "daemon" in error["msg"]
    assert "systemctl start hooknet" in error["details"]
    assert sandbox.interfaces() == [added.interface]
    daemon.start()
    assert host.cni.check(netconf(), sandbox, added).code == 0


def test_a_del_whose_netns_vanishes_before_the_daemon_is_back(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    daemon.kill()
    host.cni.delete(netconf(), sandbox)
    sandbox.delete()
    daemon.start()
    lan.server.wait_for_release(added.interface.ip)
    assert daemon.leases() == []


def test_a_del_without_a_daemon_is_done_before_the_next_add_of_the_name(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """The same container again, in a netns of its own: the late DEL is its predecessor's."""
    first = host.cni.sandbox()
    args = "IgnoreUnknown=1;K8S_POD_NAME=web"
    before = host.cni.add(netconf(), first, args=args).interface
    daemon.kill()
    host.cni.delete(netconf(), first)
    daemon.start()
    second = host.cni.sandbox()
    after = host.cni.add(netconf(), second, args=args).interface
    assert after == before
    eventually(lambda: first.links() == set(), what="the predecessor's link is gone")
    assert second.interfaces() == [after]
    assert lan.server.addresses() == {after.ip}


# The netns


def test_the_daemons_own_netns_is_taken_where_the_runtime_insists(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    """CNI_NETNS_OVERRIDE: the host itself may have an address on the LAN that way."""
    env = {"CNI_NETNS": str(host.netns.path), "CNI_NETNS_OVERRIDE": "1"}
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox, ifname="mv0", env=env)
    assert host.netns.interfaces("mv0") == [added.interface]
    assert added.interface.ip in lan.server.addresses()
    assert host.cni.check(netconf(), sandbox, added, ifname="mv0", env=env).code == 0
    host.cni.delete(netconf(), sandbox, ifname="mv0", env=env)
    lan.server.wait_for_release(added.interface.ip)
    assert host.netns.links() == {"host0"}


@pytest.mark.parametrize("netns", ["/run/netns/nowhere", None])
def test_del_needs_no_netns(lan: Lan, host: Host, daemon: Daemon, netns: str | None) -> None:
    sandbox = host.cni.sandbox()
    added = host.cni.add(netconf(), sandbox)
    host.cni.delete(netconf(), sandbox, env={"CNI_NETNS": netns})
    lan.server.wait_for_release(added.interface.ip)
    assert daemon.leases() == []


# Root


def shim(host: Host, sandbox: Sandbox, verb: str, prefix: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the shim as somebody else would; the environment is CNI's."""
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": sandbox.container_id,
        "CNI_NETNS": str(sandbox.path),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": ":".join(map(str, host.plugin_dirs)),
        "PATH": os.environ["PATH"],
    }
    command = [*prefix, str(host.cni.plugin("hooknet"))]
    return host.netns.run(*command, env=env, stdin=json.dumps(netconf()), check=False)


@pytest.mark.parametrize("prefix", [NOBODY, ROOTLESS], ids=["an ordinary user", "root of a user namespace"])
def test_rootless_callers_are_told_what_they_can_have_instead(
    lan: Lan, host: Host, daemon: Daemon, prefix: list[str]
) -> None:
    sandbox = host.cni.sandbox()
    done = shim(host, sandbox, "ADD", prefix)
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 105)
    assert "rootless" in error["msg"]
    assert "sudo podman run" in error["details"]
    assert "publish ports" in error["details"]
    assert shim(host, sandbox, "DEL", prefix).returncode == 0
    assert sandbox.links() == set()
    assert lan.server.leases() == daemon.leases() == []


def test_a_socket_that_is_open_to_all_still_serves_root_only(lan: Lan, host: Host, daemon: Daemon) -> None:
    """SO_PEERCRED, for the day on which somebody changes the mode of the socket."""
    daemon.cni_socket.chmod(0o666)
    sandbox = host.cni.sandbox()
    error = json.loads(shim(host, sandbox, "ADD", NOBODY).stdout)
    assert error["code"] == 107
    assert "root" in error["msg"]
    assert "uid 1000" in error["details"]
    assert sandbox.links() == set()
