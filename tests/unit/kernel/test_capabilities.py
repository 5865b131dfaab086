"""What the daemon needs, and how it says what it lacks."""

from __future__ import annotations

import errno

import pytest

from hooknet.errors import Kind
from hooknet.kernel import refusals
from hooknet.kernel.capabilities import missing_capabilities


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", []),
        ("0000000000000000", ["NET_BIND_SERVICE", "NET_ADMIN", "NET_RAW", "SYS_ADMIN"]),
        ("0000000000203000", ["NET_BIND_SERVICE"]),
        ("0000000000003400", ["SYS_ADMIN"]),
    ],
)
def test_missing_capabilities_are_named(tmp_path, effective, missing) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\n")
    assert missing_capabilities(status) == missing


def test_a_status_without_capabilities_means_none(tmp_path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\n")
    assert len(missing_capabilities(status)) == 4


def test_a_refusal_for_want_of_a_capability_names_it(monkeypatch) -> None:
    monkeypatch.setattr(refusals, "missing_capabilities", lambda: ["NET_ADMIN"])
    error = refusals.refused("set eth0 up", OSError(errno.EPERM, "Operation not permitted"))
    assert str(error).startswith("can't set eth0 up: Operation not permitted; the daemon lacks CAP_NET_ADMIN")


def test_a_refusal_with_every_capability_points_at_the_hosts_policy(monkeypatch) -> None:
    monkeypatch.setattr(refusals, "missing_capabilities", list)
    assert "policy" in refusals.refused("set eth0 up", OSError(errno.EPERM, "no")).details


def test_another_refusal_keeps_its_reason_and_kind() -> None:
    error = refusals.refused("set eth0 up", OSError(errno.EINVAL, "bad gateway"), Kind.PARENT)
    assert (error.kind, error.message) == (Kind.PARENT, "can't set eth0 up: bad gateway")
