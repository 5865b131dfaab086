"""The numbers of the daemon, in Prometheus' text format, for `/metrics`.

Two kinds of numbers. What happens is counted as it happens: `Metrics.observe` listens to the event bus, and
the small methods below it can be called directly. What *is* (leases by state, podman's streams, plugins) is
read from the daemon at the moment of a scrape, so that it can't drift from the truth.

A registry of our own, never the library's global one: two daemons in one test process must not share
numbers. Labels take few values by construction (states, reasons, message types, plugin names), so a flood
can't grow the memory. docs/reference/control-api.md lists every metric; a test holds it to this file.
"""

from __future__ import annotations

from collections import Counter as Counts
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric

    from hooknet.frontends.control.sources import Sources

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. An ADD takes 10 to 30 ms when all is well and up to its deadline, 10 s by default, when it is not.
BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

MESSAGES = frozenset(
    {"DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"},
)


class Metrics:
    """Counts what happens. `observe` is a listener of the event bus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        self._add = Histogram(
            "hooknet_add_seconds", "Time to attach, by result", ["result"], buckets=BUCKETS, registry=registry
        )
        self._add_failures = Counter(
            "hooknet_add_failures", "Attachments that failed, by kind of error", ["error"], registry=registry
        )
        self._del = Histogram("hooknet_del_seconds", "Time to detach", buckets=BUCKETS, registry=registry)
        self._leases = Counter(
            "hooknet_lease_events", "Leases obtained or kept, by reason", ["reason"], registry=registry
        )
        self._releases = Counter(
            "hooknet_releases", "Leases given back or lost, by reason", ["reason"], registry=registry
        )
        self._messages = Counter(
            "hooknet_dhcp_messages",
            "DHCP messages, by direction and type",
            ["direction", "type"],
            registry=registry,
        )
        self._retries = Counter(
            "hooknet_dhcp_retries", "DHCP messages that were sent again, by type", ["type"], registry=registry
        )
        self._podman = Counter("hooknet_podman_events", "Events read from podman", registry=registry)
        self._actions = Counter(
            "hooknet_reconcile_actions",
            "What reconciling had to put right, by action",
            ["action"],
            registry=registry,
        )
        self._prepare_labels()

    def watch(self, sources: Sources) -> None:
        """From now on each scrape also shows what `sources` says. Once per `Metrics`."""
        self.registry.register(Scrape(sources))

    def render(self) -> bytes:
        """The text format, version 0.0.4 (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def names(self) -> set[str]:
        """The name of every metric that a scrape may show, without the process's own (`process_*`)."""
        shown = (*self.registry.collect(), *families({}))
        ours = (metric for metric in shown if metric.name.startswith("hooknet_"))
        return {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in ours}

    def added(self, seconds: float) -> None:
        self._add.labels("ok").observe(seconds)

    def add_failed(self, error: str, seconds: float) -> None:
        """`error`: the value of a `hooknet.errors.Kind`."""
        self._add.labels("error").observe(seconds)
        self._add_failures.labels(error).inc()

    def deleted(self, seconds: float) -> None:
        self._del.observe(seconds)

    def leased(self, reason: str) -> None:
        self._leases.labels(reason).inc()

    def released(self, reason: str) -> None:
        self._releases.labels(reason).inc()

    def dhcp(self, direction: str, message: str, *, retry: bool = False) -> None:
        """`direction`: `sent` or `received`; `message`: the type's name; anything else counts as `other`."""
        kind = message if message in MESSAGES else "other"
        self._messages.labels("sent" if direction == "sent" else "received", kind).inc()
        if retry:
            self._retries.labels(kind).inc()

    def podman_event(self) -> None:
        self._podman.inc()

    def reconciled(self, action: str) -> None:
        self._actions.labels(action).inc()

    def observe(self, event: Mapping[str, Any]) -> None:
        """Count one event of the bus. Events that carry no number are left alone."""
        match event:
            case {"kind": "add"}:
                self.added(seconds(event))
            case {"kind": "add-failed"}:
                self.add_failed(str(event.get("error", "internal")), seconds(event))
            case {"kind": "del"}:
                self.deleted(seconds(event))
            case {"kind": "lease", "reason": reason}:
                self.leased(str(reason))
            case {"kind": "release", "reason": reason}:
                self.released(str(reason))
            case {"kind": "dhcp", "message": message}:
                self.dhcp(str(event.get("direction")), str(message), retry=bool(event.get("retry")))
            case {"kind": "podman", "action": _}:
                self.podman_event()
            case {"kind": "reconcile", "action": action}:
                self.reconciled(str(action))

    def _prepare_labels(self) -> None:
        """Show the usual labels from the start: a rate over a counter that appears late misses its first."""
        for result in ("ok", "error"):
            self._add.labels(result)
        for message in ("DISCOVER", "REQUEST", "DECLINE", "RELEASE"):
            self._messages.labels("sent", message)
        for message in ("OFFER", "ACK", "NAK"):
            self._messages.labels("received", message)
        for message in ("DISCOVER", "REQUEST"):
            self._retries.labels(message)
        for reason in ("BOUND", "RENEWED", "REBOUND", "CHANGED", "RESTORED"):
            self._leases.labels(reason)
        for reason in ("DETACHED", "VANISHED", "EXPIRED", "NAK", "DECLINED"):
            self._releases.labels(reason)


def seconds(event: Mapping[str, Any]) -> float:
    """How long the event took: its `ms`, as seconds."""
    return float(event.get("ms", 0.0)) / 1000


GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hooknet_build_info": ("The version that runs", ("version",)),
    "hooknet_healthy": ("1 when nothing is wrong", ()),
    "hooknet_uptime_seconds": ("Since the daemon started", ()),
    "hooknet_store_ok": ("1 when the journal can be written", ()),
    "hooknet_podman_stream_up": ("1 while podman's events are followed", ("url",)),
    "hooknet_parent_up": ("1 while the parent is up and has a carrier", ("parent",)),
    "hooknet_leases": ("Attachments, by the state of their lease", ("state",)),
    "hooknet_plugin_active": ("1 while the plugin is called", ("plugin",)),
}
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "hooknet_plugin_calls": ("Calls of a plugin's hooks", ("plugin",)),
    "hooknet_plugin_failures": ("Calls that failed or took too long", ("plugin",)),
}
Samples = list[tuple[tuple[str, ...], float]]  # the labels' values, and the number


class Scrape(Collector):
    """Reads the daemon while Prometheus waits."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        """The names, without asking the daemon: the registry looks for duplicates with them."""
        return families({})

    def collect(self) -> Iterable[Metric]:
        return families(self._status() | self._leases() | self._plugins())

    def _status(self) -> dict[str, Samples]:
        status = self._sources.status()
        return {
            "hooknet_build_info": [((status.version,), 1.0)],
            "hooknet_healthy": [((), float(status.healthy))],
            "hooknet_uptime_seconds": [((), status.uptime_s)],
            "hooknet_store_ok": [((), float(status.store.state == "ok"))],
            "hooknet_podman_stream_up": [
                ((stream.url,), float(stream.state == "following")) for stream in status.podman
            ],
            "hooknet_parent_up": [((parent.name,), float(parent.carrier)) for parent in status.parents],
        }

    def _leases(self) -> dict[str, Samples]:
        states = Counts(view.state for view in self._sources.leases())
        return {"hooknet_leases": [((state,), float(number)) for state, number in sorted(states.items())]}

    def _plugins(self) -> dict[str, Samples]:
        reports = self._sources.plugins()
        return {
            "hooknet_plugin_active": [
                ((report.name,), float(report.state == "active")) for report in reports
            ],
            "hooknet_plugin_calls": [((report.name,), float(report.calls)) for report in reports],
            "hooknet_plugin_failures": [((report.name,), float(report.failures)) for report in reports],
        }


def families(samples: Mapping[str, Samples]) -> list[Metric]:
    """Every metric of a scrape, with its samples."""
    found: list[Metric] = []
    for family, table in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
        for name, (what, labels) in table.items():
            metric = family(name, what, labels=labels)
            for values, number in samples.get(name, ()):
                metric.add_metric(values, number)
            found.append(metric)
    return found
