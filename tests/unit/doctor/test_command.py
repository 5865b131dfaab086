"""`hooknet doctor`: what it prints, and what it exits with."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hooknet.cli.main import main


@pytest.fixture
def doctor(host, monkeypatch, capsys):
    """Run the command on the made-up host."""
    monkeypatch.setattr("hooknet.doctor.this_host.ThisHost", lambda *_args: host)

    def run(*words):
        return main(["doctor", *words]), capsys.readouterr().out

    return run


def test_all_well(doctor):
    code, out = doctor()
    assert code == 0
    assert out.endswith("\nno problems\n")
    assert "-> " not in out


def test_a_problem_is_told_with_its_remedy_and_makes_it_exit_1(doctor, host):
    del host.parents["eth0"]
    code, out = doctor("--parent", "eth0")
    assert code == 1
    assert "BAD   there is no interface eth0" in out
    assert "      -> ip link" in out
    assert out.endswith("\n1 problem\n")


def test_a_note_is_no_problem(doctor, host):
    host.environ["CONTAINERS_CONF"] = "/srv/x.conf"
    code, out = doctor()
    assert code == 0
    assert "note  CONTAINERS_CONF" in out


@pytest.mark.parametrize("path", ["etc/cni/net.d", "etc/cni/net.d/lan.conflist"])
def test_networks_that_can_not_be_read_are_one_finding_among_the_others(doctor, host, monkeypatch, path):
    host.write("etc/cni/net.d/lan.conflist", "{}")
    may_not_be_read(monkeypatch, host.tree / path)
    code, out = doctor()
    assert code == 1
    assert out.count(f"BAD   can't read /{path}: Permission denied") == 1
    assert "eth0 (the default route's) is up" in out


def may_not_be_read(monkeypatch, path):
    """Root reads everything, so the kernel's answer is made up."""

    def refuse(read):
        def answer(self):
            if self == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return read(self)

        return answer

    for name in ("read_bytes", "iterdir"):
        monkeypatch.setattr(Path, name, refuse(getattr(Path, name)))


def test_json_holds_all_of_it(doctor, host):
    del host.parents["eth0"]
    code, out = doctor("--parent", "eth0", "--format", "json")
    data = json.loads(out)
    assert (code, data["ok"]) == (1, False)
    [bad] = [one for one in data["findings"] if one["verdict"] == "problem"]
    assert set(bad) == {"check", "verdict", "what", "why", "todo"}
    assert bad["check"] == "parent"
