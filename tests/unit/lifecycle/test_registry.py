"""The entries in memory: who holds an identity, and whose ARP is no conflict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hooknet.config import NetworkSettings
from hooknet.lifecycle.entries import DYING, Entry, Registry
from hooknet.model import Attachment, Phase
from hooknet.store.records import Record

NOW = 1000.0
MINE, SIBLING, DEAD, RIVAL = (f"02:00:00:00:00:0{number}" for number in range(1, 5))


def entry(container: str, ifname: str, mac: str, identity: bytes) -> Entry:
    attachment = Attachment(
        container_id=container,
        ifname=ifname,
        network="lan",
        netns="/run/netns/x",
        parent="eth7",
        generation=1,
    )
    record = Record(
        attachment=attachment,
        phase=Phase.REPLIED,
        boot_id="b",
        created=0.0,
        netns_id=(1, 2),
        mac=mac,
        client_id=identity,
    )
    return Entry(record, NetworkSettings())


@pytest.fixture
def mine() -> Entry:
    return entry("c1", "eth0", MINE, b"1")


@pytest.fixture
def registry(mine: Entry) -> Registry:
    registry = Registry()
    registry.add(mine)
    registry.add(entry("c1", "eth1", SIBLING, b"2"))
    registry.add(entry("c2", "eth0", RIVAL, b"3"))
    return registry


def test_another_container_is_a_rival_and_the_own_ones_interfaces_are_not(
    registry: Registry, mine: Entry
) -> None:
    assert not registry.is_no_rival(mine, RIVAL, NOW)
    assert registry.is_no_rival(mine, SIBLING, NOW)
    assert registry.is_no_rival(mine, MINE, NOW)


def test_an_interface_that_dies_with_its_netns_is_no_rival_for_a_while(
    registry: Registry, mine: Entry
) -> None:
    assert not registry.is_no_rival(mine, DEAD, NOW)
    registry.left_dying(DEAD, NOW)
    assert registry.is_no_rival(mine, DEAD, NOW + DYING - 1)
    assert not registry.is_no_rival(mine, DEAD, NOW + DYING)


def test_what_has_died_is_forgotten(registry: Registry) -> None:
    for number in range(10_000):
        registry.left_dying(f"mac {number}", NOW + number)
    assert len(registry._dying) <= DYING + 1


def test_the_end_of_a_predecessor_does_not_take_the_identity_from_its_successor(
    registry: Registry, mine: Entry
) -> None:
    successor = Entry(
        replace(mine.record, attachment=replace(mine.record.attachment, generation=2)), mine.settings
    )
    registry.add(successor)
    registry.remove(mine)
    assert registry.holder(b"1") is successor
    assert registry.get(mine.key) is successor


def test_a_crowd_is_of_one_parent() -> None:
    registry = Registry()
    for number in range(3):
        registry.add(entry(f"c{number}", "eth0", f"02:00:00:00:00:0{number}", bytes([number])))
    parent = next(iter(registry)).parent
    assert [registry.is_crowded(parent, count) for count in (0, 1, 3, 4)] == [True, True, True, False]
    assert not registry.is_crowded("another0", 1)
