"""What goes wrong on the main path is said clearly, with CNI's code, and leaves nothing behind.

Every refusal here is checked for the same three things: the code, words that a person can act on, and a namespace,
a host and a journal that look as if nothing had been asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Daemon, Host, Lab, Lan, eventually
from lab.cni import netconf
from lab.daemon import HOOKNET, START_WITHIN
from lab.process import run

from hooknet.errors import EXIT_OK, EXIT_UNHEALTHY, EXIT_USAGE

if TYPE_CHECKING:
    from lab.cni import Reply, Sandbox

HOW_TO_START = ("systemctl start hooknet", f"{HOOKNET} daemon")
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "NET_BIND_SERVICE")


def refused(reply: Reply, code: int, *words: str) -> dict[str, Any]:
    """The error says what, why and what to do: all of `words` are in it."""
    error = reply.error
    assert error["code"] == code, str(reply)
    said = f"{error['msg']} {error.get('details', '')}"
    assert [word for word in words if word not in said] == [], said
    return error


def nothing_left(host: Host, sandbox: Sandbox, links: set[str], daemon: Daemon | None = None) -> None:
    assert sandbox.links() == set()
    assert host.netns.links() == links
    assert daemon is None or daemon.leases() == []


# No daemon


def test_an_add_without_a_daemon_says_how_to_start_it(lan: Lan, host: Host) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(), sandbox), 11, "/run/hooknet/cni.sock", *HOW_TO_START)
    nothing_left(host, sandbox, links)


@dataclass(frozen=True)
class Form:
    """A way to write a network that hooknet leases for. shims: those of hooknet's that come before Debian's."""

    plugin: dict[str, Any]
    shims: tuple[str, ...]

    def prepare(self, host: Host) -> dict[str, Any]:
        """The host as this form needs it, and a runtime's configuration of the network."""
        host.shims_only(*self.shims)
        if self.plugin["type"] == "bridge":
            host.netns.ip("link", "add", "br0", "type", "bridge")
            host.netns.ip("link", "set", "br0", "up")
            host.netns.ip("link", "set", "host0", "master", "br0")
        host.conflist("lan", self.plugin)
        return {"cniVersion": "1.0.0", "name": "lan", **self.plugin}


HOOKNET_MAIN = Form({"type": "hooknet", "master": "host0"}, ("hooknet",))
DEBIAN_MACVLAN = Form({"type": "macvlan", "master": "host0", "ipam": {"type": "dhcp"}}, ("dhcp",))
DEBIAN_BRIDGE = Form({"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}}, ("hooknet",))
FORMS = pytest.mark.parametrize(
    "form",
    [
        pytest.param(HOOKNET_MAIN, id="hooknet"),
        pytest.param(DEBIAN_MACVLAN, id="our-dhcp-under-debians-macvlan"),
        pytest.param(DEBIAN_BRIDGE, id="our-ipam-under-a-bridge"),
    ],
)


@FORMS
def test_podman_shows_that_error_and_nothing_is_left_of_the_container(
    lan: Lan, host: Host, form: Form
) -> None:
    form.prepare(host)
    links, namespaces = host.netns.links(), network_namespaces()
    done = host.podman("run", "--rm", "--network=lan", "localhost/box", "true", check=False)
    assert done.returncode != 0
    assert [words for words in HOW_TO_START if words not in done.stderr] == [], done.stderr
    assert host.netns.links() == links
    assert network_namespaces() == namespaces
    daemon = host.daemon()
    daemon.start()
    assert daemon.leases() == lan.server.leases() == []


@FORMS
def test_what_a_main_plugin_leaves_without_a_daemon_goes_with_the_del_that_must_follow(
    lan: Lan, host: Host, form: Form
) -> None:
    """CNI spec, "ADD": after a failed ADD the runtime calls DEL. Of hooknet itself nothing is left even before."""
    network = form.prepare(host)
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", network, sandbox), 11, *HOW_TO_START)
    assert sandbox.addresses() == set()
    assert sandbox.links() == (set() if form is HOOKNET_MAIN else {"eth0"})
    host.cni.delete(network, sandbox)
    nothing_left(host, sandbox, links)


def network_namespaces() -> set[str]:
    return {path.name for path in Path("/run/netns").iterdir()}


def test_a_del_without_a_daemon_succeeds_and_is_made_good_later(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    daemon.stop()
    host.cni.delete(netconf(), sandbox)
    assert reply.interface.ip in lan.server.addresses()
    daemon.start()
    lan.server.wait_for_release(reply.interface.ip)
    eventually(lambda: daemon.leases() == [], what="the tombstone is collected")
    assert sandbox.links() == set()


# The parent


def test_a_parent_that_does_not_exist_is_named(host: Host, daemon: Daemon) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(master="enp9s9"), sandbox), 101, "enp9s9", "ip link shows the names")
    nothing_left(host, sandbox, links, daemon)


def test_a_parent_that_is_down_is_named_with_the_remedy(host: Host) -> None:
    daemon = impatient(host)
    host.netns.ip("link", "set", "host0", "down")
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(), sandbox), 101, "host0", "down", "ip link set host0 up")
    nothing_left(host, sandbox, links, daemon)


def test_a_parent_without_a_carrier_is_waited_for_and_then_named(lan: Lan, host: Host) -> None:
    daemon = impatient(host)
    lan.unplug()
    eventually(lambda: "LOWER_UP" not in host.netns.link("host0")["flags"])
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(), sandbox)
    refused(reply, 101, "host0", "carrier", "waited 1 s", "plug in the cable")
    nothing_left(host, sandbox, links, daemon)


def test_status_says_that_the_parent_has_no_carrier_while_containers_hang_on_it(lan: Lan, host: Host) -> None:
    daemon = host.daemon()
    daemon.start()
    sandbox = host.cni.sandbox()
    host.cni.add(netconf(), sandbox)
    assert daemon.hooknet("status").returncode == EXIT_OK
    lan.unplug()
    told = eventually(lambda: unhealthy(daemon), what="the daemon has noticed")
    assert "host0 up, no carrier, 1 attached" in told
    assert "the parent host0 has no carrier; 1 attached, cut off from the LAN" in told
    refused(host.cni.call("STATUS", netconf(version="1.1.0")), 51, "host0", "carrier", "cable")
    daemon.log.wait_for("DAEMON_DEGRADED.*host0 has no carrier")
    lan.replug()
    eventually(lambda: not unhealthy(daemon), what="all is well again")


def unhealthy(daemon: Daemon) -> str:
    """What `hooknet status` says while it exits 1; empty while all is well."""
    done = daemon.hooknet("status", check=False)
    return done.stdout if done.returncode == EXIT_UNHEALTHY else ""


def test_status_tells_a_parent_that_is_down_with_the_remedy(lan: Lan, host: Host, daemon: Daemon) -> None:
    host.cni.add(netconf(), host.cni.sandbox())
    host.netns.ip("link", "set", "host0", "down")
    eventually(lambda: "host0 is down" in unhealthy(daemon), what="the daemon has noticed")
    assert "ip link set host0 up" in unhealthy(daemon)


def test_an_interface_that_is_there_already_is_left_alone(lan: Lan, host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    first = host.cni.add(netconf(), sandbox)
    other = {**netconf(), "name": "other"}
    refused(host.cni.call("ADD", other, sandbox), 102, "eth0")
    assert sandbox.interfaces() == [first.interface]
    assert len(daemon.leases()) == 1


# The server


def impatient(host: Host) -> Daemon:
    """A daemon that gives up after a second, where the default is ten."""
    daemon = host.daemon(config="[network.lan]\ntimeout = 1\n")
    daemon.start()
    return daemon


def test_without_a_server_an_add_gives_up_at_the_configured_deadline(lab: Lab) -> None:
    host = lab.host(lab.lan())
    daemon = impatient(host)
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(), sandbox)
    refused(reply, 11, "DHCP", "host0", "within 1 s")
    assert 1000 <= reply.ms < 3000
    nothing_left(host, sandbox, links, daemon)


@pytest.mark.long
def test_the_default_deadline_is_ten_seconds(lab: Lab) -> None:
    host = lab.host(lab.lan())
    daemon = host.daemon()
    daemon.start()
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(), sandbox)
    refused(reply, 11, "DHCP", "host0")
    assert 10_000 <= reply.ms < 12_000
    nothing_left(host, sandbox, links, daemon)


def test_the_deadline_may_stand_in_the_conflist(lab: Lab) -> None:
    host = lab.host(lab.lan())
    daemon = host.daemon()
    daemon.start()
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(timeout=1), sandbox)
    refused(reply, 11, "DHCP", "host0")
    assert 1000 <= reply.ms < 3000
    nothing_left(host, sandbox, links, daemon)


# The log


@pytest.mark.parametrize(
    ("asked", "code"), [({"master": "enp9s9"}, 101), ({"timeout": 1}, 11)], ids=["no parent", "no server"]
)
def test_a_refused_add_is_one_line_in_the_log(lab: Lab, asked: dict[str, Any], code: int) -> None:
    host = lab.host(lab.lan())
    daemon = laconic(host)
    sandbox = host.cni.sandbox()
    refused(host.cni.call("ADD", netconf(**asked), sandbox), code)
    [line] = daemon_warnings(daemon)
    assert (line["id"], line["container"], line["code"]) == ("ADD_FAILED", sandbox.name, code)
    assert line["container_id"] == sandbox.container_id
    assert line["ms"] > 0


def test_a_request_that_can_not_be_understood_is_one_line_too(host: Host) -> None:
    daemon = laconic(host)
    sandbox = host.cni.sandbox()
    refused(host.cni.call("ADD", "{", sandbox), 6)
    [line] = daemon_warnings(daemon)
    assert (line["id"], line["container_id"], line["code"]) == ("CNI_FAILED", sandbox.container_id, 6)


def laconic(host: Host) -> Daemon:
    """A daemon that has nothing to say about podman."""
    daemon = host.daemon(arguments=["--log-format=json", "--podman-url="])
    daemon.start()
    return daemon


def daemon_warnings(daemon: Daemon) -> list[dict[str, Any]]:
    """What it has said at warning or above until its polite end."""
    daemon.stop()
    lines = [json.loads(line) for line in daemon.log.text().splitlines()]
    return [line for line in lines if line["level"] not in {"debug", "info"}]


# The caller


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("{", "line 1 column 2"),
        ("[]", "it is an array"),
        ('"text"', "it is a string"),
        ('{"cniVersion": "1.0.0", "name": ', "line 1 column 33"),
    ],
)
def test_undecodable_json_is_code_6(host: Host, daemon: Daemon, text: str, why: str) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", text, sandbox)
    refused(reply, 6, "the network configuration on stdin can't be decoded", why, "it must be a JSON object")
    nothing_left(host, sandbox, links, daemon)


def test_a_netns_that_does_not_exist_is_named(host: Host, daemon: Daemon) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(), sandbox, env={"CNI_NETNS": "/run/netns/nowhere"})
    refused(reply, 8, "/run/netns/nowhere")
    nothing_left(host, sandbox, links, daemon)


def test_a_netns_that_is_a_file_is_refused(host: Host, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "netns"
    file.touch()
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(), sandbox, env={"CNI_NETNS": str(file)}), 8, str(file))
    nothing_left(host, sandbox, links, daemon)


def test_the_daemons_own_netns_is_refused(host: Host, daemon: Daemon) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    reply = host.cni.call("ADD", netconf(), sandbox, env={"CNI_NETNS": str(host.netns.path)})
    refused(reply, 8, str(host.netns.path), "not --network host")
    nothing_left(host, sandbox, links, daemon)


@pytest.mark.parametrize("variable", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"])
def test_a_missing_variable_is_named(host: Host, daemon: Daemon, variable: str) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(), sandbox, env={variable: None}), 4, variable)
    nothing_left(host, sandbox, links, daemon)


def test_a_version_that_nobody_knows_is_code_1(host: Host, daemon: Daemon) -> None:
    sandbox, links = host.cni.sandbox(), host.netns.links()
    refused(host.cni.call("ADD", netconf(version="9.9.9"), sandbox), 1, "9.9.9")
    nothing_left(host, sandbox, links, daemon)


def test_a_del_for_a_netns_that_is_gone_gives_the_lease_back_all_the_same(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    sandbox = host.cni.sandbox()
    reply = host.cni.add(netconf(), sandbox)
    sandbox.delete()
    host.cni.delete(netconf(), sandbox)
    lan.server.wait_for_release(reply.interface.ip)
    assert daemon.leases() == []


def test_a_del_of_what_was_never_added_succeeds_twice(host: Host, daemon: Daemon) -> None:
    sandbox = host.cni.sandbox()
    host.cni.delete(netconf(), sandbox)
    host.cni.delete(netconf(), sandbox)


# The configuration


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[daemon]\nlog_levle = 'info'\n", ("log_levle", "log_level")),
        ("[deamon]\n", ("deamon", "daemon")),
        ("[network.lan]\nadc = 'strict'\n", ("[network.lan]", "adc", "acd")),
        ("[network.lan]\ntimeout = 'soon'\n", ("timeout", "soon")),
        ("[daemon\n", ("TOML",)),
    ],
)
def test_a_mistake_in_hooknet_toml_stops_the_daemon_and_is_named(
    host: Host, text: str, words: tuple[str, ...]
) -> None:
    daemon = host.daemon(config=text)
    daemon_says_and_ends(daemon, "hooknet.toml", *words)


def test_a_daemon_that_could_not_start_says_why_and_nothing_of_leases_that_it_never_held(host: Host) -> None:
    daemon = host.daemon(run_dir=Path("/proc/nowhere"))
    daemon_says_and_ends(daemon, "can't make the folder /proc/nowhere", "namei -l /proc/nowhere")
    assert "DAEMON_STOP" not in daemon.log.text()


def daemon_says_and_ends(daemon: Daemon, *words: str) -> None:
    with pytest.raises(RuntimeError, match="ended"):
        daemon.start()
    assert daemon.wait() != 0
    said = daemon.log.text()
    assert [word for word in words if word not in said] == [], said
    assert "Traceback" not in said


# Not root


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_the_daemon_says_which_capability_it_lacks(host: Host, capability: str) -> None:
    without = f"-{capability.lower()}"
    command = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", "--", HOOKNET, "daemon"]
    done = run([*host.netns.enter, *command], check=False, timeout=START_WITHIN)
    assert done.returncode != 0
    assert f"CAP_{capability}" in done.stderr
    assert [other for other in CAPABILITIES if other != capability and f"CAP_{other}" in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_without_any_capability_the_daemon_names_them_all(host: Host) -> None:
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", HOOKNET, "daemon"]
    done = run([*host.netns.enter, *command], check=False, timeout=START_WITHIN)
    assert done.returncode == EXIT_USAGE
    assert [name for name in CAPABILITIES if f"CAP_{name}" not in done.stderr] == []


def test_who_is_not_root_hears_of_capabilities_and_not_of_files_that_only_root_may_read(
    host: Host, tmp_path: Path
) -> None:
    folder = tmp_path / "hooknet"
    folder.mkdir(mode=0o700)
    config = folder / "hooknet.toml"
    config.touch(mode=0o600)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    done = run([*host.netns.enter, *nobody, HOOKNET, "daemon", f"--config={config}"], check=False)
    assert done.returncode == EXIT_USAGE
    assert [name for name in CAPABILITIES if f"CAP_{name}" not in done.stderr] == []
    assert "run it as root" in done.stderr
    assert "Permission denied" not in done.stderr
