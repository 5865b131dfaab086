"""Tables to dataclasses: strict at any depth, and every error names its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Literal

import pytest

from hooknet.binding import Duration, bind, parse_duration
from hooknet.errors import HooknetError, Kind


@dataclass(frozen=True, kw_only=True)
class Host:
    address: IPv4Address
    port: int = 53

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port = {self.port} is not valid: give 1 to 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str = "*"
    lease_time: Duration | Literal["default"] = "default"
    hosts: tuple[Host, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    rules: tuple[Rule, ...] = ()
    more: list[Rule] = field(default_factory=list)
    networks: Mapping[str, Rule] = field(default_factory=dict)
    only: Rule | None = None
    pauses: tuple[Duration, ...] = ()
    budget: Duration | None = None
    allowed: tuple[IPv4Address, ...] = ()


def bound(**table: Any) -> Config:
    return bind(Config, table, "[plugins.x]")


def test_tables_within_tables_become_dataclasses_and_durations_seconds() -> None:
    config = bound(
        rules=[{"name": "a", "lease-time": "5m", "hosts": [{"address": "192.0.2.1"}]}],
        more=[{"lease_time": "default"}],
        networks={"lan": {"lease_time": "1h"}},
        only={"name": "b"},
        pauses=["1s", 2],
        budget="90s",
    )
    assert config.rules == (Rule(name="a", lease_time=300, hosts=(Host(address=IPv4Address("192.0.2.1")),)),)
    assert config.more == [Rule()]
    assert config.networks == {"lan": Rule(lease_time=3600)}
    assert (config.only, config.pauses, config.budget) == (Rule(name="b"), (1, 2), 90)


def test_what_may_be_absent_may_be_null() -> None:
    assert (bound(only=None).only, bound(budget=None).budget) == (None, None)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"rulez": []}, "[plugins.x]: unknown key 'rulez'; did you mean 'rules'?"),
        ({"rules": [{}, {"nmae": "x"}]}, "[plugins.x]: rules[1]: unknown key 'nmae'; did you mean 'name'?"),
        ({"networks": {"lan": {"nmae": "x"}}}, "[plugins.x]: networks.lan: unknown key 'nmae'"),
        ({"only": {"nmae": "x"}}, "[plugins.x]: only: unknown key 'nmae'"),
        ({"rules": [{"hosts": [{"port": 1}]}]}, "[plugins.x]: rules[0]: hosts[0]: address is missing"),
        ({"rules": [{"hosts": [{"address": "x"}]}]}, "rules[0]: hosts[0]: address: Expected 4 octets in 'x'"),
        (
            {"rules": [{"hosts": [{"address": "192.0.2.1", "port": 0}]}]},
            "[plugins.x]: rules[0]: hosts[0]: port = 0 is not valid: give 1 to 65535",
        ),
        ({"rules": [{"name": 3}]}, "[plugins.x]: rules[0]: name: Expected text, got a whole number"),
        ({"rules": [{"lease_time": "soon"}]}, "rules[0]: lease_time: expected seconds or a duration"),
        ({"rules": [{"lease_time": True}]}, "rules[0]: lease_time: expected seconds or a duration"),
        ({"rules": {"name": "x"}}, "[plugins.x]: rules: {'name': 'x'} is not a list"),
        ({"rules": ["x"]}, "[plugins.x]: rules[0]: 'x' is not a table"),
        ({"networks": ["x"]}, "[plugins.x]: networks: ['x'] is not a table"),
        ({"pauses": ["1s", "x"]}, "[plugins.x]: pauses[1]: expected seconds"),
        ({"pauses": None}, "[plugins.x]: pauses: None is not a list"),
        ({"allowed": ["192.0.2.1", "192.0.2.x"]}, "[plugins.x]: allowed[1]: "),
    ],
    ids=str,
)
def test_a_mistake_at_any_depth_is_named_with_its_place(table: dict[str, Any], says: str) -> None:
    with pytest.raises(HooknetError) as caught:
        bound(**table)
    assert caught.value.kind is Kind.BAD_CONFIG
    assert says in str(caught.value)


def test_a_hint_goes_with_what_is_of_the_wrong_type() -> None:
    with pytest.raises(HooknetError) as caught:
        bind(Config, {"rules": [{"name": 3}]}, "here", hint="see the manual")
    assert caught.value.hint == "see the manual"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("2d", 172800), (7, 7), ("infinite", 2**32 - 1)],
)
def test_durations(given: object, seconds: float) -> None:
    assert parse_duration(given) == seconds


@pytest.mark.parametrize("given", ["", "m", "٣m", "-5m", -1, True, "5x", float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(given)
