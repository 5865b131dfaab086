"""The units: right by systemd's own tools, hardened to a stated score, and what becomes of the reference's."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lab.world import required

from hooknet.errors import HooknetError
from hooknet.install import units
from hooknet.install.changes import Run
from hooknet.install.root import Root

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "units.md"
FOLDER = "/etc/systemd/system"
ALL = (*units.UNITS, units.NETAVARK_SOCKET)
IO_SOCKET = "[Socket]\nListenStream=%t/cni/dhcp.sock\nSocketMode=0600\n[Install]\nWantedBy=sockets.target\n"
IO_SERVICE = "[Service]\nExecStart={program} daemon\nTimeoutStopSec=30\nKillMode=process\n"
OLD = ("io.podman.dhcp.socket", "io.podman.dhcp.service")
LINK = f"{FOLDER}/sockets.target.wants/io.podman.dhcp.socket"

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not required(), reason="no systemd-analyze here"
)


@pytest.fixture
def written(tmp_path):
    """The units as they are installed, with a command that exists."""
    for name in ALL:
        (tmp_path / name).write_text(units.text(name, Path("/bin/true")))
    return tmp_path


@needs_analyze
@pytest.mark.parametrize("name", ALL)
def test_systemd_finds_nothing_to_complain_about(written, name):
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", written / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
def test_the_hardening_has_the_score_that_the_manual_states(written):
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=26",
            written / "hooknet.service",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    stated = re.search(r"\*\*([\d.]+)\*\*", PAGE.read_text(encoding="utf-8"))
    assert stated is not None
    assert float(found[1]) == float(stated[1])


def test_every_setting_of_a_unit_is_explained():
    page = PAGE.read_text(encoding="utf-8")
    for name in ALL:
        text = units.text(name, Path("/x"))
        for key in set(re.findall(r"^([A-Z]\w+)=", text, re.MULTILINE)):
            assert f"`{key}" in page, f"{key} of {name} is not explained"


def test_the_units_in_the_package_are_those_in_the_clone():
    for name in ALL:
        packaged = units.text(name, Path(units.PACKAGED_DAEMON))
        assert packaged == (ROOT / "units" / name).read_text(encoding="utf-8")


def test_a_percent_sign_in_the_path_is_no_specifier():
    assert "ExecStart=/opt/100%%/hooknet daemon" in units.text(units.SERVICE, Path("/opt/100%/hooknet"))


@pytest.mark.skipif(shutil.which("systemctl") is None and not required(), reason="no systemctl here")
def test_they_are_enabled_as_systemctl_would(image):
    image.install(netavark=True)
    ours = links(image)
    for path in ours:
        (image.path / path).unlink()
    done = subprocess.run(
        ["systemctl", f"--root={image.path}", "enable", *ALL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert links(image) == ours


def links(image):
    return {
        str(path.relative_to(image.path)): str(path.readlink())
        for path in (image.path / "etc/systemd/system").rglob("*")
        if path.is_symlink()
    }


# a running systemd


@pytest.fixture
def live(image, monkeypatch):
    """The image as if systemd ran in it. Plans only: nothing here may carry out a command."""
    monkeypatch.setattr("hooknet.install.root.Root.has_systemd", True)
    return image


def commands(made):
    return [" ".join(change.command) for change in made.changes if isinstance(change, Run)]


def test_systemd_is_told_and_the_sockets_are_started_but_not_the_daemon(live):
    assert commands(live.plan()) == [
        "systemctl daemon-reload",
        "systemctl start hooknet.socket hooknet-control.socket",
    ]


def settled(image):
    """Installed, with everything running."""
    for change in image.plan().changes:
        if not isinstance(change, Run):
            change.carry_out(image.root)
    image.units.running |= set(units.UNITS)
    assert image.plan().changes == ()


def test_a_running_daemon_takes_up_a_new_unit(live):
    settled(live)
    assert commands(live.plan(daemon=Path("/srv/hooknet"))) == [
        "systemctl daemon-reload",
        "systemctl restart hooknet.service",
    ]


def test_sockets_that_were_stopped_are_started_again(live):
    settled(live)
    live.units.running = {"hooknet-control.socket"}
    assert commands(live.plan()) == ["systemctl start hooknet.socket"]


def test_sockets_can_not_take_the_place_of_those_that_a_running_daemon_made(live):
    settled(live)
    live.units.running = {units.SERVICE}
    assert commands(live.plan()) == [
        "systemctl stop hooknet.service",
        "systemctl start hooknet.socket hooknet-control.socket",
    ]


def test_uninstall_stops_sockets_before_the_service(live):
    settled(live)
    made = live.plan_removal()
    assert commands(made) == [
        "systemctl stop hooknet.socket hooknet-control.socket hooknet.service",
        "systemctl daemon-reload",
    ]
    assert str(made.changes[0]).startswith("run systemctl stop")


# the reference's units


def reference(image, *, program="/usr/libexec/cni/dhcp", folder=FOLDER, enabled=True, active=False):
    image.write(f"{folder}/io.podman.dhcp.socket", IO_SOCKET)
    image.write(f"{folder}/io.podman.dhcp.service", IO_SERVICE.format(program=program))
    if enabled:
        link = image.path / LINK.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"{folder}/io.podman.dhcp.socket")
    if active:
        image.units.running |= set(OLD)


def test_without_drop_in_the_references_units_stay_and_it_is_said(image):
    reference(image)
    made = image.install()
    assert image.exists(LINK)
    assert any("io.podman.dhcp.service" in note and "--drop-in" in note for note in made.notes)


def test_with_drop_in_they_are_disabled_and_uninstall_enables_them_again(image):
    reference(image)
    before = image.picture()
    made = image.install(drop_in=True)
    assert not image.exists(LINK)
    assert image.exists(f"{FOLDER}/io.podman.dhcp.service")
    assert any("takes their place" in note for note in made.notes)
    assert image.plan().changes == ()
    image.uninstall()
    assert image.picture() == before


def test_a_reference_daemon_that_runs_goes_on_to_renew_what_it_leased(live):
    reference(live, active=True)
    made = live.plan(drop_in=True)
    assert not any("stop" in command for command in commands(made))
    assert any("left running" in note and "podman restart" in note for note in made.notes)


def test_units_that_start_hooknets_dhcp_make_room_for_hooknets_own(live):
    live.write("/opt/shims/dhcp", "#!/bin/sh\n''':' # hooknet shim: x\n")
    reference(live, program="/opt/shims/dhcp", active=True)
    made = live.plan()
    assert f"systemctl stop {' '.join(OLD)}" in commands(made)
    assert any("no lease is dropped" in note for note in made.notes)


def test_what_ran_before_runs_again_after_uninstall(live):
    live.write("/opt/shims/dhcp", "#!/bin/sh\n''':' # hooknet shim: x\n")
    reference(live, program="/opt/shims/dhcp", active=True)
    for change in live.plan().changes:
        if not isinstance(change, Run):
            change.carry_out(live.root)
    made = live.plan_removal()
    assert commands(made)[-1] == f"systemctl start {' '.join(OLD)}"


def test_a_command_that_a_drop_in_of_the_unit_names_counts(image):
    image.write("/opt/shims/dhcp", "#!/bin/sh\n''':' # hooknet shim: x\n")
    reference(image)
    [found] = units.references(image.root, image.units)
    assert not found.is_hooknet
    image.write(
        f"{FOLDER}/io.podman.dhcp.service.d/x.conf",
        "[Service]\nExecStart=\nExecStart=-/opt/shims/dhcp daemon\n",
    )
    [found] = units.references(image.root, image.units)
    assert found.is_hooknet


def test_a_distributions_units_that_nobody_uses_are_not_worth_a_word(image):
    reference(image, folder="/usr/lib/systemd/system", enabled=False)
    assert not any("dhcp" in note for note in image.plan(drop_in=True).notes)


def test_debians_name_for_them_is_known_too(image):
    image.write("/usr/lib/systemd/system/cni-dhcp.socket", IO_SOCKET)
    image.units.running.add("cni-dhcp.socket")
    assert any("cni-dhcp.socket" in note for note in image.plan(drop_in=True).notes)


# netavark


def test_netavarks_driver_is_written_where_netavark_looks(image):
    before = image.picture()
    image.install(netavark=True)
    assert "# hooknet shim" in image.read("/usr/local/libexec/netavark/hooknet")
    assert image.exists(f"{FOLDER}/sockets.target.wants/{units.NETAVARK_SOCKET}")
    assert image.plan().changes == ()
    image.uninstall()
    assert image.picture() == before


def test_without_netavark_asked_for_its_socket_is_not_taken(image):
    image.install()
    assert not image.exists(f"{FOLDER}/{units.NETAVARK_SOCKET}")


def test_netavarks_own_proxy_makes_room_and_gets_it_back(image):
    image.write("/usr/lib/systemd/system/netavark-dhcp-proxy.socket", IO_SOCKET)
    link = image.path / f"{FOLDER}/sockets.target.wants/netavark-dhcp-proxy.socket".lstrip("/")
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/lib/systemd/system/netavark-dhcp-proxy.socket")
    before = image.picture()
    image.install(netavark=True)
    assert not link.is_symlink()
    image.uninstall()
    assert image.picture() == before


def test_a_proxy_that_ran_runs_again_after_uninstall(live):
    live.write("/usr/lib/systemd/system/netavark-dhcp-proxy.socket", IO_SOCKET)
    live.units.running.add("netavark-dhcp-proxy.socket")
    made = live.plan(netavark=True)
    assert commands(made)[-1].endswith(units.NETAVARK_SOCKET)
    assert any("netavark-dhcp-proxy" in note for note in made.notes)
    for change in made.changes:
        if not isinstance(change, Run):
            change.carry_out(live.root)
    assert commands(live.plan_removal())[-1] == "systemctl start netavark-dhcp-proxy.socket"


@pytest.mark.parametrize(
    "error", [subprocess.TimeoutExpired("systemctl", 10), FileNotFoundError(2, "No such file")]
)
def test_a_systemd_that_does_not_answer_is_told(monkeypatch, error):
    def run(*_args, **_more):
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(Root, "has_systemd", True)
    with pytest.raises(HooknetError, match=r"systemd can't be asked whether hooknet\.socket runs"):
        units.Systemctl(Root()).active("hooknet.socket")
