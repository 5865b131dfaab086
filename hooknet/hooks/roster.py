"""Who is there: a row for each plugin that was found or asked for, a cell for each active one, their order.

Implementations run in the order of their plugins' names (pluggy's `tryfirst` and `trylast` come before that):
plugins are registered from the last name to the first, because pluggy calls the last registered first.

A reload arranges everything anew. A plugin that is as it was keeps its cell, with its strikes and statistics;
one whose new settings are wrong goes on with its old ones, and its report says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pluggy

from hooknet.hooks.cell import Cell, Implementation, Tell
from hooknet.hooks.limits import Clock, Limits
from hooknet.hooks.loading import HOOKS, Loaded, PluginState, manager
from hooknet.hooks.reports import PluginReport

Step = tuple[Cell, Implementation]


class Roster:
    """The plugins of one daemon. `broken`: those that failed to load and without which no ADD may succeed."""

    def __init__(self, *, limits: Limits, clock: Clock, tell: Tell) -> None:
        self.rows: dict[str, Loaded] = {}
        self.cells: dict[str, Cell] = {}
        self.steps: Mapping[str, tuple[Step, ...]] = dict.fromkeys(HOOKS, ())
        self.broken: tuple[Loaded, ...] = ()
        self._limits = limits
        self._clock = clock
        self._tell = tell

    def arrange(self, loaded: Iterable[Loaded]) -> None:
        """Replace what was there by what has been loaded now."""
        old, self.cells, self.rows = self.cells, {}, {}
        for row in loaded:
            self._place(row, old.get(row.name))
        registered = manager()
        for name in sorted(self.cells, reverse=True):
            self._register(registered, name)
        self.steps = {hook: self._order(registered, hook) for hook in HOOKS}
        self.broken = tuple(
            row
            for row in self.rows.values()
            if row.state is PluginState.FAILED and row.settings.on_failure == "fail"
        )
        for cell in old.values():
            if self.cells.get(cell.name) is not cell:
                cell.retire()

    def unwanted(self, name: str) -> bool:
        """Whether nothing is owed to `name`: gone, disabled, or without work. What failed may come back."""
        row = self.rows.get(name)
        return row is None or row.state in {PluginState.DISABLED, PluginState.INERT}

    def report(self, pending: Mapping[str, int]) -> list[PluginReport]:
        """Every plugin, by name. pending: deliveries that wait, by plugin."""
        return [
            self.cells[name].report(pending.get(name, 0)) if name in self.cells else idle_report(row)
            for name, row in sorted(self.rows.items())
        ]

    def _place(self, row: Loaded, old: Cell | None) -> None:
        if old is not None and row is old.loaded:
            old.note = ""
            self.cells[row.name], self.rows[row.name] = old, row
        elif old is not None and row.state is PluginState.FAILED and row.distribution:
            old.note = f"goes on with its old settings: {row.reason}"
            self.cells[row.name], self.rows[row.name] = old, old.loaded
            self._tell("not-loaded", plugin=row.name, error=old.note)
        else:
            self.rows[row.name] = row
            if row.state is PluginState.ACTIVE:
                self.cells[row.name] = Cell(row, limits=self._limits, clock=self._clock, tell=self._tell)
            self._announce(row)

    def _announce(self, row: Loaded) -> None:
        what = {"plugin": row.name, "distribution": row.distribution, "version": row.version}
        if row.state is PluginState.ACTIVE:
            self._tell("loaded", **what, hooks=",".join(row.hooks))
        elif row.state is PluginState.FAILED:
            self._tell("not-loaded", **what, error=row.reason)

    def _register(self, registered: pluggy.PluginManager, name: str) -> None:
        row = self.rows[name]
        try:
            registered.register(row.plugin, name)
        except ValueError:  # pluggy: this object has a name already
            reason = "it is the same object as another plugin; give each entry point its own"
            self.rows[name] = replace(row, state=PluginState.FAILED, reason=reason, plugin=None)
            self.cells.pop(name).retire()
            self._announce(self.rows[name])

    def _order(self, registered: pluggy.PluginManager, hook: str) -> tuple[Step, ...]:
        return tuple(
            (
                self.cells[one.plugin_name],
                Implementation(one.plugin_name, hook, one.function, frozenset(one.argnames)),
            )
            for one in reversed(getattr(registered.hook, hook).get_hookimpls())
        )


def idle_report(row: Loaded) -> PluginReport:
    return PluginReport(
        name=row.name,
        distribution=row.distribution,
        version=row.version,
        state=row.state,
        reason=row.reason,
        hooks=row.hooks,
        on_failure=row.settings.on_failure,
        last_error=row.reason if row.state is PluginState.FAILED else None,
    )
