"""The settings that every plugin has, beside its own, in its table `[plugins.NAME]`.

The three names below are hooknet's; a plugin's `Config` may not use them. Everything else in the table is
bound to the plugin's `Config`, with the same errors as the rest of hooknet.toml.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, cast

from hooknet.binding import Duration, bad_value, bind, unknown_key
from hooknet.errors import HooknetError, Kind

OnFailure = Literal["skip", "fail"]
BUDGET_MOST = 60.0
OBSERVER_TIMEOUT_MOST = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonSettings:
    """What may be set for every plugin.

    on_failure: what an ADD does when the plugin fails, hangs, is quarantined or could not be loaded: `skip`
    goes on without it, `fail` fails the ADD. budget: how long `pre_lease` may take, seconds; None for the
    `budget` of `[plugins]`. observer_timeout: how long one call of an observer (`post_lease`, `release`,
    `container_event`) may take, seconds.
    """

    on_failure: OnFailure = "skip"
    budget: Duration | None = None
    observer_timeout: Duration = 30.0

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 < self.budget <= BUDGET_MOST:
            raise bad_value("budget", self.budget, "a time above 0, up to 60 seconds")
        if not 0 < self.observer_timeout <= OBSERVER_TIMEOUT_MOST:
            raise bad_value("observer_timeout", self.observer_timeout, "a time above 0, up to 1 hour")


COMMON = tuple(f.name for f in fields(CommonSettings))


def common_settings(name: str, table: Mapping[str, Any]) -> CommonSettings:
    """The part of hooknet itself in `[plugins.NAME]`. Raises BAD_CONFIG."""
    mine = {key: value for key, value in table.items() if key.replace("-", "_") in COMMON}
    return bind(CommonSettings, mine, f"[plugins.{name}]")


def likely_settings(table: Mapping[str, Any]) -> CommonSettings:
    """What can be told of a table with an error in it: whether ADDs must fail without the plugin."""
    strict = "fail" in {table.get("on_failure"), table.get("on-failure")}
    return CommonSettings(on_failure="fail" if strict else "skip")


def own_settings(name: str, table: Mapping[str, Any], config_type: type | None) -> Any:
    """The plugin's part of `[plugins.NAME]` as its `Config`; None when it has none. Raises BAD_CONFIG."""
    own = {key: value for key, value in table.items() if key.replace("-", "_") not in COMMON}
    if config_type is not None:
        return bind(
            config_type, own, f"[plugins.{name}]", hint="see what the plugin's documentation says of it"
        )
    if own:
        raise unknown_key(
            next(iter(own)), list(COMMON), f"[plugins.{name}] (the plugin has no settings of its own)"
        )
    return None


def config_type_of(target: Any) -> type | None:
    """The `Config` of a plugin: its own attribute, else that of the module that defines it. Raises PLUGIN."""
    found = getattr(target, "Config", None)
    if found is None and not inspect.ismodule(target):
        owner = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
        found = getattr(sys.modules.get(owner.__module__), "Config", None)
    if found is None:
        return None
    if not (inspect.isclass(found) and is_dataclass(found)):
        raise HooknetError(Kind.PLUGIN, "its Config is not a dataclass", hint="decorate it with @dataclass")
    if taken := sorted(set(COMMON) & {f.name for f in fields(cast("Any", found))}):
        raise HooknetError(
            Kind.PLUGIN,
            f"its Config has a field {taken[0]!r}, which is hooknet's own",
            hint="give it another name",
        )
    return found
