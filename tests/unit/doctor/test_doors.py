"""Which of the two doors of netavark is open."""

import json

import pytest
from doctor_host import DAEMON, UNIT

from hooknet.doctor.checks import CHECKS
from hooknet.doctor.findings import Verdict
from hooknet.doctor.host import Line, Ran
from hooknet.install import units
from hooknet.shim.install import Choices, text

PROXY_SOCKET = "/run/podman/nv-proxy.sock"
THEIRS = "netavark-dhcp-proxy.socket"
PROXIED = {
    "name": "old",
    "id": "0",
    "driver": "macvlan",
    "network_interface": "eth0",
    "ipam_options": {"driver": "dhcp"},
}


@pytest.fixture
def said(host):
    """What the doctor says of netavark, good news included."""
    host.answers["podman info"] = Ran(0, "netavark\n")
    host.lines[PROXY_SOCKET] = Line.MISSING
    check = next(check for check in CHECKS if check.name == "backend")
    return lambda: " ".join(found.what for found in check.look(host, ()))


@pytest.fixture
def driver(host):
    host.write(
        "usr/local/libexec/netavark/hooknet",
        text(Choices(daemon=DAEMON)),
        0o755,
    )


def use_our_socket(host, **changed):
    host.write(str(units.FOLDER / units.NETAVARK_SOCKET))
    host.systemd[units.NETAVARK_SOCKET] = {**UNIT, **changed}


def use_proxy_by_configuration(host):
    host.write("/etc/hooknet/hooknet.toml", "[netavark]\nproxy = true\n")
    host.lines[PROXY_SOCKET] = Line.SERVED


def test_the_driver_alone_leaves_netavarks_proxy_where_it_is(host, said, driver):
    host.systemd[THEIRS] = UNIT
    assert "finds hooknet among its drivers" in said()
    assert "netavark's own dhcp-proxy serves" in said()


@pytest.mark.parametrize("open_door", [use_our_socket, use_proxy_by_configuration])
def test_the_proxys_door_is_open_by_systemd_or_by_configuration(host, said, findings, open_door):
    open_door(host)
    assert "hooknet serves networks that" in said()
    assert findings("backend") == []


def test_a_socket_unit_that_does_not_listen_opens_no_door(host, said, findings, driver):
    use_our_socket(host, ActiveState="inactive")
    assert "serves networks that" not in said()
    [found] = findings("units")
    assert "systemctl start hooknet-netavark.socket" in found.todo


def test_nobody_at_the_door_is_a_problem_where_a_network_knocks(host, said, findings, driver):
    assert findings("backend") == []
    host.write("etc/containers/networks/old.json", json.dumps(PROXIED))
    [found] = findings("backend")
    assert found.verdict is Verdict.PROBLEM
    assert found.what.endswith("need: old")
    assert "hooknet install --netavark" in found.todo


def test_a_proxy_of_a_daemon_that_does_not_run_yet_is_told_to_be_started(host, said, findings, driver):
    use_proxy_by_configuration(host)
    host.lines[PROXY_SOCKET] = Line.MISSING
    host.write("etc/containers/networks/old.json", json.dumps(PROXIED))
    assert [found.todo for found in findings("backend")] == ["systemctl start hooknet.service"]


@pytest.mark.parametrize("changed", [{"ActiveState": "inactive"}, {"UnitFileState": "disabled"}])
def test_netavarks_proxy_that_came_back_beside_ours(host, findings, changed):
    use_our_socket(host)
    assert findings("units") == []
    host.systemd[THEIRS] = {**UNIT, **changed}
    [found] = findings("units")
    assert found.verdict is Verdict.PROBLEM
    assert found.todo == f"systemctl disable --now {THEIRS}, and then: hooknet install --netavark"


def test_a_broken_configuration_opens_no_door(host, said):
    host.write("/etc/hooknet/hooknet.toml", "[netavark")
    assert "runs no CNI plugins" in said()


def test_a_driver_that_lost_its_daemon_is_told(host, findings, driver):
    (host.tree / "opt/hooknet/bin/hooknet").unlink()
    assert {found.what for found in findings("shims")} >= {
        f"the daemon of /usr/local/libexec/netavark/hooknet is missing: {DAEMON}"
    }


def test_where_podman_has_no_directory_for_cni_the_driver_is_enough(host, findings, driver):
    (host.tree / "usr/local/libexec/cni/hooknet").unlink()
    assert [found.todo for found in findings("shims")] == ["hooknet install"]
    host.write("etc/containers/containers.conf", "[network]\ncni_plugin_dirs = []\n")
    assert findings("shims") == []


def test_a_configured_proxy_that_netavarks_keeps_out(host, findings):
    use_proxy_by_configuration(host)
    host.systemd[THEIRS] = UNIT
    [found] = findings("units")
    assert found.todo == f"systemctl disable --now {THEIRS}, and then: systemctl restart hooknet.service"
