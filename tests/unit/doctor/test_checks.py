"""Every check sees what it is there for, says what to do, and is silent when all is well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doctor_host import UNIT

from hooknet.doctor.checks import CHECKS, Check, examine
from hooknet.doctor.findings import Verdict, ok
from hooknet.doctor.host import Line, Ran, Servers
from hooknet.doctor.networks import Place
from hooknet.errors import HooknetError, Kind
from hooknet.shim.install import Choices, text

ROOT = Path(__file__).parents[3]
SHIM = "usr/local/libexec/cni/hooknet"


def test_a_host_where_all_is_well_has_nothing_to_hear(findings):
    assert findings() == []


def test_every_check_says_that_all_is_well_or_has_nothing_to_do_with_it(host):
    said = {check.name for check, found in examine(host, [Place("eth0")]) if found}
    assert {check.name for check in CHECKS} - said == {"rootless", "networks", "reference"}


def test_every_check_is_documented_and_no_other():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    part = page.split("\n## hooknet doctor\n")[1].split("\n## ")[0].split("| check |")[1]
    assert [line.split("`")[1] for line in part.splitlines() if line.startswith("| `")] == [
        check.name for check in CHECKS
    ]


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(host, monkeypatch):
    def broken(_host, _names):
        raise ZeroDivisionError

    def refused(_host, _names):
        raise HooknetError(Kind.IO, "no")

    checks = (Check("a", "", broken), Check("b", "", refused), Check("c", "", lambda _h, _n: [ok("fine")]))
    monkeypatch.setattr("hooknet.doctor.checks.CHECKS", checks)
    [[first], [second], [third]] = [found for _, found in examine(host, [])]
    assert "ZeroDivisionError" in first.what
    assert (second.what, second.todo) == ("no", "run it as root")
    assert third.verdict is Verdict.OK


# podman


def test_without_root_rootless_podman_is_told_what_it_can_not_have(host, findings):
    host.uid = 1000
    [found] = findings("rootless")
    assert found.verdict is Verdict.PROBLEM
    assert "sudo podman run" in found.todo
    assert [one.verdict for one in findings("backend")] == [Verdict.SKIPPED]


def test_no_podman(host, findings):
    del host.answers["podman --version"]
    [found] = findings("podman")
    assert "apt install podman" in found.todo


def test_a_podman_that_fails_is_told_in_its_own_words(host, findings):
    host.answers["podman --version"] = Ran(1, "", "warning\nError: cannot resolve /nonexistent\n")
    [found] = findings("podman")
    assert (found.verdict, found.why) == (Verdict.PROBLEM, "Error: cannot resolve /nonexistent")
    assert "apt install" not in found.todo


def test_a_configuration_that_stops_podman_4(host, findings):
    host.write("etc/containers/containers.conf", "[network]\ncni_plugin_dirs = [{append=true}]\n")
    [found] = findings("podman")
    assert "append=true" in found.what
    host.answers["podman --version"] = Ran(1, "", "incompatible types\n")
    assert "append=true" in findings("podman")[0].what
    host.answers["podman --version"] = Ran(0, "podman version 5.4.2\n")
    assert findings("podman") == []


def test_a_variable_that_hides_the_configuration(host, findings):
    host.environ["CONTAINERS_CONF"] = "/srv/x.conf"
    assert any("CONTAINERS_CONF" in found.what for found in findings("podman"))


def test_netavark_without_our_driver(host, findings):
    host.answers["podman info"] = Ran(0, "netavark\n")
    [found] = findings("backend")
    assert found.verdict is Verdict.PROBLEM
    assert "hooknet install --netavark" in found.todo


def test_netavark_with_our_driver_is_fine(host, findings):
    host.answers["podman info"] = Ran(0, "netavark\n")
    host.write(
        "usr/local/libexec/netavark/hooknet", text(Choices(daemon=Path("/opt/hooknet/bin/hooknet"))), 0o755
    )
    assert findings("backend") == []


def test_a_podman_that_does_not_tell_its_back_end(host, findings):
    host.answers["podman info"] = Ran(125, "", "warning\nError: no disk\n")
    [found] = findings("backend")
    assert found.why == "Error: no disk"


@pytest.mark.parametrize("line", [Line.MISSING, Line.DEAD])
def test_a_podman_socket_that_nobody_serves(host, findings, line):
    host.lines["/run/podman/podman.sock"] = line
    [found] = findings("events")
    assert found.verdict is Verdict.NOTE
    assert "podman.socket" in found.todo


# plugins


def test_no_plugin_where_podman_looks(host, findings):
    (host.tree / SHIM).unlink()
    [found] = findings("shims")
    assert found.todo == "hooknet install"


def test_a_plugin_that_is_not_hooknets(host, findings):
    host.write(SHIM, "#!/bin/sh\n", 0o755)
    [found] = findings("shims")
    assert "is not hooknet's" in found.what


@pytest.mark.parametrize(
    ("path", "what"), [("opt/hooknet/bin/hooknet", "daemon"), ("usr/bin/python3", "interpreter")]
)
def test_a_plugin_whose_daemon_or_interpreter_is_gone(host, findings, path, what):
    (host.tree / path).unlink()
    assert [found.what.split(" of ")[0] for found in findings("shims")] == [f"the {what}"]


@pytest.mark.parametrize("ran", [Ran(1, ""), Ran(0, "no json"), Ran(0, "[]")])
def test_a_plugin_that_does_not_run(host, findings, ran):
    host.answers["/"] = ran
    [found] = findings("shims")
    assert "does not run" in found.what


def test_a_plugin_whose_python_was_upgraded(host, findings):
    host.answers["/usr/bin/python3 -IS -c"] = Ran(0, "cpython-399-00000000")
    [found] = findings("shims")
    assert (found.verdict, found.what) == (Verdict.NOTE, f"/{SHIM} compiles its text at every call")


def test_a_plugin_that_was_changed_by_hand(host, findings):
    host.write(SHIM, (host.tree / SHIM).read_text().replace("LIMIT = 1 << 20", "LIMIT = 1 << 21"), 0o755)
    [found] = findings("shims")
    assert "compiles its text at every call" in found.what


def test_drop_ins_that_another_directory_hides(host, findings):
    host.write(
        "var/lib/hooknet/install.json",
        json.dumps({"format": 1, "drop_in": True, "directories": [], "stopped": []}),
    )
    host.write("usr/lib/cni/macvlan", "\x7fELF", 0o755)
    assert [found.what for found in findings("shims")] == [
        "podman takes the CNI plugin macvlan from /usr/lib/cni/macvlan, not from hooknet",
        "podman takes the CNI plugin dhcp from nowhere, not from hooknet",
    ]


# service


def test_units_that_are_not_there(host, findings):
    host.systemd = {}
    host.lines["/run/hooknet/cni.sock"] = Line.MISSING
    [found] = findings("units")
    assert found.what == "systemd has no hooknet.socket, hooknet-control.socket, hooknet.service"
    assert [found.todo, *(one.todo for one in findings("daemon"))] == ["hooknet install"] * 2


@pytest.mark.parametrize(
    ("changed", "todo"),
    [
        ({"socket": {"ActiveState": "failed"}}, "systemctl start hooknet.socket"),
        ({"control": {"UnitFileState": "disabled"}}, "systemctl enable hooknet-control.socket"),
        ({"service": {"UnitFileState": "disabled"}}, "systemctl enable hooknet.service"),
        (
            {"service": {"ActiveState": "activating", "SubState": "auto-restart"}},
            "journalctl -u hooknet.service",
        ),
    ],
)
def test_units_that_do_badly(host, findings, changed, todo):
    host.use_systemd(**changed)
    [found] = findings("units")
    assert todo in found.todo


def test_a_daemon_that_does_not_come_up_is_not_waited_for(host, findings):
    host.use_systemd(service={"ActiveState": "activating", "SubState": "start"})
    [found] = findings("daemon")
    assert "hooknet.service is activating" in found.what
    assert "status" not in host.asked


def test_what_the_daemon_says_of_podmans_socket_is_not_said_twice(host, findings):
    host.lines["/run/podman/podman.sock"] = Line.MISSING
    said = {
        "what": "podman's events at unix:///run/podman/podman.sock are not followed",
        "why": "",
        "todo": "x",
    }
    host.daemon = {**host.daemon, "problems": [said]}
    assert [found.what for found in findings()] == [said["what"]]


def test_without_systemd_it_can_not_be_told(host, findings):
    host.systemd = None
    assert [found.verdict for found in findings("units")] == [Verdict.SKIPPED]


def test_a_daemon_that_waits_to_be_called_is_left_asleep(host, findings):
    host.use_systemd(service={"ActiveState": "inactive"})
    assert findings("daemon") == []
    assert "status" not in host.asked


@pytest.mark.parametrize("line", [Line.MISSING, Line.DEAD])
def test_no_daemon(host, findings, line):
    host.lines["/run/hooknet/cni.sock"] = line
    [found] = findings("daemon")
    assert found.todo == "systemctl start hooknet.socket"


def test_without_systemd_nobody_is_sent_to_it(host, findings):
    host.systemd = None
    host.lines = {"/run/hooknet/cni.sock": Line.MISSING, "/run/podman/podman.sock": Line.MISSING}
    assert [found.todo for found in findings("daemon")] == ["start it: hooknet daemon"]
    assert [found.todo for found in findings("events")] == [
        "podman system service -t 0 unix:///run/podman/podman.sock"
    ]


def test_a_daemon_that_can_not_be_asked(host, findings):
    host.daemon = HooknetError(Kind.TRY_LATER, "can't reach it", hint="start it")
    [found] = findings("daemon")
    assert (found.what, found.todo) == ("can't reach it", "start it")


def test_a_daemon_that_is_not_healthy(host, findings):
    host.daemon = {
        **host.daemon,
        "healthy": False,
        "problems": [{"what": "no room", "why": "full", "todo": ""}],
    }
    [found] = findings("daemon")
    assert (found.verdict, found.what, found.todo) == (
        Verdict.PROBLEM,
        "no room",
        "hooknet status; journalctl -u hooknet",
    )


def test_a_healthy_daemon_with_something_to_say(host, findings):
    host.daemon = {**host.daemon, "problems": [{"what": "no podman", "why": "", "todo": "start it"}]}
    assert [found.verdict for found in findings("daemon")] == [Verdict.NOTE]


def test_a_daemon_that_lacks_a_capability(host, findings):
    host.missing[7] = ["NET_RAW"]
    [found] = findings("daemon")
    assert "pid 7) lacks CAP_NET_RAW" in found.what


def test_root_in_a_container_may_lack_capabilities(host, findings):
    host.missing[None] = ["SYS_ADMIN"]
    [found] = findings("rights")
    assert "--cap-add" in found.todo


def test_a_reference_daemon_that_was_started_by_hand(host, findings):
    host.lines["/run/cni/dhcp.sock"] = Line.SERVED
    [found] = findings("reference")
    assert found.verdict is Verdict.NOTE


def test_a_reference_daemon_that_its_units_keep(host, findings):
    host.write("usr/lib/systemd/system/cni-dhcp.service", "ExecStart=/usr/lib/cni/dhcp daemon\n")
    host.systemd["cni-dhcp.service"] = {"ActiveState": "active"}
    [found] = findings("reference")
    assert "disable --now cni-dhcp.service" in found.todo


# the reference's units, pointed at our `dhcp`


POINTED = "[Service]\nExecStart=/usr/local/libexec/cni/hooknet daemon\n"
OLD = {"io.podman.dhcp.socket": UNIT, "io.podman.dhcp.service": {**UNIT, "UnitFileState": "disabled"}}


@pytest.fixture
def kept(host):
    """The units of before, and none of hooknet's."""
    (host.tree / "etc/systemd/system/hooknet.service").unlink()
    host.write("etc/systemd/system/io.podman.dhcp.service", POINTED)
    host.write("etc/systemd/system/io.podman.dhcp.socket", "")
    host.systemd = dict(OLD)
    host.lines = {"/run/hooknet/cni.sock": Line.MISSING}
    return host


def test_units_that_were_kept_are_judged_in_the_place_of_ours(kept, findings):
    assert findings() == []


def test_a_daemon_of_kept_units_that_waits_to_be_called_is_left_asleep(kept, findings):
    kept.systemd["io.podman.dhcp.service"] = {"LoadState": "loaded", "ActiveState": "inactive"}
    assert findings("daemon") == []
    assert "status" not in kept.asked


def test_a_socket_of_kept_units_that_does_not_listen(kept, findings):
    kept.systemd["io.podman.dhcp.socket"] = {**UNIT, "ActiveState": "failed"}
    kept.lines["/run/cni/dhcp.sock"] = Line.MISSING
    assert "systemctl start io.podman.dhcp.socket" in findings("units")[0].todo
    assert findings("daemon")[0].todo == "systemctl start io.podman.dhcp.socket"


def test_a_kept_service_without_its_socket_must_be_enabled(kept, findings):
    (kept.tree / "etc/systemd/system/io.podman.dhcp.socket").unlink()
    kept.lines = {"/run/cni/dhcp.sock": Line.MISSING}
    [found] = findings("units")
    assert found.todo == "systemctl enable io.podman.dhcp.service"
    assert findings("daemon") == []


def test_kept_units_beside_ours_would_start_a_second_daemon(host, findings):
    host.write("etc/systemd/system/io.podman.dhcp.service", POINTED)
    host.systemd["io.podman.dhcp.service"] = UNIT
    [found] = findings("reference")
    assert found.verdict is Verdict.PROBLEM
    assert "disable --now io.podman.dhcp.service" in found.todo


# files


def test_a_configuration_with_a_mistake(host, findings):
    host.write("etc/hooknet/hooknet.toml", "[daemon]\nlog_levle = 1\n")
    [found] = findings("config")
    assert "log_level" in found.todo


def test_no_state_directory(host, findings):
    (host.tree / "var/lib/hooknet/hooknet.db").unlink()
    (host.tree / "var/lib/hooknet").rmdir()
    [found] = findings("state")
    assert found.verdict is Verdict.NOTE
    assert "when it first starts" in found.what


@pytest.mark.parametrize("owner", [(1000, 0o40700), (0, 0o40770), (0, 0o40702)])
def test_a_state_directory_that_others_may_write(host, findings, owner):
    host.owners["/var/lib/hooknet"] = owner
    assert any("chown root" in found.todo for found in findings("state"))


def test_a_full_disk(host, findings):
    host.free_bytes = 1 << 20
    [found] = findings("state")
    assert "1 MiB left" in found.what


def test_a_program_that_went_away(host, findings):
    (host.tree / "opt/hooknet/bin/hooknet").unlink()
    [found] = findings("program")
    assert "which is not there" in found.what


def test_a_program_that_others_may_change(host, findings):
    host.owners["/opt/hooknet/bin/hooknet"] = (1000, 0o100755)
    [found] = findings("program")
    assert "chown -R root /opt/hooknet" in found.todo


def test_a_program_that_the_unit_does_not_see(host, findings):
    host.write("etc/systemd/system/hooknet.service", "ExecStart=/home/me/hooknet daemon\n")
    host.owners["/home/me/hooknet"] = (0, 0o100755)
    [found] = findings("program")
    assert "/usr/bin/python3 -m venv /opt/hooknet" in found.todo


def test_a_venv_whose_python_the_unit_does_not_see(host, findings):
    host.write("home/me/python3", mode=0o755)
    (host.tree / "opt/hooknet/bin/python").symlink_to("../../../home/me/python3")
    host.write("opt/hooknet/bin/hooknet", "#!/opt/hooknet/bin/python\n", 0o755)
    [found] = findings("program")
    assert "its interpreter /home/me/python3 lies under /home" in found.what


# wire


def test_a_parent_that_is_not_there(findings):
    [found] = findings("parent", ("eth9",))
    assert "no interface eth9" in found.what
    assert findings("servers", ("eth9",)) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"wireless": True}, "wireless"),
        ({"up": False}, "is down"),
        ({"carrier": False}, "no carrier"),
        ({"ethernet": False}, "no Ethernet"),
        ({"master": 1}, "belongs to"),
    ],
)
def test_a_parent_that_can_not_carry_containers(host, findings, eth0, changed, words):
    host.parents["eth0"] = eth0(**changed)
    [found] = findings("parent")
    assert words in found.what
    assert found.todo
    assert findings("servers") == []


@pytest.mark.parametrize(
    ("servers", "verdict", "words"),
    [
        (Servers(), Verdict.PROBLEM, "no DHCP server answers"),
        (Servers((), ("10.0.0.1",)), Verdict.PROBLEM, "offers no address"),
        (Servers(("10.0.0.1", "10.0.0.2")), Verdict.NOTE, "several DHCP servers"),
        (OSError(100, "Network is down"), Verdict.PROBLEM, "nothing can be sent"),
    ],
)
def test_what_answers_on_the_wire(host, findings, servers, verdict, words):
    host.servers = servers
    [found] = findings("servers")
    assert found.verdict is verdict
    assert words in found.what


def test_asking_servers_takes_root(host, findings):
    host.missing[None] = ["NET_RAW"]
    assert [found.verdict for found in findings("servers")] == [Verdict.SKIPPED]


# clock


def test_a_clock_that_is_in_the_past(host, findings):
    host.clock = 0.0
    [found] = findings("clock")
    assert found.verdict is Verdict.PROBLEM


def test_a_clock_that_nobody_sets(host, findings):
    host.answers["timedatectl"] = Ran(0, "no\n")
    assert [found.verdict for found in findings("clock")] == [Verdict.NOTE]
