"""The numbers: counted as things happen, read when Prometheus asks."""

from __future__ import annotations

from typing import Any

import control_fakes as fakes
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from hooknet.frontends.metrics import Metrics
from hooknet.lifecycle.bus import EventBus


def samples(metrics: Any) -> Any:
    """Every sample of a scrape: (name, labels) to number."""
    return parsed(metrics.render().decode())


def parsed(text: Any) -> Any:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def counted() -> Any:
    """`counted(event, event, …)`: the samples after these events of the bus."""

    def run(*events: Any) -> Any:
        metrics, bus = Metrics(), EventBus()
        bus.listen(metrics.observe)
        for event in events:
            bus.publish(**event)
        return samples(metrics)

    return run


def test_an_add_and_a_del_are_timed(counted: Any) -> None:
    found = counted(
        {"kind": "add", "ms": 14.0},
        {"kind": "add", "ms": 26.0},
        {"kind": "add-failed", "ms": 10_000.0, "error": "no-lease"},
        {"kind": "del", "ms": 22.0},
    )
    assert found["hooknet_add_seconds_count", (("result", "ok"),)] == 2
    assert found["hooknet_add_seconds_sum", (("result", "ok"),)] == pytest.approx(0.040)
    assert found["hooknet_add_seconds_bucket", (("le", "0.015"), ("result", "ok"))] == 1
    assert found["hooknet_add_seconds_sum", (("result", "error"),)] == 10
    assert found["hooknet_add_failures_total", (("error", "no-lease"),)] == 1
    assert found["hooknet_del_seconds_count", ()] == 1


def test_messages_retries_reasons_events_and_actions_are_counted(counted: Any) -> None:
    found = counted(
        {"kind": "dhcp", "direction": "sent", "message": "DISCOVER"},
        {"kind": "dhcp", "direction": "sent", "message": "DISCOVER", "retry": True},
        {"kind": "dhcp", "direction": "received", "message": "OFFER"},
        {"kind": "lease", "reason": "RENEWED"},
        {"kind": "release", "reason": "VANISHED"},
        {"kind": "podman", "action": "died"},
        {"kind": "podman", "state": "lost"},
        {"kind": "reconcile", "action": "release"},
    )
    assert found["hooknet_dhcp_messages_total", (("direction", "sent"), ("type", "DISCOVER"))] == 2
    assert found["hooknet_dhcp_messages_total", (("direction", "received"), ("type", "OFFER"))] == 1
    assert found["hooknet_dhcp_retries_total", (("type", "DISCOVER"),)] == 1
    assert found["hooknet_lease_events_total", (("reason", "RENEWED"),)] == 1
    assert found["hooknet_releases_total", (("reason", "VANISHED"),)] == 1
    assert found["hooknet_podman_events_total", ()] == 1
    assert found["hooknet_reconcile_actions_total", (("action", "release"),)] == 1


def test_every_reason_is_there_from_the_start_with_nought(counted: Any) -> None:
    found = counted()
    for reason in ("DETACHED", "VANISHED", "EXPIRED", "NAK", "DECLINED"):
        assert found["hooknet_releases_total", (("reason", reason),)] == 0


def test_a_message_with_a_made_up_type_does_not_make_a_new_label(counted: Any) -> None:
    found = counted({"kind": "dhcp", "direction": "sideways", "message": "x" * 1000})
    assert found["hooknet_dhcp_messages_total", (("direction", "received"), ("type", "other"))] == 1


def test_what_is_comes_from_the_daemon_at_the_moment_of_the_scrape(api: Any, ask: Any) -> None:
    status, text = ask(api, "GET", "/metrics")
    assert status == 200
    found = parsed(text)
    assert found["hooknet_leases", (("state", "BOUND"),)] == 2
    assert found["hooknet_healthy", ()] == 1
    assert found["hooknet_podman_stream_up", (("url", "unix:///run/podman/podman.sock"),)] == 1
    assert found["hooknet_podman_stream_up", (("url", "unix:///run/other.sock"),)] == 0
    assert found["hooknet_parent_up", (("parent", "enp0s31f6"),)] == 1
    assert found["hooknet_plugin_calls_total", (("plugin", "dns"),)] == 7
    assert found["hooknet_plugin_failures_total", (("plugin", "dns"),)] == 2
    assert found["process_open_fds", ()] > 0

    api.sources.held = [fakes.view(state="RENEWING")]
    api.sources.health = fakes.sick()
    found = parsed(ask(api, "GET", "/metrics")[1])
    assert ("hooknet_leases", (("state", "BOUND"),)) not in found
    assert found["hooknet_leases", (("state", "RENEWING"),)] == 1
    assert found["hooknet_healthy", ()] == 0


def test_every_metric_that_is_shown_is_named_for_the_documentation(api: Any, ask: Any) -> None:
    shown = {
        line.split()[2]
        for line in ask(api, "GET", "/metrics")[1].splitlines()
        if line.startswith("# TYPE hooknet_")
    }
    created = {name for name in shown if name.endswith("_created")}
    assert shown - created == api.metrics.names()


def test_the_library_s_global_registry_stays_out_of_it() -> None:
    before = {metric.name for metric in REGISTRY.collect()}
    Metrics()
    Metrics()
    assert {metric.name for metric in REGISTRY.collect()} == before
    assert not any(name.startswith("hooknet") for name in before)
