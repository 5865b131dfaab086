"""Fault 6 under podman 5: a journal that was lost is rebuilt from podman's own description, through both doors."""

import os

import pytest
from lab import eventually

pytestmark = pytest.mark.long


def test_fault_06_a_lost_journal_is_rebuilt_from_what_podman_says(lan, daemon, podman, network):
    boxes = [podman.start(name, network=network) for name in ("one", "two")]
    before = {box.name: box.address() for box in boxes}
    known = {(row["container"], row["network"], row["client_id"], row["mac"]) for row in daemon.leases()}
    daemon.kill()
    for leftover in ("hooknet.db-wal", "hooknet.db-shm"):
        (daemon.state_dir / leftover).unlink(missing_ok=True)
    (daemon.state_dir / "hooknet.db").write_bytes(os.urandom(16384))
    daemon.start()

    def confirmed():
        servers = [row["server"] for row in daemon.leases()]
        return servers == [str(lan.server.offering.server)] * 2

    eventually(confirmed, within=10, what="the server has confirmed what was rebuilt")
    assert {(r["container"], r["network"], r["client_id"], r["mac"]) for r in daemon.leases()} == known
    assert {box.name: box.address() for box in boxes} == before
    boxes[0].rm()
    lan.server.wait_for_release(before["one"])
    assert lan.server.addresses() == {before["two"]}
