"""The README's installation, typed line by line; and what becomes of a Python that lies in a home."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab.wheels import wheelhouse

if TYPE_CHECKING:
    from lab import Lan
    from lab.machine import Machine

README = Path(__file__).parents[2] / "README.md"
CHECKOUT = "/opt/hooknet/checkout"
HERE = {"file:///path/to/this/clone": f"file://{CHECKOUT}", "enp0s31f6": "host0"}
SEED = """{ "cniVersion": "0.4.0", "name": "example",
  "plugins": [ { "type": "macvlan", "master": "host0", "ipam": { "type": "dhcp" } } ] }
"""
SYSTEMS = "/usr/bin/python3"
PATIENCE = 180.0
VENV_IN_A_HOME = """
mkdir /root/venv
cp -a /opt/hooknet/bin /opt/hooknet/lib /opt/hooknet/pyvenv.cfg /root/venv
sed -i 's,^#!/opt/hooknet/,#!/root/venv/,' /root/venv/bin/hooknet
"""
PYTHON_IN_A_HOME = """
mkdir -p /root/python/bin
cp /usr/bin/python3 /root/python/bin/python3
ln -sf /root/python/bin/python3 /opt/hooknet/bin/python
"""


def typed() -> list[str]:
    """The four lines, with this machine's names for the clone and the interface."""
    part = README.read_text(encoding="utf-8").split("\n## Install\n")[1]
    found = re.search(r"^```\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    assert found is not None
    text = found[1]
    for theirs, ours in HERE.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    return text.splitlines()


def test_the_readmes_four_lines_install_it_and_the_seeds_container_has_its_address(
    lan: Lan, machine: Machine
) -> None:
    """A fresh /opt and nothing of the clone's own environment; only the index that pip asks is a folder here."""
    wheels = wheelhouse(machine.host.folder / "wheels", "dns")
    machine("sh", "-c", "rm -r /opt/hooknet/bin /opt/hooknet/lib /opt/hooknet/pyvenv.cfg")
    lines = typed()
    assert len(lines) == 4
    assert lines[0].startswith(f"{SYSTEMS} -m venv ")
    for line in lines:
        machine("env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheels}", "sh", "-ec", line, timeout=PATIENCE)
    where = machine("/opt/hooknet/bin/python", "-c", "import hooknet; print(hooknet.__file__)").stdout
    assert where.startswith("/opt/hooknet/lib/")
    machine.path("/etc/cni/net.d/90-example.conflist").write_text(SEED)
    assert machine.start("web", network="example") in lan.server.addresses()
    assert [lease["container"] for lease in machine.leases()] == ["web"]
    loaded = machine.hooknet("plugins", "check").stdout
    assert "dns" in loaded


@pytest.mark.parametrize(
    ("made", "command", "what"),
    [
        (
            VENV_IN_A_HOME,
            "/root/venv/bin/hooknet",
            "the command /root/venv/bin/hooknet lies under /root",
        ),
        (
            PYTHON_IN_A_HOME,
            "/opt/hooknet/bin/hooknet",
            "its interpreter /root/python/bin/python3 lies under /root",
        ),
    ],
    ids=["a venv in a home", "a venv in opt on a Python in a home"],
)
def test_a_hooknet_that_the_unit_would_not_see_refuses_to_be_installed(
    machine: Machine, made: str, command: str, what: str
) -> None:
    machine("sh", "-ec", made)
    refused = machine(command, "install", check=False)
    assert refused.returncode == 2
    assert what in refused.stderr
    assert f"{SYSTEMS} -m venv /opt/hooknet" in refused.stderr
    assert not machine.path("/etc/systemd/system/hooknet.service").exists()
    assert not machine.path("/var/lib/hooknet").exists()
