"""When is a container gone? Each sentence of the rule, as a picture and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface

import pytest

from hooknet.dhcp.effects import Binding
from hooknet.lifecycle.planner import Act, Held, Known, Picture, Plan, Seen, plan
from hooknet.model import Attachment, Lease, LeaseRequest, MacvlanMode, Phase
from hooknet.store.records import Process, Record

BOOT = "boot-1"
NETNS = (4, 100)
NOW = 1000.0
PERIOD = 60.0

LEASE = Lease(
    address=IPv4Interface("10.0.0.5/24"),
    server=IPv4Address("10.0.0.1"),
    mac="02:00:00:00:00:01",
    client_id=b"\xff\x01",
    obtained=datetime(2026, 1, 1, tzinfo=UTC),
    lease_time=3600,
)
RECORD = Record(
    attachment=Attachment(
        container_id="c1", ifname="eth0", network="lan", netns="/run/netns/x", parent="eth7", generation=1
    ),
    phase=Phase.REPLIED,
    boot_id=BOOT,
    created=0.0,
    netns_id=NETNS,
    mac="02:00:00:00:00:01",
    client_id=b"\xff\x01",
    mode=MacvlanMode.BRIDGE,
    request=LeaseRequest(mac="02:00:00:00:00:01", client_id=b"\xff\x01"),
    binding=Binding(lease=LEASE, since=10.0),
    hears=True,
)
WELL = Seen(netns=NETNS, has_link=True, has_address=True)
RUNNING = {"c1": Known(running=True, process=Process(pid=9, started=1), alive=True)}
DEAD = {"c1": Known(running=True)}


def decide(
    record: Record = RECORD,
    seen: Seen = WELL,
    podman: dict[str, Known] | None = RUNNING,
    *,
    dead_since: float | None = None,
    busy: bool = False,
    has_client: bool = True,
) -> Plan:
    held = Held(record=record, busy=busy, has_client=has_client, dead_since=dead_since)
    return plan(
        Picture(now=NOW, boot_id=BOOT, period=PERIOD, held=[held], seen={record.key: seen}, podman=podman)
    )


def acts(planned: Plan) -> list[Act]:
    return [action.act for action in planned.actions]


def test_a_container_that_lives_is_left_alone() -> None:
    assert decide().actions == ()


def test_a_netns_that_is_gone_releases() -> None:
    assert acts(decide(seen=Seen(netns=None))) == [Act.RELEASE]


def test_fault_9_a_path_with_another_inode_releases() -> None:
    (action,) = decide(seen=Seen(netns=(4, 101))).actions
    assert action.act is Act.RELEASE
    assert "another inode" in action.why


def test_an_interface_that_is_gone_releases() -> None:
    assert acts(decide(seen=Seen(netns=NETNS, has_link=False))) == [Act.RELEASE]


def test_a_netns_that_cannot_be_looked_into_is_left_alone() -> None:
    assert decide(seen=Seen(netns=NETNS)).actions == ()


def test_fault_25_a_dead_process_is_noted_first_and_released_after_a_whole_period() -> None:
    first = decide(podman=DEAD)
    assert first.actions == ()
    assert first.dead_since == {(RECORD.key, RECORD.generation): NOW}
    almost = decide(podman=DEAD, dead_since=NOW - PERIOD + 1)
    assert almost.actions == ()
    assert acts(decide(podman=DEAD, dead_since=NOW - PERIOD)) == [Act.RELEASE]


def test_a_process_that_is_back_is_no_longer_counted_dead() -> None:
    assert decide(dead_since=NOW - PERIOD).dead_since == {}


def test_fault_25a_a_container_that_podman_does_not_know_is_never_released_while_its_netns_lives() -> None:
    assert decide(podman={}, dead_since=0.0).actions == ()


def test_fault_25a_nothing_is_released_for_its_process_while_podman_cannot_be_asked() -> None:
    assert decide(podman=None, dead_since=0.0).actions == ()


@pytest.mark.parametrize("podman", [None, RUNNING])
def test_fault_3_after_a_reboot_the_lease_of_a_known_container_is_left_to_lapse(
    podman: dict[str, Known] | None,
) -> None:
    assert acts(decide(replace(RECORD, boot_id="boot-0"), podman=podman)) == [Act.LAPSE]


def test_fault_3_after_a_reboot_the_lease_of_a_removed_container_is_released() -> None:
    assert acts(decide(replace(RECORD, boot_id="boot-0"), podman={})) == [Act.RELEASE]


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.LINKED, Phase.REQUESTED, Phase.BOUND])
@pytest.mark.parametrize("podman", [None, {}, DEAD, RUNNING])
def test_fault_1_what_was_left_half_made_is_undone(phase: Phase, podman: dict[str, Known] | None) -> None:
    assert acts(decide(replace(RECORD, phase=phase), podman=podman)) == [Act.UNDO]


def test_fault_1_configured_without_an_answer_is_undone_when_its_container_does_not_run() -> None:
    configured = replace(RECORD, phase=Phase.CONFIGURED)
    assert acts(decide(configured, podman=DEAD)) == [Act.UNDO]
    assert acts(decide(configured, seen=Seen(netns=NETNS, has_link=False))) == [Act.UNDO]


@pytest.mark.parametrize("podman", [None, {}, RUNNING])
def test_fault_1_configured_without_an_answer_is_kept_unless_podman_knows_better(
    podman: dict[str, Known] | None,
) -> None:
    """The answer may have arrived: a container that lives must not lose its lease."""
    assert acts(decide(replace(RECORD, phase=Phase.CONFIGURED), podman=podman)) == [Act.ADOPT]


def test_after_a_start_of_the_daemon_a_live_lease_is_restored() -> None:
    assert acts(decide(has_client=False)) == [Act.RESTORE]


def test_an_address_that_somebody_removed_is_set_again() -> None:
    assert acts(decide(seen=Seen(netns=NETNS, has_link=True, has_address=False))) == [Act.REPAIR]


def test_what_is_being_worked_on_is_left_alone() -> None:
    assert decide(seen=Seen(netns=None), busy=True).actions == ()


def test_an_l2_only_attachment_ends_with_its_netns_and_is_never_restored() -> None:
    l2 = replace(RECORD, l2_only=True, request=None, binding=None)
    assert decide(l2, has_client=False).actions == ()
    assert acts(decide(l2, seen=Seen(netns=None))) == [Act.RELEASE]
