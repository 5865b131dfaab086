"""Faults of the daemon and of what it stands on: an upgrade, a reboot, the disk, the database."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Daemon, Host, Lab, Lan, eventually
from lab.cni import leaves_nothing, netconf
from lab.process import Program, run

if TYPE_CHECKING:
    from collections.abc import Iterator

HOOKNET_MAIN = {"type": "hooknet", "master": "host0"}
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def adding(host: Host, sandbox: Any, config: dict[str, Any]) -> Program:
    """An ADD in the background, its answer in a log."""
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": sandbox.container_id,
        "CNI_NETNS": str(sandbox.path),
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": f"K8S_POD_NAME={sandbox.name}",
        "CNI_PATH": "/usr/lib/cni",
    }
    folder = host.folder / f"add-{sandbox.name}"
    folder.mkdir()
    (folder / "stdin").write_text(json.dumps(config))
    plugin = host.cni.plugin("hooknet")
    program = Program(
        [*host.netns.enter, "sh", "-c", f"exec {plugin} <{folder}/stdin"], folder / "answer", env=env
    )
    host.cleanup.callback(program.stop)
    program.start()
    return program


def test_fault_02_a_stop_ends_running_adds_within_five_seconds_and_keeps_the_leases(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    kept, late = host.cni.sandbox(), host.cni.sandbox()
    address = host.cni.add(netconf(), kept).interface
    lan.server.stop()
    running = adding(host, late, netconf())
    eventually(late.links, what="the ADD is under way")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(within=9) == 0
    assert running.wait(within=2) == 1
    assert json.loads(running.log.text())["code"] == 11
    leaves_nothing(late)
    assert "RELEASE" not in lan.server.log.text()
    with sqlite3.connect(daemon.state_dir / "hooknet.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT phase FROM attachments").fetchall() == [("REPLIED",)]
    lan.server.start()
    daemon.start()
    assert [lease["address"] for lease in daemon.leases()] == [str(address)]


@pytest.fixture
def another_boot(tmp_path: Path) -> Iterator[None]:
    """The next daemon finds another boot-id."""
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")
    yield
    subprocess.run(["umount", BOOT_ID], check=False, capture_output=True)


@pytest.mark.usefixtures("another_boot")
def test_fault_03_after_a_reboot_known_containers_get_their_address_back_and_others_give_it_up(
    lan: Lan, host: Host, tmp_path: Path
) -> None:
    service = host.podman.service()
    host.conflist("lan", HOOKNET_MAIN)
    daemon = host.daemon(podman_url=host.podman.url)
    daemon.start()
    known = host.podman.start("known", network="lan")
    address = known.address()
    removed = host.cni.sandbox()
    stale = host.cni.add(netconf(), removed).interface.ip
    daemon.kill()
    service.kill()
    switch_off(host, "known")
    shutil.rmtree(host.podman.folder / "tmp")  # by which podman sees that the machine was off
    host.podman.socket.unlink()
    shutil.rmtree(f"/run/runc/{known.id}")
    service.start()
    removed.delete()
    run(["mount", "--bind", tmp_path / "boot_id", BOOT_ID])
    shutil.rmtree(daemon.run_dir / "tombstones")  # /run does not survive a reboot
    daemon.start()
    lan.server.wait_for_release(stale)
    eventually(lambda: daemon.leases() == [], what="what is void is forgotten")
    assert lan.server.addresses() == {address}, "the known container's lease was not left to lapse"
    host.podman("start", "known")
    assert known.address() == address
    assert lan.server.addresses() == {address}


def switch_off(host: Host, name: str) -> None:
    """What a reboot does to a container: no process and no netns, and nobody was told."""
    [row] = json.loads(host.podman("inspect", name).stdout)
    for pid in (row["State"]["ConmonPid"], row["State"]["Pid"]):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{row['State']['Pid']}").exists(), what="it is dead")


@pytest.fixture
def small_disk(host: Host) -> Iterator[Path]:
    """The daemon's state on a file system of its own, which a test can fill or make read-only."""
    folder = host.folder / "daemon1" / "state"
    folder.mkdir(parents=True, mode=0o700)
    run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder])
    yield folder
    run(["umount", "-l", folder])


def test_fault_05_a_full_disk_costs_new_containers_only_and_heals(
    lan: Lan, host: Host, small_disk: Path
) -> None:
    lan.server.restart(t1=1, t2=3, lease_time=120)
    daemon = host.daemon()
    daemon.start()
    old, new = host.cni.sandbox(), host.cni.sandbox()
    address = host.cni.add(netconf(), old).interface
    fill(small_disk)
    refused = host.cni.call("ADD", netconf(), new)
    assert refused.error["code"] == 11
    assert "journal can't be written" in refused.error["msg"]
    assert new.links() == set()
    status = daemon.status()
    assert not status["healthy"]
    assert "journal" in json.dumps(status["problems"])
    seen = lan.server.acknowledged(address.ip)
    eventually(lambda: lan.server.acknowledged(address.ip) >= seen + 2, within=10, what="renewals go on")
    (small_disk / "filler").unlink()
    host.cni.add(netconf(), new)
    assert daemon.status()["healthy"]
    daemon.crash()
    assert len(daemon.leases()) == 2
    assert old.interfaces() == [address]


def test_fault_05_hundreds_of_refused_adds_cost_nothing_while_the_disk_is_full(
    lan: Lan, host: Host, small_disk: Path
) -> None:
    daemon = host.daemon()
    daemon.start()
    old = host.cni.sandbox()
    host.cni.add(netconf(), old)
    fill(small_disk)
    new = host.cni.sandbox()
    for number in range(200):
        refused = host.cni.call("ADD", netconf(), new, ifname=f"eth{number}")
        assert refused.error["code"] == 11
    waiting = daemon.status()["store"]["detail"]
    assert re.search("; [01] changes wait in memory", waiting), f"that of the live lease at most: {waiting}"
    assert new.links() == set()
    (small_disk / "filler").unlink()
    host.cni.add(netconf(), new)
    daemon.crash()
    assert len(daemon.leases()) == 2


def fill(disk: Path) -> None:
    filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(filler, bytes(4096))
    os.close(filler)


def test_fault_05_a_read_only_disk_is_named_at_the_start(host: Host, small_disk: Path) -> None:
    run(["mount", "-o", "remount,ro", small_disk])
    with pytest.raises(RuntimeError, match=re.escape(str(small_disk))):
        host.daemon().start()


def test_fault_06_a_corrupt_database_is_set_aside_and_the_daemon_serves(
    lan: Lan, host: Host, daemon: Daemon
) -> None:
    box, another = host.cni.sandbox(), host.cni.sandbox()
    address = host.cni.add(netconf(), box).interface
    daemon.kill()
    for leftover in ("hooknet.db-wal", "hooknet.db-shm"):
        (daemon.state_dir / leftover).unlink(missing_ok=True)
    (daemon.state_dir / "hooknet.db").write_bytes(b"SQLite format 3\0" + b"\xa5" * 8192)
    daemon.start()
    assert list(daemon.state_dir.glob("hooknet.db.corrupt-*"))
    daemon.wait_for("journal was corrupt")
    assert daemon.leases() == [], "nobody has noted what this runtime attached"
    assert box.interfaces() == [address]
    host.cni.add(netconf(), another)
    host.cni.delete(netconf(), box)
    assert box.links() == set()


def spoil(daemon: Daemon) -> None:
    """The daemon is killed, and its database overwritten with rubbish."""
    daemon.kill()
    for leftover in ("hooknet.db-wal", "hooknet.db-shm"):
        (daemon.state_dir / leftover).unlink(missing_ok=True)
    (daemon.state_dir / "hooknet.db").write_bytes(b"SQLite format 3\0" + os.urandom(16384))


WAYS = {
    "main": HOOKNET_MAIN,
    "drop-in": {"type": "macvlan", "master": "host0", "ipam": {"type": "dhcp"}},
    "ipam": {"type": "bridge", "bridge": "br0", "ipam": {"type": "hooknet"}},
}


@pytest.mark.parametrize("way", WAYS)
def test_fault_06_a_lost_journal_is_rebuilt_from_what_runs(lan: Lan, host: Host, way: str) -> None:
    """Same addresses, renewals go on, hooks and DEL find their leases; and nobody else's lease is touched."""
    lan.server.restart(t1=2, t2=4, lease_time=120)
    if way == "ipam":
        host.netns.ip("link", "add", "br0", "up", "type", "bridge")
        host.netns.ip("link", "set", "host0", "master", "br0")
    host.conflist("lan", WAYS[way])
    daemon = host.following_daemon()
    daemon.start()
    boxes = [host.podman.start(name, network="lan") for name in ("one", "two")]
    before = {box.name: box.address() for box in boxes}
    known = {row["container"]: (row["client_id"], row["mac"], row["parent"]) for row in daemon.leases()}
    if way == "ipam":  # the main plugin sets the first address; from the first renewal on it ends by itself
        seen = lan.server.acknowledged(before["one"])
        eventually(lambda: lan.server.acknowledged(before["one"]) > seen, what="it was renewed once")
    spoil(daemon)
    daemon.start()

    def confirmed() -> bool:
        rows = daemon.leases()
        return len(rows) == 2 and all(row["server"] == str(lan.server.offering.server) for row in rows)

    eventually(confirmed, within=10, what="the server has confirmed what was rebuilt")
    after = {row["container"]: (row["client_id"], row["mac"], row["parent"]) for row in daemon.leases()}
    assert after == known
    assert {box.name: box.address() for box in boxes} == before
    assert set(before.values()) == lan.server.addresses()
    assert "corrupt" in json.dumps(daemon.status()["problems"])
    seen = lan.server.acknowledged(before["two"])
    eventually(lambda: lan.server.acknowledged(before["two"]) > seen, within=15, what="renewals go on")
    boxes[0].rm()
    lan.server.wait_for_release(before["one"])
    assert lan.server.addresses() == {before["two"]}
    again = host.podman.start("one", network="lan")
    assert again.address() == before["one"]


def test_fault_06_a_container_that_goes_while_its_lease_is_in_doubt_costs_no_other_lease(
    lan: Lan, host: Host
) -> None:
    """The server is away at the start: the address stays in use, and the lease lapses when its container goes."""
    host.conflist("lan", HOOKNET_MAIN)
    daemon = host.following_daemon()
    daemon.start()
    stays, goes = (host.podman.start(name, network="lan") for name in ("stays", "goes"))
    address = stays.address()
    lan.server.stop()
    spoil(daemon)
    daemon.start()
    assert {row["server"] for row in daemon.leases()} == {"0.0.0.0"}
    goes.rm()
    assert [row["container"] for row in daemon.leases()] == ["stays"]
    assert stays.address() == address
    lan.server.start()
    eventually(
        lambda: [row["server"] for row in daemon.leases()] == [str(lan.server.offering.server)],
        within=40,
        what="the server that came back has confirmed it",
    )
    assert stays.address() == address


def test_fault_06_a_newer_database_is_refused_with_a_clear_text(host: Host, daemon: Daemon) -> None:
    daemon.stop()
    with sqlite3.connect(daemon.state_dir / "hooknet.db") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match="written by a newer hooknet"):
        daemon.start()


def test_fault_33_a_second_daemon_on_the_same_state_says_who_has_it(
    lab: Lab, host: Host, daemon: Daemon
) -> None:
    second = host.daemon(run_dir=host.folder / "run2")
    second.command = [word.replace("daemon2/state", "daemon1/state") for word in second.command]
    with pytest.raises(RuntimeError, match="ended") as ended:
        second.start()
    assert str(daemon.state_dir) in str(ended.value)
    assert daemon.alive


def test_fault_34_sockets_that_a_killed_daemon_left_are_no_hindrance(host: Host, daemon: Daemon) -> None:
    daemon.kill()
    assert daemon.cni_socket.is_socket()
    daemon.start()
    host.cni.add(netconf(), host.cni.sandbox())
