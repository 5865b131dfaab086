"""Finding, importing, constructing and validating plugins: one at a time, so that none can hurt another.

Rules.
- A plugin is an entry point of the group `hooknet`. Its name is its identity: the table `[plugins.NAME]`, the
  row in `hooknet plugins`. A name that two distributions offer is loaded from neither.
- What is not allowed, or disabled, is not even imported. hooknet's own plugins are imported only when their
  table exists; so a library that is missing is an error only when the plugin is configured.
- The entry point names a module, an object, a class or a function. A class or a function that takes an
  argument is called with a PluginContext; the object that it returns carries the hooks, None stands for
  "nothing to do with these settings". A module or an object that has a `configure` gets the context there.
- Importing and constructing run in a thread, with a time limit: that is a plugin's code already.
- Each plugin is validated in a scratch manager (pluggy before 1.7 leaves one that failed half-registered).
  Wrappers are refused, because the dispatcher calls implementations one by one and would bypass them.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum, unique
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from hooknet import hookspecs
from hooknet.config import PluginsConfig
from hooknet.errors import HooknetError, Kind
from hooknet.hooks.settings import (
    CommonSettings,
    common_settings,
    config_type_of,
    likely_settings,
    own_settings,
)
from hooknet.hookspecs import ENTRY_POINT_GROUP, PROJECT, PluginContext

FIRST_PARTY = "hooknet"
WORDS_MOST = 500  # characters of an exception that are kept and shown
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
HOOKS = tuple(name for name, value in vars(hookspecs).items() if hasattr(value, f"{PROJECT}_spec"))


@unique
class PluginState(StrEnum):
    """What has become of a plugin."""

    ACTIVE = "active"
    INERT = "inert"
    DISABLED = "disabled"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The outcome for one name. plugin: the object with the hooks, where state is ACTIVE. reason: why not."""

    name: str
    distribution: str = ""
    version: str = ""
    state: PluginState
    reason: str = ""
    plugin: Any = None
    hooks: tuple[str, ...] = ()
    settings: CommonSettings = field(default_factory=CommonSettings)
    source: tuple[str, Mapping[str, Any]] = ("", {})

    @property
    def label(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})" if self.distribution else self.name


def installed() -> Iterable[EntryPoint]:
    """Every plugin that an installed package offers; nothing is imported."""
    return entry_points(group=ENTRY_POINT_GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """What loading depends on. state_dir: below it each plugin gets a folder of its own. timeout: seconds."""

    state_dir: Path
    timeout: float = 10.0
    disabled: frozenset[str] = frozenset()
    discover: Callable[[], Iterable[EntryPoint]] = installed

    def load_all(
        self, config: PluginsConfig, known: Mapping[str, Loaded] | None = None
    ) -> tuple[Loaded, ...]:
        """Load everything that `config` allows, in the order of the names. Never raises for a plugin.

        known: what is loaded already; a plugin whose entry point and settings are unchanged is kept as it is.
        """
        found: dict[str, list[EntryPoint]] = {}
        for entry_point in self.discover():
            found.setdefault(entry_point.name, []).append(entry_point)
        loaded = [self._load(name, found[name], config, (known or {}).get(name)) for name in sorted(found)]
        return (*loaded, *absent(config, found))

    def _load(
        self, name: str, offers: list[EntryPoint], config: PluginsConfig, known: Loaded | None
    ) -> Loaded:
        entry_point = offers[0]
        table = config.settings.get(name, {})
        blank = Loaded(
            name=name,
            distribution=getattr(entry_point.dist, "name", ""),
            version=getattr(entry_point.dist, "version", ""),
            state=PluginState.FAILED,
            source=(entry_point.value, table),
        )
        idle = self._idle_reason(blank, config)
        if idle is not None:
            return replace(blank, state=idle[0], reason=idle[1])
        try:
            settings = common_settings(name, table)
        except HooknetError as error:
            return replace(blank, reason=str(error), settings=likely_settings(table))
        blank = replace(blank, settings=settings)
        if known is not None and known.plugin is not None and known.source == blank.source:
            return known
        try:
            check_name(name, offers)
            plugin, hooks = within(self.timeout, lambda: self._make(blank, entry_point))
        except HooknetError as error:
            return replace(blank, reason=str(error))
        if plugin is None:
            return replace(blank, state=PluginState.INERT, reason="nothing to do with its settings")
        return replace(blank, state=PluginState.ACTIVE, plugin=plugin, hooks=hooks)

    def _idle_reason(self, blank: Loaded, config: PluginsConfig) -> tuple[PluginState, str] | None:
        if blank.name in self.disabled:
            return PluginState.DISABLED, "disabled until it is enabled or the daemon starts again"
        if blank.name in config.disable:
            return PluginState.DISABLED, "named in [plugins] disable"
        if config.allow and blank.name not in config.allow:
            return PluginState.DISABLED, "not named in [plugins] allow"
        if blank.distribution == FIRST_PARTY and blank.name not in config.settings:
            return PluginState.INERT, f"not configured: there is no [plugins.{blank.name}]"
        return None

    def _make(self, blank: Loaded, entry_point: EntryPoint) -> tuple[Any, tuple[str, ...]]:
        """Import, construct, validate. The plugin's own code runs here."""
        return make_plugin(blank.name, entry_point.load(), blank.source[1], self._context)

    def _context(self, name: str, config: Any) -> PluginContext[Any]:
        logger = logging.getLogger(f"hooknet.plugins.{name}")
        folder = self.state_dir / "plugins" / name
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            logger.warning("can't make %s: %s", folder, error)
        return PluginContext(name=name, config=config, logger=logger, state_dir=folder)


def make_plugin(
    name: str, target: Any, table: Mapping[str, Any], context: Callable[[str, Any], PluginContext[Any]]
) -> tuple[Any, tuple[str, ...]]:
    """The plugin and its hooks, from what an entry point names; (None, ()) when it has nothing to do."""
    config = own_settings(name, table, config_type_of(target))
    plugin = construct(target, lambda: context(name, config))
    return (None, ()) if plugin is None else (plugin, validate(name, plugin))


def construct(target: Any, context: Callable[[], PluginContext[Any]]) -> Any:
    """The object that carries the hooks, from what an entry point names."""
    if inspect.isclass(target) or inspect.isroutine(target):
        make: Callable[..., Any] = target
        return make(context()) if takes_argument(make) else make()
    configure = getattr(target, "configure", None)
    if callable(configure):
        configure(context())
    return target


def takes_argument(target: Callable[..., Any]) -> bool:
    try:
        return bool(inspect.signature(target).parameters)
    except ValueError:  # a builtin without a signature
        return False


def within(seconds: float, make: Callable[[], Any]) -> Any:
    """Run `make` in a thread of its own. Raises PLUGIN with the reason when it fails or takes too long."""
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((make(), None))
        except BaseException as error:  # noqa: BLE001 - a module may call sys.exit() when it is imported
            outcome.append((None, error))

    thread = threading.Thread(target=run, name="plugin-loading", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise HooknetError(
            Kind.PLUGIN,
            f"loading it took more than {seconds:g} seconds",
            hint="it must not wait for anything while it is imported and made: that is for its hooks",
        )
    result, error = outcome[0]
    if isinstance(error, HooknetError):
        raise error
    if error is not None:
        raise HooknetError(Kind.PLUGIN, explain(error), hint=import_hint(error)) from error
    return result


def explain(error: BaseException) -> str:
    """An exception in one line, with where in the plugin it was raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})" if frame is not None else ""
    return f"{type(error).__name__}: {words_of(error)}{place}"


def words_of(error: BaseException) -> str:
    """`str(error)`, bounded, also where a plugin's exception can't be printed."""
    try:
        return str(error)[:WORDS_MOST]
    except Exception:  # noqa: BLE001 - a plugin's own __str__
        return "(its text can't be had)"


def import_hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install what provides {error.name.partition('.')[0]!r} beside hooknet"
    return ""


def manager() -> pluggy.PluginManager:
    made = pluggy.PluginManager(PROJECT)
    made.add_hookspecs(hookspecs)
    return made


def validate(name: str, plugin: Any) -> tuple[str, ...]:
    """The hooks that `plugin` implements. Raises PLUGIN with the reason when it can't be called as it is."""
    scratch = manager()
    try:
        refuse_wrappers(scratch, plugin)
        scratch.register(plugin, name)
        refuse_unknown(scratch)
    except HooknetError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise HooknetError(Kind.PLUGIN, text, hint="see docs/plugins/reference.md for the hooks") from error
    refuse_generators(scratch)
    hooks = tuple(hook for hook in HOOKS if getattr(scratch.hook, hook).get_hookimpls())
    if not hooks:
        raise HooknetError(
            Kind.PLUGIN, "it implements no hook", hint="decorate its functions with @hooknet.hookimpl"
        )
    return hooks


def refuse_wrappers(scratch: pluggy.PluginManager, plugin: Any) -> None:
    for attribute in dir(plugin):
        options = scratch.parse_hookimpl_opts(plugin, attribute)
        if options and (options.get("wrapper") or options.get("hookwrapper")):
            raise HooknetError(
                Kind.PLUGIN,
                f"{attribute} is a hook wrapper, and hooknet calls each implementation by itself",
                hint="use tryfirst or trylast to be called before or after the others",
            )


def refuse_unknown(scratch: pluggy.PluginManager) -> None:
    """What `check_pending` raises, with the nearest hook that exists."""
    try:
        scratch.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = next(
            (name for name in vars(scratch.hook) if name not in HOOKS and f"'{name}'" in str(error)), ""
        )
        near = difflib.get_close_matches(unknown, HOOKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "the hooks are " + ", ".join(HOOKS)
        raise HooknetError(Kind.PLUGIN, f"there is no hook {unknown!r}", hint=hint) from error


def refuse_generators(scratch: pluggy.PluginManager) -> None:
    for hook in HOOKS:
        for found in getattr(scratch.hook, hook).get_hookimpls():
            if inspect.isgeneratorfunction(found.function) or inspect.isasyncgenfunction(found.function):
                raise HooknetError(
                    Kind.PLUGIN,
                    f"{hook} contains a yield, so calling it would do nothing",
                    hint="return instead",
                )


def check_name(name: str, offers: list[EntryPoint]) -> None:
    if len(offers) > 1:
        who = " and ".join(
            sorted(f"{getattr(one.dist, 'name', '?')} {getattr(one.dist, 'version', '?')}" for one in offers)
        )
        raise HooknetError(Kind.PLUGIN, f"it is there twice: from {who}", hint="uninstall one of them")
    if not NAME.fullmatch(name) or name in {f.name for f in fields(PluginsConfig)}:
        raise HooknetError(
            Kind.BAD_CONFIG,
            f"{name!r} can't be a plugin's name",
            hint="use lower-case letters, digits and hyphens",
        )


def absent(config: PluginsConfig, found: Iterable[str]) -> tuple[Loaded, ...]:
    """What the configuration names and nothing installed offers: most likely a typing error."""
    known = set(found)
    missing = sorted((set(config.settings) | set(config.allow)) - known - set(config.disable))
    return tuple(
        Loaded(
            name=name,
            state=PluginState.FAILED,
            reason=absent_reason(name, known),
            settings=likely_settings(config.settings.get(name, {})),
        )
        for name in missing
    )


def absent_reason(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "is its package installed beside hooknet?"
    return f"no installed package offers it; {hint}"
