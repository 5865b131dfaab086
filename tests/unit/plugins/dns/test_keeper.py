"""The keeper's decisions, with a model of DNS in the place of servers: what is claimed, withdrawn and handed over."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import hooknet
from hooknet.testing import make_attachment, make_lease
from hooknet_dns import keeper as keeping
from hooknet_dns.keeper import Keeper
from hooknet_dns.registry import Registration, Registry, Rows
from hooknet_dns.settings import Config, Policies

SETTINGS: dict[str, Any] = {
    "name": "{name}.{network}.lan.example",
    "servers": ("192.0.2.53",),
    "key_file": "/unread",
}
NAME = "web.lan.lan.example"
PTR = "50.2.0.192.in-addr.arpa"
TWIN = make_attachment(container_id="twin")


@dataclass
class Model:
    """DNS as `hooknet_dns.updates` leaves it: names and addresses with their marks. `down` makes everything Retry."""

    names: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    pointers: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    down: bool = False
    calls: list[str] = field(default_factory=list)

    def claim(self, row: Registration, *, succeed: bool) -> bool:
        self._heard(f"claim {row.name} {row.address}{' succeed' if succeed else ''}")
        if self.names.get(row.name, ("", row.dhcid))[1] != row.dhcid:
            return False
        self.names[row.name] = (row.address, row.dhcid)
        if row.reverse_zone and (succeed or self.pointers.get(row.address, ("", row.dhcid))[1] == row.dhcid):
            self.pointers[row.address] = (row.name, row.dhcid)
        return True

    def withdraw(self, row: Registration, *, forward: bool = True, reverse: bool = True) -> None:
        self._heard(f"withdraw {row.name} {row.address}")
        if forward and self.names.get(row.name) == (row.address, row.dhcid):
            del self.names[row.name]
        if reverse and self.pointers.get(row.address) == (row.name, row.dhcid):
            del self.pointers[row.address]

    def _heard(self, what: str) -> None:
        if self.down:
            raise hooknet.Retry("down")
        self.calls.append(what)

    def seen(self) -> dict[str, str]:
        return {name: address for name, (address, _) in self.names.items()}

    def named(self) -> dict[str, str]:
        return {address: name for address, (name, _) in self.pointers.items()}


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def dns(model: Model, tmp_path: Path) -> Keeper:
    return make_keeper(model, tmp_path)


def make_keeper(model: Model | None, folder: Path, **settings: Any) -> Keeper:
    config = Config(**{**SETTINGS, **settings})
    log = logging.getLogger("hooknet.plugins.dns")
    return Keeper(config, Policies.of(config), Registry(folder, log), model, log)


def lease(number: int = 50, *, ago: float = 0.0, **changes: Any) -> hooknet.Lease:
    obtained = datetime.now(UTC) - timedelta(seconds=ago)
    return make_lease(**{"address": f"192.0.2.{number}/24", "obtained": obtained, **changes})


def hold(dns: Keeper, lease: hooknet.Lease, attachment: hooknet.Attachment | None = None) -> None:
    dns.hold(attachment or make_attachment(), lease, None)


def drop(dns: Keeper, lease: hooknet.Lease, attachment: hooknet.Attachment | None = None) -> None:
    dns.drop(attachment or make_attachment(), lease)


def test_records_come_and_go_with_the_lease(dns: Keeper, model: Model) -> None:
    hold(dns, lease())
    assert (model.seen(), model.named()) == ({NAME: "192.0.2.50"}, {"192.0.2.50": NAME})
    drop(dns, lease())
    assert (model.seen(), model.named()) == ({}, {})


def test_a_changed_address_never_leaves_the_name_without_one(dns: Keeper, model: Model) -> None:
    hold(dns, lease(50))
    model.calls.clear()
    hold(dns, lease(60))
    assert model.calls == [f"withdraw {NAME} 192.0.2.50", f"claim {NAME} 192.0.2.60 succeed"]
    assert (model.seen(), model.named()) == ({NAME: "192.0.2.60"}, {"192.0.2.60": NAME})


def test_old_records_that_can_not_be_withdrawn_yet_are_not_forgotten(dns: Keeper, model: Model) -> None:
    hold(dns, lease(50))
    model.down = True
    with pytest.raises(hooknet.Retry):
        hold(dns, lease(60))
    model.down = False
    hold(dns, lease(60))
    assert model.named() == {"192.0.2.60": NAME}


def test_another_client_id_moves_the_mark_of_the_name(dns: Keeper, model: Model) -> None:
    hold(dns, lease())
    hold(dns, lease(client_id=b"\1another"))
    drop(dns, lease(client_id=b"\1another"))
    assert model.seen() == {}


def test_a_release_of_an_earlier_lease_touches_nothing(dns: Keeper, model: Model) -> None:
    hold(dns, lease(50))
    hold(dns, lease(60))
    drop(dns, lease(50))
    assert model.seen() == {NAME: "192.0.2.60"}


def test_a_release_that_nobody_remembers_is_still_carried_out(dns: Keeper, model: Model) -> None:
    drop(dns, lease())
    assert model.calls == [f"withdraw {NAME} 192.0.2.50"]


def test_an_heir_keeps_the_records_that_it_shares(dns: Keeper, model: Model) -> None:
    """The same name, identity and address in another container: the old one's release comes late."""
    hold(dns, lease(ago=10))
    hold(dns, lease(), TWIN)
    drop(dns, lease(ago=10))
    assert (model.seen(), model.named()) == ({NAME: "192.0.2.50"}, {"192.0.2.50": NAME})
    drop(dns, lease(), TWIN)
    assert model.seen() == {}


def test_late_news_of_an_address_that_has_another_holder_since_is_ignored(dns: Keeper, model: Model) -> None:
    hold(dns, lease(), TWIN)
    model.calls.clear()
    hold(dns, lease(ago=5, client_id=b"\1old"), make_attachment(container_name="old"))
    assert model.calls == []


def test_a_clock_that_was_ahead_does_not_block_an_address_for_ever(dns: Keeper, model: Model) -> None:
    hold(dns, lease(ago=-86400, client_id=b"\1old"), make_attachment(container_id="o", container_name="old"))
    hold(dns, lease())
    assert model.named() == {"192.0.2.50": NAME}


def test_a_lease_that_ran_out_gets_no_records(dns: Keeper, model: Model) -> None:
    hold(dns, lease(ago=3600))
    assert model.calls == []


def test_an_infinite_lease_never_runs_out(dns: Keeper, model: Model) -> None:
    hold(dns, lease(ago=10**8, lease_time=None))
    assert model.seen() == {NAME: "192.0.2.50"}


def test_only_a_fresh_lease_succeeds_to_another_clients_ptr(dns: Keeper, model: Model) -> None:
    hold(dns, lease(ago=keeping.FRESH + 1))
    hold(dns, lease())
    assert model.calls == [f"claim {NAME} 192.0.2.50", f"claim {NAME} 192.0.2.50 succeed"]


def test_a_late_lease_succeeds_to_a_container_of_this_host(dns: Keeper, model: Model) -> None:
    old = make_attachment(container_id="old", container_name="old")
    hold(dns, lease(ago=300, client_id=b"\1old"), old)
    hold(dns, lease(ago=200))
    drop(dns, lease(ago=300, client_id=b"\1old"), old)
    assert model.named() == {"192.0.2.50": NAME}


def test_a_foreign_name_is_tried_again_for_a_while_and_then_with_each_renewal(
    dns: Keeper, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.names[NAME] = ("192.0.2.9", b"theirs")
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for clock[0] in (1000.0, 1000.0 + keeping.CONFLICT_PATIENCE - 1):
        with pytest.raises(hooknet.Retry, match="is not ours in DNS"):
            hold(dns, lease())
    clock[0] += 2
    hold(dns, lease())
    with pytest.raises(hooknet.Retry):
        hold(dns, lease())
    del model.names[NAME]
    hold(dns, lease())
    assert model.seen() == {NAME: "192.0.2.50"}


def test_a_name_of_a_sibling_is_waited_for_without_holding_up_its_release(
    dns: Keeper, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    hold(dns, lease(50))
    hold(dns, lease(60, client_id=b"\1twin"), TWIN)
    assert model.seen() == {NAME: "192.0.2.50"}
    assert "is held by 3f1c3f1c3f1c/eth0@lan and is handed over" in caplog.text
    drop(dns, lease(50))
    assert (model.seen(), model.named()) == ({NAME: "192.0.2.60"}, {"192.0.2.60": NAME})


def test_a_name_is_not_handed_over_to_a_lease_that_is_over(dns: Keeper, model: Model) -> None:
    hold(dns, lease(50))
    hold(dns, lease(60, client_id=b"\1twin"), TWIN)
    drop(dns, lease(60), TWIN)
    drop(dns, lease(50))
    assert model.seen() == {}


def test_a_hand_over_that_fails_is_made_up_for_when_the_release_is_tried_again(
    dns: Keeper, model: Model
) -> None:
    hold(dns, lease(50))
    hold(dns, lease(60, client_id=b"\1twin"), TWIN)
    down_after = model.withdraw

    def withdraw_and_go_down(row: Registration, **how: bool) -> None:
        down_after(row, **how)
        model.down = True

    model.withdraw = withdraw_and_go_down  # type: ignore[method-assign]
    with pytest.raises(hooknet.Retry):
        drop(dns, lease(50))
    model.down, model.withdraw = False, down_after  # type: ignore[method-assign]
    drop(dns, lease(50))
    assert model.seen() == {NAME: "192.0.2.60"}


def test_trouble_is_logged_once_and_its_end_too(
    dns: Keeper, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model.names[NAME] = ("192.0.2.9", b"theirs")
    for _ in range(3):
        with pytest.raises(hooknet.Retry):
            hold(dns, lease())
    assert len(caplog.records) == 1
    del model.names[NAME]
    hold(dns, lease())
    assert [record.getMessage() for record in caplog.records[1:]] == [
        f"{NAME}: all is well again",
        f"{NAME} stands for 192.0.2.50, ttl 1200 s",
    ]


def test_a_network_that_is_switched_off_loses_its_records(dns: Keeper, model: Model, tmp_path: Path) -> None:
    hold(dns, lease())
    make_keeper(model, tmp_path, name=None, mode="off").hold(make_attachment(), lease(), None)
    assert model.calls[-1] == f"withdraw {NAME} 192.0.2.50"


def test_without_any_update_mode_what_is_left_in_dns_is_said(
    dns: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hold(dns, lease())
    hosts = {"mode": "hosts", "hosts_dir": str(tmp_path / "hosts"), "servers": (), "key_file": None}
    later = make_keeper(None, tmp_path, **hosts)
    later.hold(make_attachment(), lease(), None)
    assert f"the records of {NAME} at 192.0.2.50 are left in DNS" in caplog.text
    assert (tmp_path / "hosts/lan.hosts").read_text(encoding="utf-8").endswith(f"192.0.2.50\t{NAME}\n")


def test_what_is_abandoned_is_withdrawn_and_what_an_heir_has_is_not(
    dns: Keeper, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = make_attachment(container_id="lost", container_name="lost")
    hold(dns, lease(70, client_id=b"\1lost"), lost)
    hold(dns, lease(50, ago=10))
    hold(dns, lease(50, lease_time=None), TWIN)
    later = time.time() + 3600 + keeping.ABANDONED + 60
    monkeypatch.setattr(time, "time", lambda: later)
    moments = iter(range(10**6, 10**7, 100))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
    for _ in range(3):
        hold(dns, lease(50, lease_time=None), TWIN)
    assert (model.seen(), model.named()) == ({NAME: "192.0.2.50"}, {"192.0.2.50": NAME})


def test_what_was_renewed_in_the_meantime_is_not_abandoned(
    dns: Keeper, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(dns, lease(70, lease_time=None), TWIN)
    stale = replace(model_row(dns, TWIN), obtained=1.0)
    monkeypatch.setattr(Rows, "abandoned", lambda *_: stale)
    monkeypatch.setattr(time, "monotonic", lambda: 10.0**9)
    hold(dns, lease(50), make_attachment(container_name="db"))
    assert NAME in model.seen()


def model_row(dns: Keeper, attachment: hooknet.Attachment) -> Registration:
    with dns._registry.open() as rows:
        row = rows.get(attachment)
    assert row is not None
    return row


def test_what_is_abandoned_and_can_not_be_withdrawn_holds_up_nobody(
    dns: Keeper, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(dns, lease(70, client_id=b"\1lost"), make_attachment(container_id="lost", container_name="lost"))
    later = time.time() + 3600 + keeping.ABANDONED + 60
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "monotonic", lambda: 10.0**9)

    def down(row: Registration, **_: bool) -> None:
        raise hooknet.Retry(f"down for {row.name}")

    monkeypatch.setattr(model, "withdraw", down)
    hold(dns, lease(50, lease_time=None))
    assert NAME in model.seen()


def test_a_container_that_podman_is_silent_about_keeps_its_name(model: Model, tmp_path: Path) -> None:
    dns = make_keeper(model, tmp_path, name="{label:dns}.lan.example")
    container = hooknet.Container(id="x", name="web", labels={"dns": "shop"})
    dns.hold(make_attachment(), lease(), container)
    dns.hold(make_attachment(), lease(60), None)
    assert model.seen() == {"shop.lan.example": "192.0.2.60"}


def test_a_container_without_a_name_is_said_once_and_has_no_records(
    model: Model, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dns = make_keeper(model, tmp_path, name="{label:dns}.lan.example")
    for _ in range(2):
        dns.hold(make_attachment(), lease(), hooknet.Container(id="x", name="web"))
    drop(dns, lease())
    assert model.calls == []
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == ["WARNING"]


def test_a_label_that_goes_away_takes_the_name_along(model: Model, tmp_path: Path) -> None:
    dns = make_keeper(model, tmp_path, name="{label:dns}.lan.example")
    container = hooknet.Container(id="x", name="web", labels={"dns": "shop"})
    dns.hold(make_attachment(), lease(), container)
    dns.hold(make_attachment(), lease(), replace(container, labels={}))
    assert model.seen() == {}
