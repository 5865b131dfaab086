"""short-lease: which rule decides, what is asked for, and when a server is complained of."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address
from pathlib import Path

import pytest

import hooknet
from hooknet.testing import make_attachment, make_container, make_lease
from hooknet.testing.plugins import PluginHarness
from hooknet_short_lease import Config, make_plugin
from hooknet_short_lease.rules import seconds

DOCS = Path(__file__).parents[4] / "docs" / "plugins" / "short-lease.md"
RENEWED = hooknet.PostLeaseReason.RENEWED


def plugin(**settings):
    return PluginHarness(make_plugin, settings=settings, name="short-lease")


def asked(harness, attachment=None, container=None):
    return harness.pre_lease(attachment, container=container).lease_time


def rule(**conditions):
    return {"lease_time": "5m", **conditions}


# who decides


def test_without_a_wish_there_is_nothing_to_do():
    assert plugin().inert


def test_every_lease_can_be_asked_to_be_short():
    assert asked(plugin(lease_time="10m")) == 600


@pytest.mark.parametrize(
    "conditions",
    [{"network": "lan"}, {"network": "l*"}, {"name": "w?b"}, {"name": "web", "network": "lan"}],
    ids=str,
)
def test_a_rule_whose_conditions_hold_decides(conditions):
    assert asked(plugin(rules=[rule(**conditions)])) == 300


@pytest.mark.parametrize(
    "conditions",
    [{"network": "other"}, {"name": "we"}, {"name": "WEB"}, {"name": "web", "network": "other"}],
    ids=str,
)
def test_a_rule_with_one_condition_that_does_not_hold_does_not_decide(conditions):
    assert asked(plugin(rules=[rule(**conditions)])) is None


@pytest.mark.parametrize(
    "conditions",
    [{"image": "localhost/*"}, {"label": "org.example.tier"}, {"label": "org.example.tier=fr*"}],
    ids=str,
)
def test_a_rule_may_be_about_image_and_labels(conditions):
    harness = plugin(rules=[rule(**conditions)])
    assert asked(harness, container=make_container()) == 300
    assert asked(harness, container=make_container(image="other", labels={"tier": "front"})) is None


def test_a_label_with_another_value_does_not_hold():
    harness = plugin(rules=[rule(label="tier=fr*")])
    assert asked(harness, container=make_container(labels={"tier": "back"})) is None


def test_a_rule_never_guesses_what_is_not_known():
    assert asked(plugin(rules=[rule(image="*")]), container=None) is None
    assert asked(plugin(rules=[rule(name="*")]), make_attachment(container_name=None)) is None


def test_the_first_rule_that_holds_decides_and_may_leave_the_servers_own_time():
    harness = plugin(
        lease_time="1h",
        rules=[{"name": "db-*", "lease_time": "default"}, rule(network="ci-*"), rule(name="w*")],
    )
    assert asked(harness, make_attachment(container_name="db-1", network="ci-1")) is None
    assert asked(harness, make_attachment(network="ci-1")) == 300
    assert asked(harness, make_attachment(container_name="other")) == 3600


def test_a_containers_own_label_comes_before_every_rule():
    harness = plugin(label="hooknet.lease", rules=[rule(network="*")])
    assert asked(harness, container=make_container(labels={"hooknet.lease": "2m"})) == 120
    assert asked(harness, container=make_container()) == 300
    assert asked(harness, container=None) == 300


def test_a_label_with_nonsense_is_told_and_the_rules_decide(caplog):
    harness = plugin(label="hooknet.lease", rules=[rule(network="*")])
    assert asked(harness, container=make_container(labels={"hooknet.lease": "soon"})) == 300
    assert "web: label hooknet.lease: 'soon' is no lease time" in caplog.text


def test_labels_of_containers_are_ignored_unless_one_is_configured():
    assert asked(plugin(lease_time="1h"), container=make_container(labels={"hooknet.lease": "2m"})) == 3600


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({"lease_time": "5m"}, False),
        ({"rules": [rule(network="*"), rule(name="x")]}, False),
        ({"rules": [rule(network="*"), rule(image="x")]}, True),
        ({"rules": [rule(label="x")]}, True),
        ({"label": "hooknet.lease"}, True),
    ],
    ids=str,
)
def test_containers_are_looked_up_only_when_a_rule_needs_it(settings, needs):
    harness = plugin(**settings)
    assert ("container" in harness.takes("pre_lease")) is needs
    assert ("container" in harness.takes("post_lease")) is needs


# times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (90, 90),
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        ("1.5h", 5400),
        ("2 d", 172800),
        ("infinite", 0xFFFFFFFF),
    ],
)
def test_a_time_is_seconds_or_text_with_a_unit(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "m", "5 minutes", "-5m", "9", 0, True, None, "9" * 30, "1e9", "٣٣", "5m\n5m"]
)
def test_what_is_no_time_or_too_short_is_refused(text):
    with pytest.raises(ValueError, match="is no lease time"):
        seconds(text)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"rules": [rule(), {"nmae": "x", "lease_time": "5m"}]},
            "rules[1]: unknown key 'nmae'; did you mean 'name'",
        ),
        ({"rules": [{"name": "x"}]}, "rules[0]: lease_time is missing"),
        ({"rules": [rule(name=3)]}, "rules[0]: name: Expected text, got a whole number"),
        (
            {"rules": [rule(lease_time="soon")]},
            "rules[0]: lease_time: expected seconds or a duration such as \"5m\", got 'soon'",
        ),
        ({"rules": [rule(lease_time="5s")]}, "rules[0]: 5.0 is no lease time: give 10 seconds or more"),
        ({"lease_time": "1s"}, "give 10 seconds or more"),
        ({"lables": "x"}, "did you mean 'label'"),
    ],
    ids=str,
)
def test_wrong_settings_are_told_with_their_place(settings, words):
    with pytest.raises(hooknet.HooknetError) as caught:
        plugin(**settings)
    assert words in str(caught.value)


# a server that grants more


def test_a_server_that_ignores_the_wish_is_told_once_with_the_remedy(caplog):
    harness = plugin(lease_time="5m")
    harness.post_lease(lease=make_lease(lease_time=86400))
    harness.post_lease(lease=make_lease(lease_time=86400), attachment=make_attachment(container_name="other"))
    [said] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "192.0.2.1 on network lan granted 86400 s where 300 s was asked for" in said.getMessage()
    assert "min-valid-lifetime in Kea" in said.getMessage()


def test_an_infinite_lease_is_more_than_any_wish(caplog):
    plugin(lease_time="5m").post_lease(lease=make_lease(lease_time=None))
    assert "granted an infinite lease where 300 s was asked for" in caplog.text


def test_each_server_is_told_of(caplog):
    harness = plugin(lease_time="5m")
    for last in (1, 2):
        harness.post_lease(lease=make_lease(lease_time=86400, server=IPv4Address(f"192.0.2.{last}")))
    assert len(caplog.records) == 2


@pytest.mark.parametrize("granted", [60, 300])
def test_a_server_that_grants_what_was_asked_or_less_is_fine(caplog, granted):
    plugin(lease_time="5m").post_lease(lease=make_lease(lease_time=granted))
    assert not caplog.records


def test_nothing_is_said_where_nothing_was_asked(caplog):
    plugin(rules=[rule(network="other")]).post_lease(lease=make_lease(lease_time=86400))
    assert not caplog.records


def test_renewals_are_not_judged_again(caplog):
    plugin(lease_time="5m").post_lease(lease=make_lease(lease_time=86400), reason=RENEWED)
    assert not caplog.records


def test_nothing_is_compared_when_the_container_is_not_known(caplog):
    plugin(label="hooknet.lease", lease_time="5m").post_lease(lease=make_lease(lease_time=86400))
    assert not caplog.records


@pytest.mark.parametrize("setting", [*Config.__dataclass_fields__, "network", "name", "image"])
def test_each_setting_is_documented(setting):
    assert f"`{setting}`" in DOCS.read_text(encoding="utf-8")
