"""The composition root: the only place where everything meets.

The order of a start: capabilities, configuration, folders, lock, journal, plugins, podman, lifecycle, sockets,
ready. The sockets listen before anything is recovered (callers wait in the backlog) and are served as soon as the
journal is read; what an earlier daemon left is reconciled beside that, attachment by attachment, under its lock.
The order of a stop: no new callers, running ADDs finish (bounded), deliveries in flight end, every lease is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from hooknet import __version__, folders, logs
from hooknet.config import DEFAULT_RUN_DIR, DEFAULT_STATE_DIR, Config, LogFormat, LogLevel, load
from hooknet.errors import CODES, HooknetError, Kind
from hooknet.frontends.cni_socket import CniServer
from hooknet.frontends.control.server import ControlServer
from hooknet.frontends.metrics import Metrics
from hooknet.frontends.remains import PodmansTraces, of_libcni
from hooknet.frontends.tombstones import Tombstones
from hooknet.hooks import Plugins, PluginState
from hooknet.kernel.capabilities import missing_capabilities
from hooknet.kernel.pool import KernelPool
from hooknet.kernel.watch import Change, LinkEvent, LinkWatcher
from hooknet.lifecycle.bus import EventBus
from hooknet.lifecycle.entries import Registry
from hooknet.lifecycle.identity import Host
from hooknet.lifecycle.linux import LinuxMachine
from hooknet.lifecycle.rebuilding import Rebuilt
from hooknet.lifecycle.service import Lifecycle
from hooknet.lifecycle.services import Services
from hooknet.podman import PodmanEvent
from hooknet.podmans import DescribedPodman, Podmans
from hooknet.report import Report
from hooknet.sockets import Sockets, open_proxy_socket, open_sockets
from hooknet.store.journal import Journal, Loaded
from hooknet.systemd import PROXY, Notifier, listen_sockets

log = logging.getLogger(__name__)

DATABASE = "hooknet.db"
TOMBSTONES = "tombstones"
PLUGIN_PATIENCE = 2.0
TO_REBUILD_ONE = 3.0
"""Seconds that the attachment of a corrupt journal may take at the start: plugins are asked, addresses looked up."""
MEMORY_DAYS = 180
SECONDS_A_DAY = 86400
HEALTH_INTERVAL = 5.0
YOUNG = 10_000
"""Objects that are new since the last look, before the garbage collector looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line of `hooknet daemon`. None: as configured."""

    config: Path | None = None
    run_dir: Path = DEFAULT_RUN_DIR
    state_dir: Path = DEFAULT_STATE_DIR
    podman_urls: tuple[str, ...] | None = None
    log_format: str | None = None
    log_level: str | None = None


@dataclass(slots=True)
class LostJournal:
    """A journal that was corrupt at this start, and what could be rebuilt of it."""

    set_aside: Path
    rebuilt: Rebuilt


def run(options: Options) -> int:
    """Run the daemon until SIGTERM or SIGINT. Returns the exit code."""
    try:
        require_capabilities()  # first: who is not root may not read the configuration either
        settings = configured(options)
        logs.setup(settings.daemon.log_format, settings.daemon.log_level)
        return asyncio.run(_run(options, settings))
    except HooknetError as error:
        print(f"hooknet: {error}", file=sys.stderr)  # noqa: T201 - the log may not be set up yet
        return CODES[error.kind].exit


def configured(options: Options) -> Config:
    """hooknet.toml with the command line over it. Raises BAD_CONFIG."""
    settings = load(options.config)
    daemon = settings.daemon
    if options.log_format is not None:
        daemon = replace(daemon, log_format=cast("LogFormat", options.log_format))
    if options.log_level is not None:
        daemon = replace(daemon, log_level=cast("LogLevel", options.log_level))
    podman = settings.podman
    if options.podman_urls is not None:
        podman = replace(podman, url=options.podman_urls)
    return replace(settings, daemon=daemon, podman=podman)


def require_capabilities() -> None:
    missing = missing_capabilities()
    if missing:
        raise HooknetError(
            Kind.NOT_ALLOWED,
            f"the daemon lacks {', '.join('CAP_' + name for name in missing)}",
            details=f"it runs as uid {os.geteuid()}",
            hint="run it as root, or by the systemd unit that `hooknet install` writes",
        )


async def _run(options: Options, settings: Config) -> int:
    daemon = Daemon(options, settings)
    try:
        await daemon.start()
        await daemon.until_stopped()
    finally:
        await daemon.stop()
    return 0


class Daemon:
    """One running daemon."""

    def __init__(self, options: Options, settings: Config) -> None:
        self._options = options
        self.config = settings
        self.started_at = time.monotonic()
        self.lost: LostJournal | None = None
        self._serves = False
        self.without_proxy: HooknetError | None = None
        self._stopping = asyncio.Event()
        self._notifier = Notifier(os.environ)
        self._handed = listen_sockets(os.environ)
        self._stack = contextlib.AsyncExitStack()
        self.bus = EventBus()
        self.bus.listen(logs.log_event)
        self.metrics = Metrics()
        self.bus.listen(self.metrics.observe)

    # start

    async def start(self) -> None:
        """Everything up to `ready`. Raises HooknetError; what was started is ended by `stop`."""
        options = self._options
        folders.private_folder(options.run_dir, 0o755)
        tombstones = folders.private_folder(options.run_dir / TOMBSTONES)
        state_dir = folders.private_folder(options.state_dir)
        self._stack.callback(os.close, folders.lock(state_dir))
        sockets = self._stack.enter_context(open_sockets(options.run_dir, self._handed))
        self.journal = Journal(state_dir / DATABASE)
        loaded = self.journal.open()
        self._stack.callback(self.journal.close)
        self._say_what_was_found(loaded)
        self.pool = KernelPool()
        self._stack.callback(self.pool.close)
        self.plugins = Plugins.load(self.config, state_dir, publish=self.bus.publish)
        self.podmans = Podmans(self.config.podman.urls, self.bus)
        self.lifecycle = Lifecycle(self._services(state_dir, loaded), self.podmans)
        self.report = Report(self)
        await self.plugins.start(self.journal)
        self._stack.push_async_callback(self.plugins.stop, PLUGIN_PATIENCE)
        await self.lifecycle.start(loaded.records)
        self._stack.push_async_callback(self._stop_lifecycle)
        if loaded.set_aside is not None:
            await self._rebuild(loaded.set_aside)
        self.watcher = LinkWatcher(self.pool, self._link_changed)
        await self.watcher.start()
        self._stack.push_async_callback(self.watcher.stop)
        await self._serve(sockets, tombstones)
        self.podmans.start(self._saw_event, self._resync)
        self._stack.callback(self.podmans.stop)
        self._ready(loaded)

    def _services(self, state_dir: Path, loaded: Loaded) -> Services:
        machine = LinuxMachine(self.pool)
        self._stack.callback(machine.close)
        services = Services(
            machine=machine,
            journal=self.journal,
            hooks=self.plugins,
            podman=self.podmans,
            bus=self.bus,
            registry=Registry(),
            config=self.config,
            host=Host(folders.host_identity(state_dir)),
            memory=loaded.memory,
        )
        self.journal.forget_before(services.machine.wall() - MEMORY_DAYS * SECONDS_A_DAY)
        return services

    async def _serve(self, sockets: Sockets, tombstones: Path) -> None:
        self.tombstones = Tombstones(tombstones, self.lifecycle)
        await self.tombstones.collect()
        cni = CniServer(self.lifecycle, before_add=self.tombstones.collect)
        await cni.start(sockets.cni)
        self._stack.push_async_callback(cni.stop, self.config.daemon.stop_timeout)
        if PROXY in self._handed or self.config.netavark.proxy:
            await self._serve_proxy()
        control = ControlServer(self.report, self.metrics)
        await control.start(sockets.control)
        self._stack.push_async_callback(control.stop)
        self.metrics.watch(self.report)

    async def _serve_proxy(self) -> None:
        """Netavark's dhcp-proxy: imported only here, so that it costs nobody else memory.

        Without its socket everybody else is served all the same, and `status` says what is missing.
        """
        from hooknet.frontends.netavark.proxy import ProxyServer

        try:
            listening = self._stack.enter_context(open_proxy_socket(self._handed))
        except HooknetError as error:
            self.without_proxy = error
            return
        proxy = ProxyServer(self.lifecycle, self.podmans.lookup, self.lifecycle.reconciler.poke)
        await proxy.start(listening)
        self._stack.push_async_callback(proxy.stop, self.config.daemon.stop_timeout)

    def _ready(self, loaded: Loaded) -> None:
        self._serves = True
        spare_the_collector()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)
        self.lifecycle.services.spawn(self._watch_health(), "the watch over health")
        if self._notifier.watchdog_interval is not None:
            self.lifecycle.services.spawn(
                self._feed_watchdog(self._notifier.watchdog_interval), "the watchdog"
            )
        self.bus.publish(
            "daemon",
            state="started",
            status="ready",
            version=__version__,
            attachments=len(loaded.records),
            run_dir=str(self._options.run_dir),
            ms=round((time.monotonic() - self.started_at) * 1000, 1),
        )
        self._notifier.ready(f"serving, {len(loaded.records)} attachments kept")

    def _say_what_was_found(self, loaded: Loaded) -> None:
        if loaded.set_aside is not None:
            log.error(
                "the journal was corrupt: it is kept as %s, and a new one is built from what runs",
                loaded.set_aside,
            )
        for row in loaded.unreadable:
            log.error("a row of the journal can't be read and is ignored: %s", row)

    async def _rebuild(self, set_aside: Path) -> None:
        """From libcni's notes before anybody is served; podman must be waited for, so its own comes beside that."""
        traces = await asyncio.to_thread(of_libcni)
        self.lost = LostJournal(set_aside, Rebuilt(0, tuple(traces.left)))
        self._notifier.extend(TO_REBUILD_ONE * len(traces.found))
        self.lost.rebuilt += await self.lifecycle.rebuild(traces.found)
        self.lifecycle.services.spawn(self._rebuild_from_podman(self.lost), "rebuilding from podman")

    async def _rebuild_from_podman(self, lost: LostJournal) -> None:
        with_proxy = PROXY in self._handed or self.config.netavark.proxy
        podman, is_whole = PodmansTraces(self.lifecycle.services.machine, with_proxy=with_proxy), True
        for url in self.config.podman.urls:
            traces = await podman.of(DescribedPodman(url))
            lost.rebuilt += Rebuilt(0, tuple(traces.left))
            lost.rebuilt += await self.lifecycle.rebuild(traces.found)
            is_whole &= traces.is_whole
        if is_whole:  # else the next daemon asks again
            await asyncio.to_thread(self.journal.is_rebuilt)
        self.bus.publish(
            "daemon", state="rebuilt", attachments=lost.rebuilt.kept, left=len(lost.rebuilt.left)
        )

    # life

    async def until_stopped(self) -> None:
        """Until SIGTERM or SIGINT."""
        await self._stopping.wait()

    async def reload(self) -> list[str]:
        """Read hooknet.toml and the plugins' settings again; leases are not touched. Raises BAD_CONFIG.

        Returns what changed, a line each.
        """
        settings = await asyncio.to_thread(configured, self._options)
        changed = describe_changes(self.config, settings)
        self.config = settings
        logs.setup(settings.daemon.log_format, settings.daemon.log_level)
        self.lifecycle.reconfigure(settings)
        before = self._active_plugins()
        changed += await self.plugins.reload(settings)
        await self.lifecycle.introduce(self._active_plugins() - before)
        self.bus.publish("daemon", state="reloaded", changes=len(changed))
        return changed

    def _active_plugins(self) -> set[str]:
        return {report.name for report in self.plugins.report() if report.state == PluginState.ACTIVE}

    def _reload_by_signal(self) -> None:
        self.lifecycle.services.spawn(self._reload_quietly(), "reload")

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except HooknetError as error:
            log.error("the configuration is left as it was: %s", error)  # noqa: TRY400 - the text says it all

    async def _watch_health(self) -> None:
        """Say once when something becomes wrong, and once when all is well again."""
        healthy = True
        while True:
            problems = self.report.problems()
            if healthy and problems:
                self.bus.publish("daemon", state="degraded", why="; ".join(p.what for p in problems))
            elif not healthy and not problems:
                self.bus.publish("daemon", state="healthy")
            healthy = not problems
            await asyncio.sleep(HEALTH_INTERVAL)

    async def _feed_watchdog(self, interval: float) -> None:
        while True:
            self._notifier.watchdog()
            await asyncio.sleep(interval)

    def _link_changed(self, name: str, event: LinkEvent) -> None:
        match event.change:
            case Change.UP | Change.APPEARED:
                self.lifecycle.carrier(name, up=True)
            case Change.DOWN | Change.DELETED:
                self.lifecycle.carrier(name, up=False)
            case Change.RENAMED:
                self.lifecycle.parent_renamed(name, event.renamed)

    def _saw_event(self, event: PodmanEvent) -> None:
        described = self.podmans.describe(event)
        self.lifecycle.events.saw(described)
        self.plugins.container_event(described)

    def _resync(self, why: str) -> None:
        self.bus.publish("podman", state="resync", why=why)
        self.lifecycle.reconciler.poke()

    # stop

    async def _stop_lifecycle(self) -> None:
        await self.lifecycle.stop(self.config.daemon.stop_timeout)

    async def stop(self) -> None:
        """End everything that was started, newest first. Every lease is kept. One that never served says nothing."""
        self._notifier.stopping()
        self._publish_end("stopping")
        await self._stack.aclose()
        self._publish_end("stopped")
        self.bus.close()

    def _publish_end(self, state: str) -> None:
        if self._serves:
            self.bus.publish("daemon", state=state)


def spare_the_collector() -> None:
    """What a start has made stays, and needs no look again and again; what an ADD makes goes by reference counts.

    Looking less often saves a twelfth of an ADD's time in user mode (docs/decisions/few-wake-ups.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def describe_changes(before: Config, after: Config) -> list[str]:
    """What of the daemon's own settings differs, a line each."""
    lines = []
    sections: tuple[Literal["daemon", "podman", "netavark", "network"], ...] = (
        "daemon",
        "podman",
        "netavark",
        "network",
    )
    for section in sections:
        old, new = getattr(before, section), getattr(after, section)
        if old != new:
            lines.append(
                f"[{section}] changed" + (" (needs a restart)" if section in {"podman", "netavark"} else "")
            )
    return lines
