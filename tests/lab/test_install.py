"""Installing on a host that runs: a network works, everything is put back, and the reference's units make room."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import eventually
from lab.podman import IMAGE

if TYPE_CHECKING:
    from lab import Lan
    from lab.machine import Machine

SEED = """{ "cniVersion": "0.4.0", "name": "example",
  "plugins": [ { "type": "macvlan", "master": "host0", "ipam": { "type": "dhcp" } } ] }
"""
SEED_FILE = "/etc/cni/net.d/90-example.conflist"
OLD_SOCKET = """\
[Unit]
Description=DHCP Client for CNI
[Socket]
ListenStream=%t/cni/dhcp.sock
SocketMode=0600
[Install]
WantedBy=sockets.target
"""
OLD_SERVICE = """\
[Unit]
Description=DHCP Client CNI Service
Requires=io.podman.dhcp.socket
After=io.podman.dhcp.socket
[Service]
Type=simple
ExecStart={program} daemon
TimeoutStopSec=30
KillMode=process
[Install]
WantedBy=multi-user.target
Also=io.podman.dhcp.socket
"""
OLD = ("io.podman.dhcp.socket", "io.podman.dhcp.service")
DROP_IN = "/usr/local/libexec/hooknet/cni/dhcp"
DEBIANS = "/usr/lib/cni/dhcp"
WATCHED = ("etc", "usr", "opt", "var/lib/cni", "var/lib/hooknet", "root", "home")
PODMANS_OWN = {"etc/cni/net.d/cni.lock", "etc/cni/net.d", "var/lib/cni/results"}


def picture(machine: Machine) -> dict[str, str]:
    """Every file that this host has of its own, beside those of the layer below: kind, mode, content."""
    found = {}
    for top in WATCHED:
        for path in (machine.changes / top).rglob("*"):
            name = str(path.relative_to(machine.changes))
            if "__pycache__" not in name and name not in PODMANS_OWN:
                found[name] = described(path)
    return found


def described(path: Path) -> str:
    mode = f"{path.lstat().st_mode:o}"
    if path.is_symlink():
        return f"{mode} -> {path.readlink()}"
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else mode


def settle(machine: Machine) -> None:
    """What the first use of podman and of these files leaves behind by itself: copies, directories, caches."""
    machine.podman("run", "--rm", "--network=none", IMAGE, "true")
    machine("touch", "--reference=/etc/group", "/etc/group", "/etc/gshadow")
    machine("sh", "-c", "mkdir -p /usr/local/libexec /var/lib/cni && rmdir /usr/local/libexec || true")


def write_reference_units(machine: Machine, program: str) -> None:
    units = machine.path("/etc/systemd/system")
    (units / OLD[0]).write_text(OLD_SOCKET)
    (units / OLD[1]).write_text(OLD_SERVICE.format(program=program))
    machine.path(SEED_FILE).write_text(SEED)
    machine.systemctl("daemon-reload")
    machine.systemctl("enable", "--now", OLD[0])


def held(machine: Machine) -> set[str]:
    """Whose leases the daemon holds; an assertion fails while it can't be asked."""
    return {lease["container"] for lease in machine.leases()}


def troubles(machine: Machine) -> list[str]:
    """What the doctor finds wrong, or has to say of units and who serves."""
    found = json.loads(machine.hooknet("doctor", "--format=json", check=False).stdout)["findings"]
    about = {"units", "reference"}
    return [
        one["what"]
        for one in found
        if one["verdict"] == "problem" or (one["check"] in about and one["verdict"] != "ok")
    ]


def enabled(machine: Machine, unit: str) -> bool:
    return machine.systemctl("is-enabled", unit, check=False) == "enabled"


def test_install_run_and_uninstall_leave_no_trace(lan: Lan, machine: Machine) -> None:
    settle(machine)
    before = picture(machine)
    assert machine.hooknet("install", "--dry-run", "--drop-in", "--network=lan", "--parent=host0").stdout
    assert picture(machine) == before
    machine.install("--drop-in", "--network=lan", "--parent=host0")
    assert machine.install("--drop-in", "--network=lan", "--parent=host0").startswith("nothing to do\n")
    shown = machine.podman("run", "--rm", "--network=lan", IMAGE, "ip", "-4", "addr", "show", "eth0").stdout
    assert f"inet {lan.network[1]}".rsplit(".", 1)[0] in shown
    machine.hooknet("uninstall", "--purge")
    assert picture(machine) == before
    assert machine("ls", "/run/hooknet", check=False).returncode != 0
    assert machine.systemctl("list-units", "--all", "--plain", "--no-legend", "hooknet*") == ""
    assert "nothing to do" in machine.hooknet("uninstall").stdout


def test_the_seeds_network_works_unchanged_after_install_drop_in(lan: Lan, machine: Machine) -> None:
    machine.path(SEED_FILE).write_text(SEED)
    machine.install("--drop-in")
    address = machine.start("web", network="example")
    assert address in lan.server.addresses()
    [lease] = machine.leases()
    assert (lease["container"], lease["network"], lease["parent"]) == ("web", "example", "host0")


def test_uninstall_refuses_while_containers_are_attached_and_keeps_the_state(
    lan: Lan, machine: Machine
) -> None:
    machine.install("--network=lan", "--parent=host0")
    machine.start("web", network="lan")
    refused = machine.hooknet("uninstall", check=False)
    assert refused.returncode != 0
    assert "1 container still attached: web" in refused.stderr
    machine.podman("rm", "-f", "-t", "0", "web")
    assert "/var/lib/hooknet is kept" in machine.hooknet("uninstall").stdout
    assert machine("ls", "/var/lib/hooknet/hooknet.db").returncode == 0


def test_a_hooknet_under_a_home_is_refused_with_the_remedy(machine: Machine) -> None:
    refused = machine.hooknet("install", "--daemon=/root/venv/bin/hooknet", check=False)
    assert refused.returncode == 2
    assert "/usr/bin/python3 -m venv /opt/hooknet" in refused.stderr


# From the reference


def test_the_references_units_go_on_to_work_when_they_start_our_dhcp(lan: Lan, machine: Machine) -> None:
    """The first way to migrate: only ExecStart changes; systemd hands over one socket, without a name."""
    machine("mkdir", "-p", str(Path(DROP_IN).parent))
    machine.hooknet("install", "--shims-only", f"--cni-dir={Path(DROP_IN).parent}")
    conf = machine.path("/etc/containers/containers.conf.d/50-shims.conf")
    conf.parent.mkdir()
    conf.write_text(f'[network]\ncni_plugin_dirs = ["{Path(DROP_IN).parent}", "/usr/lib/cni"]\n')
    write_reference_units(machine, DROP_IN)
    assert troubles(machine) == []
    assert not machine.is_active(OLD[1])  # the doctor has left it asleep
    address = machine.start("web", network="example")
    assert address in lan.server.addresses()
    assert machine.is_active(OLD[1])
    assert [lease["container"] for lease in machine.leases()] == ["web"]
    machine.systemctl("restart", OLD[1])
    assert troubles(machine) == []
    eventually(lambda: held(machine) == {"web"}, within=20, what="the lease is kept")
    assert "DHCPRELEASE" not in lan.server.log.text()


@pytest.mark.long
def test_from_there_install_takes_over_and_drops_no_lease(lan: Lan, machine: Machine) -> None:
    test_the_references_units_go_on_to_work_when_they_start_our_dhcp(lan, machine)
    said = machine.install("--drop-in")
    assert "start hooknet, whose own units take their place" in said
    assert not any(enabled(machine, unit) or machine.is_active(unit) for unit in OLD)
    assert [lease["container"] for lease in machine.leases()] == ["web"]
    assert machine.is_active("hooknet.service")
    assert "DHCPRELEASE" not in lan.server.log.text()
    machine.podman("rm", "-f", "-t", "0", "web")
    eventually(lambda: lan.server.leases() == [], what="the lease is given back")


@pytest.mark.long
def test_install_makes_room_beside_a_reference_that_still_serves_its_containers(
    lan: Lan, machine: Machine
) -> None:
    """The second way: the old daemon goes on to renew what it leased; new containers are hooknet's."""
    write_reference_units(machine, DEBIANS)
    old = machine.start("old", network="example")
    before = {unit: enabled(machine, unit) for unit in OLD}
    stays = machine.install()
    assert "go on to use the reference's daemon" in stays
    said = machine.install("--drop-in")
    assert "left running" in said
    assert "systemctl stop io.podman.dhcp.socket io.podman.dhcp.service" in said
    assert not any(enabled(machine, unit) for unit in OLD)
    assert all(machine.is_active(unit) for unit in OLD)
    new = machine.start("new", network="example")
    assert [lease["container"] for lease in machine.leases()] == ["new"]
    assert {old, new} <= lan.server.addresses()
    machine.podman("restart", "-t", "0", "old")
    assert {lease["container"] for lease in machine.leases()} == {"old", "new"}
    machine.hooknet("uninstall", "--force")
    assert {unit: enabled(machine, unit) for unit in OLD} == before
