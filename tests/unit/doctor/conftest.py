"""A host where all is well, and what the doctor says of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hooknet.doctor.checks import CHECKS, examine
from hooknet.doctor.findings import Finding, Verdict
from hooknet.doctor.host import Line, Ran
from hooknet.doctor.networks import Place
from hooknet.install import units
from hooknet.kernel.links import Parent
from hooknet.shim.compiled import MARK
from hooknet.shim.install import Choices, text

sys.path.insert(0, str(Path(__file__).parent))

from doctor_host import CNI_ANSWER, DAEMON, ETH0, FakeHost

PYTHON = text(Choices(daemon=DAEMON)).rpartition(MARK)[2].partition(" ")[0]
"""The interpreter for which shims are compiled here."""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    found = FakeHost(tmp_path)
    found.write("usr/local/libexec/cni/hooknet", text(Choices(daemon=DAEMON)), 0o755)
    for program in (str(DAEMON), "/usr/bin/python3"):
        found.write(program, mode=0o755)
    found.write("var/lib/hooknet/hooknet.db")
    found.write("etc/systemd/system/hooknet.service", units.text(units.SERVICE, DAEMON))
    for path in ("/run/cni/dhcp.sock", "/run/podman/nv-proxy.sock"):
        found.lines[path] = Line.MISSING
    found.answers = {
        "podman --version": Ran(0, "podman version 4.3.1\n"),
        "podman info": Ran(0, "cni\n"),
        "/usr/bin/python3 -IS -c": Ran(0, PYTHON),
        "/": Ran(0, CNI_ANSWER),
        "nft": Ran(0, '{"nftables": []}'),
        "timedatectl": Ran(0, "yes\n"),
    }
    found.use_systemd()
    return found


@pytest.fixture
def findings(host: FakeHost) -> Callable[..., list[Finding]]:
    """The findings of one check that are not OK; of all, without a name. Whatever the test: each has its remedy."""

    def look(name: str | None = None, parents: tuple[str | Place, ...] = ("eth0",)) -> list[Finding]:
        assert name is None or name in {check.name for check in CHECKS}
        heard = [
            finding
            for check, found in examine(
                host, [Place(parent) if isinstance(parent, str) else parent for parent in parents]
            )
            if name in {None, check.name}
            for finding in found
            if finding.verdict is not Verdict.OK
        ]
        assert [one for one in heard if one.verdict is not Verdict.SKIPPED and not one.todo] == []
        return heard

    return look


@pytest.fixture
def eth0() -> Callable[..., Parent]:
    """eth0, with something changed."""
    return lambda **changed: replace(ETH0, **changed)
