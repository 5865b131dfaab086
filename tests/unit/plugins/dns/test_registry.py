"""The plugin's memory: what is written stays, what can't be read is put aside, and nobody sees half a change."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hooknet.testing import make_attachment
from hooknet_dns.registry import FILE, Registration, Registry

ROW = Registration(
    container_id=make_attachment().container_id,
    ifname="eth0",
    network="lan",
    mode="update",
    name="web.lan.example",
    place="lan.example",
    reverse_zone="2.0.192.in-addr.arpa",
    address="192.0.2.50",
    dhcid=b"\0\2\1mark",
    ttl=1200,
    obtained=1000.5,
    expires=4600.5,
)
OTHER = replace(ROW, container_id="other", obtained=2000.0, expires=None)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path, logging.getLogger("test"))


def put(registry: Registry, *rows: Registration) -> None:
    with registry.open() as open_rows:
        for row in rows:
            open_rows.put(row)


def test_what_is_put_is_there_after_a_restart(registry: Registry, tmp_path: Path) -> None:
    waiting = replace(ROW, held=False, expires=None)
    put(registry, ROW, replace(ROW, held=False), waiting)
    with Registry(tmp_path, logging.getLogger("test")).open() as rows:
        assert rows.get(make_attachment()) == waiting
        assert rows.get(make_attachment(ifname="eth1")) is None
        rows.remove(ROW)
        assert rows.get(make_attachment()) is None


def test_others_of_an_address_or_a_name_are_found_without_ourselves(registry: Registry) -> None:
    elsewhere = replace(OTHER, container_id="x", network="guests", name="db.lan.example", place="other")
    put(registry, ROW, OTHER, elsewhere)
    with registry.open() as rows:
        assert rows.of_address(ROW) == rows.of_name(ROW) == [OTHER]
        assert rows.of_name(OTHER) == [ROW]
        assert rows.of_address(replace(ROW, address="192.0.2.51")) == []


def test_what_was_abandoned_is_the_oldest_first_and_never_what_does_not_expire(registry: Registry) -> None:
    older = replace(ROW, container_id="older", expires=4000.0)
    put(registry, ROW, OTHER, older)
    with registry.open() as rows:
        assert rows.abandoned(3999.0) is None
        assert rows.abandoned(9999.0) == older


def test_a_change_that_fails_is_no_change(registry: Registry) -> None:
    def half_a_change() -> None:
        with registry.open() as rows:
            rows.put(ROW)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half_a_change()
    with registry.open() as rows:
        assert rows.get(ROW) is None


def test_a_memory_that_is_no_database_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_text("this is no database, and is long enough to be seen as none" * 20)
    put(Registry(tmp_path, logging.getLogger("test")), ROW)
    assert "put aside" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "registered.broken"}


def test_threads_take_turns(registry: Registry) -> None:
    def live(number: int) -> None:
        for _ in range(5):
            put(registry, replace(ROW, container_id=str(number)))

    threads = [threading.Thread(target=live, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with registry.open() as rows:
        assert len(rows.of_address(ROW)) == 8
